"""Who a message says to be from, for decisions: where readers could differ, there is no answer (R-070, RFC 5322 §3.6.2).

For what is only shown, `address_list` reads on.
"""

import re
from collections.abc import Iterator

from posthouse.message.address import quote_mbox, valid
from posthouse.message.comment import comment_end

VALUE_MAX = 262_144  # octets of a field's value: some 8,000 addresses

_TOKEN = re.compile(
    rb"[ \t\r\n]*+(?:"
    rb'(?P<a>[^\x00-\x20()<>\[\]:;@\\,"\x7f]++)'
    rb"|(?P<special>[<>:;@,])"
    rb'|(?P<q>"(?:[^"\\\x00-\x1f\x7f]|\t|\\[^\x00-\x1f\x7f])*+")'
    rb"|(?P<l>\[[^\[\]\\\x00-\x20\x7f]*+\])"
    rb"|(?P<comment>\()"
    rb"|(?P<end>\Z))"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ENCODED_WORD = re.compile(rb"=\?[^?]*+\?[^?]*+\?")

# A field's value with a letter for each token: atom, quoted string, domain literal; other tokens stand for themselves.
_ADDRESS = "[aq]@[al]"
_MAILBOX = f"(?:[aq]*+<{_ADDRESS}>|{_ADDRESS})"
_MAILBOXES = f"{_MAILBOX}(?:,{_MAILBOX})*+"
_GROUP = f"[aq]++:(?:{_MAILBOXES})?;"
_FIELD = re.compile(f"(?:{_MAILBOX}|{_GROUP})(?:,(?:{_MAILBOX}|{_GROUP}))*+")


class MalformedField(ValueError):
    """The value of a field does not say in one way only which addresses it has."""


def parse_originators(value: bytes) -> list[str]:
    """The addresses in the value of From, Sender or their like; those of groups too. Groups may be empty.

    Comments may stand between words, and words of a display name may have dots. Raises MalformedField for all else
    that is not the grammar of RFC 5322 without its obsolete forms, and for addresses that hold an encoded word
    (RFC 2047 §5) or are not valid.
    """
    if len(value) > VALUE_MAX:
        raise MalformedField("too long")
    tokens = list(_tokens(value))
    shape = "".join(kind for kind, _ in tokens)
    if not _FIELD.fullmatch(shape):
        raise MalformedField("not a list of addresses")
    ats = [at for at, kind in enumerate(shape) if kind == "@"]
    return [_address(tokens[at - 1][1], tokens[at + 1][1]) for at in ats]


def _tokens(value: bytes) -> Iterator[tuple[str, bytes]]:
    """The letter and the octets of each token; comments and white space are left out."""
    at = 0
    closed = value + b")"  # so that a comment without end is seen to need it
    while at < len(value):
        token = _TOKEN.match(value, at)
        if token is None:
            raise MalformedField("an octet that stands for nothing")
        at, kind = token.end(), token.lastgroup or ""
        if kind == "comment":
            at = comment_end(closed, at)
            if at > len(value):
                raise MalformedField("a comment has no end")
        elif kind == "special":
            yield token["special"].decode(), token["special"]
        elif kind != "end":
            yield kind, token[kind]


def _address(local_part: bytes, domain: bytes) -> str:
    if _ENCODED_WORD.search(local_part):
        raise MalformedField("encoded word in an address")
    try:
        text, domain_text = local_part.decode(), domain.decode()
    except UnicodeDecodeError as err:
        raise MalformedField("an address is not UTF-8") from err
    if text.startswith('"'):
        text = quote_mbox(_ESCAPE.sub(r"\1", text[1:-1]))
    address = f"{text}@{domain_text}"
    if not valid(address):
        raise MalformedField("an address is not valid")
    return address
