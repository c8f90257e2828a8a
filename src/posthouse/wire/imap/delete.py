"""DELETE (RFC 3501 §6.3.4)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_only_mailbox


@dataclass(frozen=True, slots=True)
class Delete:
    mailbox: str


def parse_delete(cursor: Cursor) -> Delete:
    return Delete(parse_only_mailbox(cursor))
