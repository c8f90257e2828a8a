"""ID (RFC 2971): client and server tell who they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.strings import quoted

PAIRS_MAX = 30  # RFC 2971 §3.3, as are the next two
KEY_MAX = 30  # octets
VALUE_MAX = 1024  # octets


@dataclass(frozen=True, slots=True)
class Id:
    """What the client says of itself, keys in lower case; values are octets as sent, NIL is b""."""

    fields: Mapping[str, bytes]


def parse_id(cursor: Cursor) -> Id:
    cursor.space()
    fields = {} if _skip_nil(cursor) else _fields(cursor)
    cursor.end()
    return Id(fields)


def id_line(fields: Mapping[str, bytes]) -> bytes:
    """The answer."""
    words = b" ".join(quoted(word) for key, value in fields.items() for word in (key.encode("ascii"), value))
    return b"* ID (%b)\r\n" % words


def _fields(cursor: Cursor) -> dict[str, bytes]:
    cursor.expect(b"(")
    fields: dict[str, bytes] = {}
    while not cursor.skip(b")"):
        if fields:
            cursor.space()
        key = cursor.string()
        cursor.space()
        value = b"" if _skip_nil(cursor) else cursor.string()
        if len(key) > KEY_MAX or len(value) > VALUE_MAX or len(fields) == PAIRS_MAX:
            raise ParseError("Too much of an identification")
        fields[key.decode("ascii", "backslashreplace").lower()] = value
    return fields


def _skip_nil(cursor: Cursor) -> bool:
    is_nil = cursor.data[cursor.at : cursor.at + 3].upper() == b"NIL"
    cursor.at += 3 * is_nil
    return is_nil
