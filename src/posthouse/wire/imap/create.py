"""CREATE (RFC 3501 §6.3.3), with the special use of the new mailbox (RFC 6154 §3)."""

import re
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.mailbox import parse_mailbox

_USE = re.compile(rb"USE \(", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"\\[A-Za-z]{1,32}")


@dataclass(frozen=True, slots=True)
class Create:
    """uses: attributes like `\\Sent`, their first letter in capitals and the others small, each once."""

    mailbox: str
    uses: tuple[str, ...] = ()


def parse_create(cursor: Cursor) -> Create:
    cursor.space()
    mailbox = parse_mailbox(cursor)
    uses: dict[str, None] = {}
    if cursor.skip(b" ("):
        if cursor.take(_USE) is None:
            raise ParseError("Expected USE")
        while not cursor.skip(b"))"):
            if uses:
                cursor.space()
            uses[_attribute(cursor)] = None
    cursor.end()
    return Create(mailbox, tuple(uses))


def _attribute(cursor: Cursor) -> str:
    found = cursor.take(_ATTRIBUTE)
    if found is None:
        raise ParseError("Expected a special use")
    return "\\" + found[0][1:].decode("ascii").capitalize()
