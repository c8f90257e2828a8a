"""The keys that SORT and THREAD compare messages by (RFC 5256 §2.2, §3)."""

from collections.abc import Sequence

from posthouse.message.date import parse_date
from posthouse.message.envelope import addresses_in
from posthouse.message.subject import base_subject
from posthouse.message.text.casemap import fold
from posthouse.message.text.charset import decode

Keys = Sequence[bytes] | Sequence[int]  # one for each message


def address_key(field: bytes) -> bytes:
    """What FROM, TO and CC compare: the local part of the first address of this list in ENVELOPE; b"" without one."""
    addresses = addresses_in(field)
    return fold(decode(addresses[0].local_part or b"", None)) if addresses else b""


def subject_key(value: bytes) -> bytes:
    """What SUBJECT compares: the folded base subject. Messages of one ORDEREDSUBJECT thread have the same."""
    return fold(base_subject(value))


def sent_date(value: bytes, received: int) -> int:
    """What DATE compares: the time in the Date field's value, or INTERNALDATE if it tells none (R-138). In seconds."""
    date = parse_date(value)
    return received if date is None else date


def in_order(count: int, criteria: Sequence[tuple[Keys, bool]]) -> list[int]:
    """The places of so many messages in sorted order. Where all is the same, they stay in the order of the mailbox.

    criteria: keys, and whether in reverse; the most important first.
    """
    places = list(range(count))
    for keys, reverse in reversed(criteria):
        places.sort(key=keys.__getitem__, reverse=reverse)  # stable, also in reverse
    return places
