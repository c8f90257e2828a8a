"""RENAME (RFC 3501 §6.3.5)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_mailbox, parse_only_mailbox


@dataclass(frozen=True, slots=True)
class Rename:
    mailbox: str
    name: str  # the new one


def parse_rename(cursor: Cursor) -> Rename:
    cursor.space()
    mailbox = parse_mailbox(cursor)
    return Rename(mailbox, parse_only_mailbox(cursor))
