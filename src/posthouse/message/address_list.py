"""Lists of addresses in header fields: From, To and their like (RFC 5322 §3.4).

Any octets give a list; what cannot be read never moves a domain from one address to another (R-134):

- what follows a whole address, up to the next comma, is dropped after `<address>`, and makes a bare address faulty;
- nothing in quotes or comments is taken for an address, also when they have no end;
- missing halves of an address get the names that other servers give them, too.
"""

import re
from collections.abc import Iterator
from itertools import islice, pairwise
from typing import NamedTuple

from posthouse.message.comment import comment_end

ADDRESSES_MAX = 10_000  # per list; what follows is left out
TOKENS_MAX = 10_000  # of one address; what follows is left out

MISSING_LOCAL_PART = b"MISSING_MAILBOX"
MISSING_DOMAIN = b"MISSING_DOMAIN"
FAULTY_DOMAIN = b"SYNTAX_ERROR"

_SPACE = rb"[ \t\r\n]*+"
_ATOM = rb'([^ \t\r\n"(),:;<>@\[\]\\]++)'
_USUAL = re.compile(  # Ann Example <ann@example.org> | "Example, Ann" <ann@example.org> | ann@example.org
    _SPACE
    + rb'(?:(?:"([^"\\]*+)"|([^"(),:;<>@\[\]\\]*+))'
    + (_SPACE + b"<" + _ATOM + b"@" + _ATOM + b">")
    + (b"|" + _ATOM + b"@" + _ATOM + b")")
    + (_SPACE + rb"(?:,|\Z)")
)
_TOKEN = re.compile(
    rb'"(?:[^"\\]|\\.)*+"?+|\[[^\[\]\\]*+\]|[^ \t\r\n"(),:;<>@\[\]\\]++|[^ \t\r\n]', re.DOTALL
)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


class Address(NamedTuple):
    """One address of a list, or a mark that a group begins or ends. Octets without quoting, encoded words as they are."""

    name: bytes  # the display name; b"" without
    route: bytes  # an obsolete source route, `@a,@b`; b"" without
    local_part: bytes | None  # None: the group ends
    domain: bytes | None  # None: the group of the name `local_part` begins, or ends


GROUP_END = Address(b"", b"", None, None)


def parse_address_list(value: bytes) -> list[Address]:
    """The addresses in a field's value, which may be folded. At most ADDRESSES_MAX."""
    addresses: list[Address] = []
    at = 0
    while (match := _USUAL.match(value, at)) and len(addresses) < ADDRESSES_MAX:
        quoted, words, local_part, domain, bare_local_part, bare_domain = match.groups()
        if bare_local_part:
            addresses.append(Address(b"", b"", bare_local_part, bare_domain))
        else:
            name = _one_line(words if quoted is None else quoted)
            addresses.append(Address(name, b"", local_part, domain))
        at = match.end()
    if at < len(value):
        addresses.extend(islice(_any(value, at), ADDRESSES_MAX - len(addresses)))
    return addresses


def _one_line(words: bytes) -> bytes:
    return b" ".join(words.split())


def _any(value: bytes, at: int) -> Iterator[Address]:
    """The addresses from this offset on, however they are written."""
    element: list[bytes] = []
    bare, in_group, in_route = True, False, False  # bare: only a phrase so far
    for token in _tokens(value, at):
        if token == b":" and bare and not in_group:
            yield Address(b"", b"", _phrase(element), None)
            in_group, element = True, []
        elif token == b";" or (token == b"," and not in_route):
            yield from _element(element)
            if token == b";" and in_group:
                yield GROUP_END
                in_group = False
            element, bare, in_route = [], True, False
        else:
            in_route = (token == b"@" and element[-1:] == [b"<"]) or (in_route and token not in (b":", b">"))
            bare = bare and token not in (b"<", b"@")
            if len(element) < TOKENS_MAX:
                element.append(token)
    yield from _element(element)
    if in_group:
        yield GROUP_END


def _tokens(value: bytes, at: int) -> Iterator[bytes]:
    """Words, quoted strings, domain literals, comments with their parentheses, special characters; no white space."""
    while match := _TOKEN.search(value, at):
        token, at = match[0], match.end()
        if token == b"(":
            begin, at = at, comment_end(value, at)
            token = b"(" + value[begin:at]
        yield token


def _element(tokens: list[bytes]) -> Iterator[Address]:
    """The address in the tokens between two commas, if there is one."""
    words = [token for token in tokens if not token.startswith(b"(")]
    if b"<" in words:
        angle = words.index(b"<")
        name = _phrase(words[:angle]) or _comment(tokens)
        yield _angle_address(name, words[angle + 1 :])
    elif b"@" in words:
        at = words.index(b"@")
        yield _address(_comment(tokens), b"", words[:at], words[at + 1 :])
    elif len(words) == 1 and not words[0].startswith(b'"'):
        yield Address(_comment(tokens), b"", words[0], MISSING_DOMAIN)
    elif words:
        yield Address(_phrase(words), b"", MISSING_LOCAL_PART, MISSING_DOMAIN)


def _angle_address(name: bytes, words: list[bytes]) -> Address:
    """The address in `words`, from behind the `<`."""
    closed = b">" in words
    if closed:
        words = words[: words.index(b">")]
    route = b""
    if words[:1] == [b"@"] and b":" in words:
        colon = words.index(b":")
        route, words = b"".join(words[:colon]), words[colon + 1 :]
    if b"@" not in words:
        return Address(name, route, _local_part(words), MISSING_DOMAIN)
    at = words.index(b"@")
    address = _address(name, route, words[:at], words[at + 1 :])
    return address if closed else address._replace(domain=FAULTY_DOMAIN)


def _address(name: bytes, route: bytes, local_part: list[bytes], domain: list[bytes]) -> Address:
    if len(local_part) > 1 and not _dotted(local_part):  # `John Smith@example.org`: words, but which?
        return Address(name or _phrase(local_part), route, MISSING_LOCAL_PART, MISSING_DOMAIN)
    if b"@" in domain or not _dotted(domain):
        return Address(name, route, _local_part(local_part), FAULTY_DOMAIN)
    return Address(name, route, _local_part(local_part), b"".join(domain) or MISSING_DOMAIN)


def _dotted(words: list[bytes]) -> bool:
    """Whether these words make one: each but the last ends in a dot, or the next begins with one (RFC 5322 §4.4)."""
    return all(one.endswith(b".") or other.startswith(b".") for one, other in pairwise(words))


def _local_part(words: list[bytes]) -> bytes:
    return b"".join(map(_unquoted, words)) or MISSING_LOCAL_PART


def _phrase(words: list[bytes]) -> bytes:
    """Words as a display name. Comments are left out."""
    return b" ".join(
        filter(None, (_one_line(_unquoted(word)) for word in words if not word.startswith(b"(")))
    )


def _comment(tokens: list[bytes]) -> bytes:
    """The last comment as a display name: `ann@example.org (Ann Example)`."""
    comment = next((token for token in reversed(tokens) if token.startswith(b"(")), b"()")
    return _one_line(_ESCAPE.sub(rb"\1", comment[1:].removesuffix(b")")))


def _unquoted(word: bytes) -> bytes:
    if not word.startswith(b'"'):
        return word
    word = word[1:-1] if len(word) > 1 and word.endswith(b'"') else word[1:]
    return _ESCAPE.sub(rb"\1", word).replace(b"\r\n", b"")
