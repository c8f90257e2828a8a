"""SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_only_mailbox


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    read_only: bool  # EXAMINE


def parse_select(cursor: Cursor) -> Select:
    return Select(parse_only_mailbox(cursor), read_only=False)


def parse_examine(cursor: Cursor) -> Select:
    return Select(parse_only_mailbox(cursor), read_only=True)
