"""COMPRESS (RFC 4978)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError

DEFLATE = b"DEFLATE"


@dataclass(frozen=True, slots=True)
class Compress:
    """By DEFLATE, the only mechanism there is."""


def parse_compress(cursor: Cursor) -> Compress:
    cursor.space()
    if cursor.atom().upper() != DEFLATE:
        raise ParseError("Unknown compression mechanism")
    cursor.end()
    return Compress()
