"""Writing strings: whatever octets they hold, the syntax around them stands (RFC 3501 §4.3)."""

import re

_ATOM = re.compile(
    rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]+"
)  # as an astring; without "+", which some readers take amiss
_NOT_QUOTABLE = re.compile(rb"[\0\r\n\x80-\xff]")
_TO_ESCAPE = re.compile(rb'(["\\])')


def quoted(octets: bytes) -> bytes:
    """A quoted string; a literal when the octets cannot stand in quotes. NUL, which nothing can hold, is left out."""
    if _NOT_QUOTABLE.search(octets):
        return literal(octets)
    return b'"%b"' % (_TO_ESCAPE.sub(rb"\\\1", octets) if b'"' in octets or b"\\" in octets else octets)


def astring(octets: bytes) -> bytes:
    """An atom where the octets are one, else a string."""
    return octets if _ATOM.fullmatch(octets) else quoted(octets)


def literal(octets: bytes) -> bytes:
    """A literal. NUL, which a literal cannot hold, is left out."""
    octets = octets.replace(b"\0", b"")
    return b"{%d}\r\n%b" % (len(octets), octets)
