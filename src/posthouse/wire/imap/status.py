"""STATUS (RFC 3501 §6.3.10): counters of a mailbox."""

from collections.abc import Mapping
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.mailbox import encode_mailbox, parse_mailbox

ITEMS = frozenset(
    {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "APPENDLIMIT", "HIGHESTMODSEQ"}
)  # APPENDLIMIT: RFC 7889; HIGHESTMODSEQ: RFC 7162 §3.1.7


@dataclass(frozen=True, slots=True)
class Status:
    mailbox: str
    items: tuple[str, ...]  # of ITEMS, each once, in the order asked


def parse_status(cursor: Cursor) -> Status:
    cursor.space()
    mailbox = parse_mailbox(cursor)
    cursor.space()
    cursor.expect(b"(")
    items: dict[str, None] = {}
    while True:
        item = cursor.atom().decode("ascii").upper()
        if item not in ITEMS:
            raise ParseError("Unknown status item")
        items[item] = None
        if not cursor.skip(b" "):
            break
    cursor.expect(b")")
    cursor.end()
    return Status(mailbox, tuple(items))


def status_line(mailbox: str, values: Mapping[str, int]) -> bytes:
    """The answer, its items in the order of `values`."""
    items = " ".join(f"{item} {value}" for item, value in values.items())
    return b"* STATUS %b (%b)\r\n" % (encode_mailbox(mailbox), items.encode("ascii"))
