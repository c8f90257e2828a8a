"""Flags as commands name them (RFC 3501 §2.3.2)."""

import re
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import LimitExceeded, ParseError

KEYWORD_MAX = 100  # octets of a keyword
RECENT = "\\Recent"

_SYSTEM = {
    name.lower(): name for name in ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", RECENT)
}
_FLAG = re.compile(rb"\\?[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")


@dataclass(frozen=True, slots=True)
class Flags:
    """Flags in their canonical spelling, each once, in the order in which they were named."""

    system: tuple[str, ...] = ()  # "\\Seen"; never "\\Recent", which nobody can set
    keywords: tuple[str, ...] = ()  # in lower case


def parse_flag_list(cursor: Cursor) -> Flags:
    """Read `(flag flag)`. Raises ParseError."""
    cursor.expect(b"(")
    if cursor.skip(b")"):
        return Flags()
    names = _flags(cursor)
    cursor.expect(b")")
    return _canonical(names)


def parse_flags(cursor: Cursor) -> Flags:
    """Read a list of flags, or at least one without parentheses, as STORE takes them. Raises ParseError."""
    if cursor.data.startswith(b"(", cursor.at):
        return parse_flag_list(cursor)
    return _canonical(_flags(cursor))


def _flags(cursor: Cursor) -> dict[str, None]:
    names: dict[str, None] = {}
    while True:
        found = cursor.take(_FLAG)
        if found is None:
            raise ParseError("Expected a flag")
        names[found[0].decode("ascii").lower()] = None
        if not cursor.skip(b" "):
            return names


def _canonical(names: dict[str, None]) -> Flags:
    system: list[str] = []
    keywords: list[str] = []
    for name in names:
        if not name.startswith("\\"):
            keywords.append(name)
        elif name in _SYSTEM:
            system.append(_SYSTEM[name])
        else:
            raise ParseError("Invalid system flag")
    if any(len(keyword) > KEYWORD_MAX for keyword in keywords):
        raise LimitExceeded("Keyword is too long")
    return Flags(tuple(flag for flag in system if flag != RECENT), tuple(keywords))
