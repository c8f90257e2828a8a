"""SORT (RFC 5256): a search whose answer is in order."""

from dataclasses import dataclass
from enum import Enum

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import LimitExceeded, ParseError
from posthouse.wire.imap.search import Key, parse_keys

CRITERIA_MAX = 20  # of one SORT


class By(Enum):
    """What messages are compared by."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"


@dataclass(frozen=True, slots=True)
class Criterion:
    by: By
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort:
    """criteria: the most important first. asks_modseq: as in Search."""

    criteria: tuple[Criterion, ...]
    key: Key
    asks_modseq: bool = False
    by_uid: bool = False


def parse_sort(cursor: Cursor, *, by_uid: bool = False) -> Sort:
    """Raises ParseError, BadCharset among them."""
    cursor.space()
    cursor.expect(b"(")
    criteria = [_criterion(cursor)]
    while cursor.skip(b" "):
        criteria.append(_criterion(cursor))
    cursor.expect(b")")
    if len(criteria) > CRITERIA_MAX:
        raise LimitExceeded("Too many sort criteria")
    cursor.space()
    charset = cursor.astring()
    cursor.space()
    key, asks_modseq = parse_keys(cursor, charset)
    return Sort(tuple(criteria), key, asks_modseq, by_uid)


def parse_uid_sort(cursor: Cursor) -> Sort:
    return parse_sort(cursor, by_uid=True)


def _criterion(cursor: Cursor) -> Criterion:
    name = cursor.atom().upper()
    reverse = name == b"REVERSE"
    if reverse:
        cursor.space()
        name = cursor.atom().upper()
    try:
        return Criterion(By(name.decode("ascii")), reverse)
    except ValueError as err:
        raise ParseError("Unknown sort criterion") from err
