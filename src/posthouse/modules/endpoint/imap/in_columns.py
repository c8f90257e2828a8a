"""Search keys that columns of the database answer: sizes, dates, MODSEQ, and texts in ENVELOPE."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from posthouse.framework.interfaces.storage import Column, Columns
from posthouse.message.date import parse_sent_day, received_day
from posthouse.message.envelope import addresses_text
from posthouse.message.search import Needle
from posthouse.message.text.words import decode_words
from posthouse.modules.endpoint.imap.envelopes import addresses_of, date_of, fields_of, subject_of
from posthouse.wire.imap.search import (
    InEnvelope,
    Larger,
    ModSeq,
    Place,
    Received,
    Sent,
    Smaller,
    When,
)

InColumns = Larger | Smaller | Received | Sent | ModSeq | InEnvelope
Finder = Callable[[Columns], Iterable[int]]  # gives the rows that are meant, ascending

_ALWAYS, _NEVER = float("-inf"), float("inf")
_USUAL_DATE = re.compile(rb'\("([^"\\]*+)"')
_FIELDS = {Place.FROM: 2, Place.TO: 5, Place.CC: 6, Place.BCC: 7}  # of ENVELOPE


def column(key: InColumns) -> Column:
    """The column that answers a key."""
    if isinstance(key, Larger | Smaller):
        return "size"
    if isinstance(key, Received):
        return "received"
    return "modseq" if isinstance(key, ModSeq) else "envelope"


def finder(key: InColumns) -> Finder:
    """What finds the rows that a key means."""
    if isinstance(key, InEnvelope):
        return _EnvelopeFinder(key)
    low, high = _bounds(key)
    if isinstance(key, Larger | Smaller):
        return lambda columns: _between(low, columns.size, high)
    if isinstance(key, ModSeq):
        return lambda columns: _between(low, columns.modseq, high)
    if isinstance(key, Received):
        return lambda columns: _between(low, map(received_day, columns.received), high)
    return lambda columns: _between(low, map(_sent_day, columns.envelope), high)


def _bounds(key: Larger | Smaller | Received | Sent | ModSeq) -> tuple[float, float]:
    """The lowest value that is meant, and the lowest above that is not."""
    if isinstance(key, Larger):
        return key.octets + 1, _NEVER
    if isinstance(key, Smaller):
        return _ALWAYS, key.octets
    if isinstance(key, ModSeq):
        return key.modseq, _NEVER
    if key.when is When.BEFORE:
        return _ALWAYS, key.day
    return key.day, key.day + 1 if key.when is When.ON else _NEVER


def _between(low: float, values: Iterable[float], high: float) -> list[int]:
    return [row for row, value in enumerate(values) if low <= value < high]


def _sent_day(envelope: bytes) -> float:
    """The day in the Date field. A message that tells none was sent neither before a day nor since."""
    usual = _USUAL_DATE.match(envelope)
    day = _day_of(usual[1] if usual else date_of(envelope))
    return _NEVER if day is None else day


_day_of = lru_cache(1024)(parse_sent_day)


class _EnvelopeFinder:
    """Finds a text in a field of ENVELOPE.

    A search through the envelopes of all rows at once leaves few: only those are taken apart that have the text's longest word
    somewhere, or something in them that is not what it says.
    """

    def __init__(self, key: InEnvelope) -> None:
        self._place = key.place
        self._needle = Needle(key.text)

    def __call__(self, columns: Columns) -> list[int]:
        envelopes = columns.envelope
        return [row for row in sorted(self._possible(envelopes)) if self._is_in(envelopes[row])]

    def _possible(self, envelopes: Sequence[bytes]) -> Iterable[int]:
        """Rows that may have it: with the word, an encoded word, an escape, or a literal (all else outside of ASCII)."""
        octets = b"".join(envelopes)
        ends = list(accumulate(map(len, envelopes)))
        rows = {row for sign in (b"?", b"\\", b"\r") for row in _rows_with(sign, octets, ends)}
        if self._needle.is_ascii:
            rows.update(_rows_with(self._needle.longest, octets.upper(), ends))
        return rows

    def _is_in(self, envelope: bytes) -> bool:
        if self._place is Place.SUBJECT:
            return self._needle.is_in(decode_words(subject_of(envelope)))
        field = fields_of(envelope)[_FIELDS[self._place]]
        return self._needle.is_in(addresses_text(addresses_of(field)))


def _rows_with(sign: bytes, octets: bytes, ends: Sequence[int]) -> Iterator[int]:
    """The rows in which this is found; `ends` are the offsets behind them."""
    at = octets.find(sign)
    while 0 <= at < len(octets):
        row = bisect_right(ends, at)
        yield row
        at = octets.find(sign, ends[row])
