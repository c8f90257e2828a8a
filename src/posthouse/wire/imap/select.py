"""SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2), with CONDSTORE (RFC 7162 §3.1.8)."""

import re
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.mailbox import parse_mailbox

_CONDSTORE = re.compile(rb" \(CONDSTORE\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Select:
    mailbox: str
    read_only: bool  # EXAMINE
    condstore: bool = False  # the client wants to be told mod-sequences from now on


def parse_select(cursor: Cursor, *, read_only: bool = False) -> Select:
    cursor.space()
    mailbox = parse_mailbox(cursor)
    condstore = cursor.take(_CONDSTORE) is not None
    cursor.end()
    return Select(mailbox, read_only, condstore)


def parse_examine(cursor: Cursor) -> Select:
    return parse_select(cursor, read_only=True)
