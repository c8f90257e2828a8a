"""AUTHENTICATE (RFC 3501 §6.2.2), with an initial response (RFC 4959)."""

import re
from dataclasses import dataclass, field

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError

_INITIAL = re.compile(rb"[A-Za-z0-9+/]*+={0,2}")


@dataclass(frozen=True, slots=True)
class Authenticate:
    """mechanism: as sent. initial: still in base64 (`=` is an empty one), or None when there is none."""

    mechanism: str
    initial: bytes | None = field(repr=False)


def parse_authenticate(cursor: Cursor) -> Authenticate:
    cursor.space()
    mechanism = cursor.atom().decode("ascii")
    initial = None
    if cursor.skip(b" "):
        found = cursor.take(_INITIAL)
        initial = found[0] if found else b""
        if not initial:
            raise ParseError("Expected an initial response")
    cursor.end()
    return Authenticate(mechanism, initial)
