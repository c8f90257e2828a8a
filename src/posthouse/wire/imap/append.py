"""APPEND (RFC 3501 §6.3.11): a message into a mailbox. Its literal streams by; the engine never holds it whole."""

import re
from dataclasses import dataclass

from posthouse.message.date import parse_internal_date
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.flags import Flags, parse_flag_list
from posthouse.wire.imap.mailbox import parse_mailbox

_MESSAGE = re.compile(rb"\{[0-9]++\+?\}\r\n\Z")


@dataclass(frozen=True, slots=True)
class Append:
    """What stands before the message. The engine waits for `accept_message` or `refuse_message`."""

    mailbox: str
    flags: Flags
    received: int | None  # INTERNALDATE, seconds since the epoch; None: now
    size: int  # octets of the literal as announced; any number


def parse_append(cursor: Cursor, size: int) -> Append | None:
    """Read what stands before the message, whose literal is announced at the end of what has come so far.

    None: that literal is not the message, but the mailbox's name. Raises ParseError.
    """
    cursor.space()
    if _announces_message(cursor):
        return None
    mailbox = parse_mailbox(cursor)
    cursor.space()
    flags = Flags()
    if cursor.data.startswith(b"(", cursor.at):
        flags = parse_flag_list(cursor)
        cursor.space()
    received = None
    if cursor.data.startswith(b'"', cursor.at):
        received = _date(cursor)
        cursor.space()
    if not _announces_message(cursor):
        raise ParseError("Expected a literal")
    return Append(mailbox, flags, received, size)


def parse_append_without_message(cursor: Cursor) -> Append:
    """An APPEND that came to its end without the literal of a message."""
    raise ParseError("Expected a literal")


class LineEnds:
    """Makes CRLF of every bare LF in a message that comes in pieces (spec/storage-and-imap.md §5)."""

    def __init__(self) -> None:
        self._after_cr = False

    def convert(self, piece: bytes) -> bytes:
        """The piece with its line ends; it may have grown."""
        after_cr = self._after_cr
        self._after_cr = piece.endswith(b"\r") or (after_cr and not piece)
        if piece.count(b"\n") == piece.count(b"\r\n"):
            return piece
        if after_cr:
            return _with_crlf(b"\r" + piece)[1:]
        return _with_crlf(piece)


def _with_crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _announces_message(cursor: Cursor) -> bool:
    return _MESSAGE.match(cursor.data, cursor.at) is not None


def _date(cursor: Cursor) -> int:
    received = parse_internal_date(cursor.string())
    if received is None:
        raise ParseError("Invalid date")
    return received
