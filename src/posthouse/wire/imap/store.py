"""STORE (RFC 3501 §6.4.6): changing flags."""

import re
from dataclasses import dataclass
from typing import Literal, cast

from posthouse.wire.imap.condstore import parse_mod_sequence
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.flags import Flags, parse_flags
from posthouse.wire.imap.sequence import SequenceSet, parse_set

Change = Literal["FLAGS", "+FLAGS", "-FLAGS"]

_UNCHANGED_SINCE = re.compile(rb"\(UNCHANGEDSINCE ", re.IGNORECASE)
_ITEM = re.compile(rb"([+-]?FLAGS)(\.SILENT)?(?= )", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Store:
    """unchanged_since: messages with a higher modseq are to be left alone (RFC 7162 §3.1.3)."""

    messages: SequenceSet
    change: Change
    silent: bool
    flags: Flags
    by_uid: bool = False
    unchanged_since: int | None = None


def parse_store(cursor: Cursor, *, by_uid: bool = False) -> Store:
    cursor.space()
    messages = parse_set(cursor)
    cursor.space()
    unchanged_since = _modifier(cursor)
    item = cursor.take(_ITEM)
    if item is None:
        raise ParseError("Expected FLAGS, +FLAGS or -FLAGS")
    cursor.space()
    flags = parse_flags(cursor)
    cursor.end()
    change = cast("Change", item[1].decode("ascii").upper())
    return Store(messages, change, item[2] is not None, flags, by_uid, unchanged_since)


def parse_uid_store(cursor: Cursor) -> Store:
    return parse_store(cursor, by_uid=True)


def _modifier(cursor: Cursor) -> int | None:
    if cursor.take(_UNCHANGED_SINCE) is None:
        return None
    modseq = parse_mod_sequence(cursor)
    cursor.expect(b") ")
    return modseq
