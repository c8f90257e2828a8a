"""SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7)."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_only_mailbox


@dataclass(frozen=True, slots=True)
class Subscribe:
    mailbox: str
    subscribed: bool  # what it is to be


def parse_subscribe(cursor: Cursor) -> Subscribe:
    return Subscribe(parse_only_mailbox(cursor), subscribed=True)


def parse_unsubscribe(cursor: Cursor) -> Subscribe:
    return Subscribe(parse_only_mailbox(cursor), subscribed=False)
