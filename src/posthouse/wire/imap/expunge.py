"""EXPUNGE (RFC 3501 §6.4.3), and UID EXPUNGE (RFC 4315 §2.1)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.sequence import SequenceSet, parse_set


@dataclass(frozen=True, slots=True)
class Expunge:
    """uids: only of these; None: of all."""

    uids: SequenceSet | None = None


def parse_expunge(cursor: Cursor) -> Expunge:
    cursor.end()
    return Expunge()


def parse_uid_expunge(cursor: Cursor) -> Expunge:
    cursor.space()
    uids = parse_set(cursor)
    cursor.end()
    return Expunge(uids)
