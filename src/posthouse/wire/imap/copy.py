"""COPY (RFC 3501 §6.4.7)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_only_mailbox
from posthouse.wire.imap.sequence import SequenceSet, parse_set


@dataclass(frozen=True, slots=True)
class Copy:
    messages: SequenceSet
    destination: str
    by_uid: bool = False


def parse_copy(cursor: Cursor) -> Copy:
    return Copy(*parse_messages_and_mailbox(cursor))


def parse_uid_copy(cursor: Cursor) -> Copy:
    return Copy(*parse_messages_and_mailbox(cursor), by_uid=True)


def parse_messages_and_mailbox(cursor: Cursor) -> tuple[SequenceSet, str]:
    """Read ` SET MAILBOX` up to the end."""
    cursor.space()
    messages = parse_set(cursor)
    return messages, parse_only_mailbox(cursor)
