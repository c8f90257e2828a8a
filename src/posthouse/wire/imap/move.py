"""MOVE (RFC 6851)."""

from dataclasses import dataclass

from posthouse.wire.imap.copy import parse_messages_and_mailbox
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.sequence import SequenceSet


@dataclass(frozen=True, slots=True)
class Move:
    messages: SequenceSet
    destination: str
    by_uid: bool = False


def parse_move(cursor: Cursor) -> Move:
    return Move(*parse_messages_and_mailbox(cursor))


def parse_uid_move(cursor: Cursor) -> Move:
    return Move(*parse_messages_and_mailbox(cursor), by_uid=True)
