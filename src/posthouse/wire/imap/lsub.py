"""LSUB (RFC 3501 §6.3.9): which mailboxes are subscribed to."""

from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.list import parse_names


@dataclass(frozen=True, slots=True)
class Lsub:
    reference: str
    pattern: str  # as sent, decoded: `*` and `%` are wildcards


def parse_lsub(cursor: Cursor) -> Lsub:
    return Lsub(*parse_names(cursor))
