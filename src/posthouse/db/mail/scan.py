"""Reading many messages at once, for searches: functions for threads, a chunk a call.

A chunk is small enough that the threads of other readers, and the event loop, which all share one interpreter, do not notice it.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import apsw

from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, OwnFile, Place
from posthouse.db.mail.reads import mailbox
from posthouse.db.mail.selection import as_json, is_dense

COLUMNS_ROWS: Final = 2_500  # rows of a chunk of columns: some milliseconds
MESSAGES: Final = 64  # messages of a chunk, looked up at a time
MESSAGES_OCTETS: Final = 1_048_576  # octets of a chunk of messages, from which on it takes no more
LOOKUPS: Final = 3  # times that a body is looked for again

_TABLES: Final = " FROM message CROSS JOIN email ON email.id = message.email"
_BLOB: Final = " CROSS JOIN blob ON blob.id = email.blob"
_SPAN: Final = " WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid"
_LIST: Final = " WHERE mailbox = ? AND uid IN (SELECT value FROM json_each(?)) ORDER BY uid"
_BODY_COLUMNS: Final = ("head", "parts", "structure", "segment", "offset", "length", "crc", "file", "pieces")


class Found(NamedTuple):
    """A message. body: None for one that is damaged, or what reads a large file."""

    uid: int
    head: bytes
    parts: bytes
    structure: bytes
    body: bytes | OwnFile | None


def columns(
    connection: apsw.Connection, number: int, uids: Sequence[int], wanted: Sequence[str]
) -> list[Sequence[Any]]:
    """The UIDs of those messages that exist, then each of the wanted columns. Raises NoSuchMailbox."""
    mailbox(connection, number)
    rows = _rows(connection, number, uids, wanted, _TABLES)
    return list(zip(*rows, strict=True)) or [()] * (1 + len(wanted))


def messages(
    connection: apsw.Connection, blobs: BlobReader, number: int, uids: Sequence[int]
) -> tuple[list[Found], int]:
    """The first of these messages, and how many of the UIDs are done with them. Raises NoSuchMailbox, OSError."""
    assert 0 < len(uids) <= MESSAGES
    mailbox(connection, number)
    rows = _rows(connection, number, uids, _BODY_COLUMNS, _TABLES + _BLOB)
    found: list[Found] = []
    octets = 0
    for uid, head, parts, structure, segment, offset, length, crc, file, pieces in rows:
        if octets >= MESSAGES_OCTETS:
            return found, bisect_left(uids, uid)
        octets += length
        body: bytes | OwnFile | None
        if file is not None:
            body = OwnFile(file, length, pieces)
        else:
            place = Place(segment, offset, length, crc)
            body = _body(blobs, place)
            if body is None:
                body = _moved_body(connection, blobs, number, uid)
        found.append(Found(uid, head, parts, structure, body))
    return found, len(uids)


def _rows(
    connection: apsw.Connection, number: int, uids: Sequence[int], names: Sequence[str], tables: str
) -> list[Any]:
    """(uid, ...) of these messages, ascending."""
    execute: Any = connection.execute
    select = ", ".join(("SELECT uid", *names)) + tables
    if not is_dense(uids):
        rows: list[Any] = execute(select + _LIST, (number, as_json(uids))).fetchall()
        return rows
    rows = execute(select + _SPAN, (number, uids[0], uids[-1])).fetchall()
    if len(rows) > len(uids) or len(uids) < uids[-1] - uids[0] + 1:
        asked = set(uids)
        rows = [row for row in rows if row[0] in asked]
    return rows


def _body(blobs: BlobReader, place: Place) -> bytes | None:
    """None for what is damaged or not there any more. Raises OSError."""
    try:
        return blobs.body(place)
    except (Damaged, FileNotFoundError):
        return None


def _moved_body(connection: apsw.Connection, blobs: BlobReader, number: int, uid: int) -> bytes | None:
    """Look a body up anew: its segment may have been given up while we read. None for one that is damaged."""
    for _ in range(LOOKUPS):
        for row in _rows(connection, number, [uid], ("segment", "offset", "length", "crc"), _TABLES + _BLOB):
            body = _body(blobs, Place(*row[1:]))
            if body is not None:
                return body
    return None
