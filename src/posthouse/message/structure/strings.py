"""Values of header fields as IMAP strings (RFC 3501 §4.3): nothing in them can break the syntax around them (R-109)."""

import re
from collections.abc import Iterable

NIL = b"NIL"

_PLAIN = re.compile(rb'[^\0\r\n"\\\x80-\xff]*+')
_LITERAL = re.compile(rb"[\r\n\x80-\xff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}".encode()  # for NUL, which no IMAP string can hold


def string(value: bytes) -> bytes:
    """The value as a quoted string, or as a literal if it has octets that a quoted string cannot hold."""
    if _PLAIN.fullmatch(value):
        return b'"%b"' % value
    value = value.replace(b"\0", _REPLACEMENT)
    if _LITERAL.search(value):
        return b"{%d}\r\n%b" % (len(value), value)
    return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def nstring(value: bytes) -> bytes:
    """The value as a string; NIL if it is empty."""
    return string(value) if value else NIL


def parenthesized(values: Iterable[bytes]) -> bytes:
    """These strings as a list; NIL if there are none."""
    joined = b" ".join(map(string, values))
    return b"(%b)" % joined if joined else NIL
