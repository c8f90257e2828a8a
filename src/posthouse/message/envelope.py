"""ENVELOPE read back: what SEARCH and SORT ask of a message without its octets (RFC 3501 §7.4.2).

It is what `message.structure` wrote and storage kept, so anything else is damage, and raises ValueError.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from posthouse.message.address_list import FAULTY_DOMAIN, MISSING_DOMAIN, MISSING_LOCAL_PART, Address
from posthouse.message.text.charset import decode
from posthouse.message.text.words import decode_words

_QUOTED = rb'"(?:[^"\\]|\\.)*+"'
_STRING = rb"(?:NIL|%b)" % _QUOTED
_ADDRESSES = rb"(?:NIL|\((?:\(%b %b %b %b\))++\))" % ((_STRING,) * 4)
_FIELDS = [_STRING] * 2 + [_ADDRESSES] * 6 + [_STRING] * 2
_USUAL = re.compile(rb"\(%b\)" % b" ".join([b"(%b)" % field for field in _FIELDS]), re.DOTALL)  # no literals
_TOKEN = re.compile(rb"NIL|%b|\{(\d{1,9})\}\r\n|[() ]" % _QUOTED, re.DOTALL)
_STRINGS = re.compile(_STRING, re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


class Envelope(NamedTuple):
    """The fields as they are written: read the strings with `string_in`, the lists with `addresses_in`."""

    date: bytes
    subject: bytes
    author: bytes  # From
    sender: bytes
    reply_to: bytes
    to: bytes
    cc: bytes
    bcc: bytes
    in_reply_to: bytes
    message_id: bytes


def split_envelope(envelope: bytes) -> Envelope:
    """The fields of an ENVELOPE."""
    match = _USUAL.fullmatch(envelope)
    if match:
        return Envelope(*match.groups())
    fields = list(_fields(envelope))
    if len(fields) != len(Envelope._fields):
        raise ValueError("damaged ENVELOPE")
    return Envelope(*fields)


def string_in(field: bytes) -> bytes:
    """The octets of a string; b"" for NIL."""
    return _value(field) or b""


def text_in(field: bytes) -> str:
    """A string as it is shown, for SEARCH SUBJECT. A tab is a blank: most are left of folds."""
    return decode_words(string_in(field).replace(b"\t", b" "))


def addresses_in(field: bytes) -> list[Address]:
    """The addresses of a list, groups as `parse_address_list` gives them."""
    if field == b"NIL":
        return []
    strings = _strings_in(field)
    if len(strings) % 4:
        raise ValueError("damaged ENVELOPE")
    fours = zip(*[iter(strings)] * 4, strict=True)
    return [Address(name or b"", route or b"", local, domain) for name, route, local, domain in fours]


def _strings_in(field: bytes) -> list[bytes | None]:
    if b"{" in field:  # perhaps a literal
        return [_value(token) for token in _tokens(field) if token not in (b"(", b")", b" ")]
    return list(map(_value, _STRINGS.findall(field)))


def addresses_text(addresses: Iterable[Address]) -> str:
    """The addresses as they are shown: `Ann Example <ann@example.org>, friends: bob@example.net;`."""
    return ", ".join(map(_address_text, addresses))


def _address_text(address: Address) -> str:
    name, _, local_part, domain = address
    if local_part is None:
        return ";"
    if domain is None:
        return decode_words(local_part) + ":"
    mailbox = b"" if local_part == MISSING_LOCAL_PART else local_part
    if domain not in (MISSING_DOMAIN, FAULTY_DOMAIN):
        mailbox += b"@" + domain
    text = decode(mailbox, None)
    return f"{decode_words(name)} <{text}>" if name else text


def _fields(envelope: bytes) -> Iterator[bytes]:
    """What lies between the blanks of the outermost parentheses."""
    depth, start, at = 0, 1, 0
    for token in _tokens(envelope):
        depth += (token == b"(") - (token == b")")
        if (token == b" " and depth == 1) or (token == b")" and depth == 0):
            yield envelope[start:at]
            start = at + 1
        at += len(token)


def _tokens(field: bytes) -> Iterator[bytes]:
    """Parentheses, blanks, NIL, and strings with their quotes or the size of the literal."""
    at = 0
    while at < len(field):
        match = _TOKEN.match(field, at)
        end = match.end() + int(match[1] or 0) if match else at
        if not at < end <= len(field):
            raise ValueError("damaged ENVELOPE")
        yield field[at:end]
        at = end


def _value(token: bytes) -> bytes | None:
    if token == b"NIL":
        return None
    if token.startswith(b"{"):
        return token[token.index(b"\n") + 1 :]
    value = token[1:-1]
    return _ESCAPE.sub(rb"\1", value) if b"\\" in value else value
