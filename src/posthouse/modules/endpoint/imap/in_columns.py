"""Search keys that numbers in columns of the database answer: sizes, dates, MODSEQ."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from posthouse.framework.interfaces.storage import Column, Columns
from posthouse.message.date import parse_sent_day, received_day
from posthouse.modules.endpoint.imap.envelopes import date_of
from posthouse.wire.imap.search import Larger, ModSeq, Received, Sent, Smaller, When

InColumns = Larger | Smaller | Received | Sent | ModSeq
Finder = Callable[[Columns], Iterable[int]]  # gives the rows that are meant, ascending

_ALWAYS, _NEVER = float("-inf"), float("inf")
_USUAL_DATE = re.compile(rb'\("([^"\\]*+)"')


def column(key: InColumns) -> Column:
    """The column that answers a key."""
    if isinstance(key, Larger | Smaller):
        return "size"
    if isinstance(key, Received):
        return "received"
    return "modseq" if isinstance(key, ModSeq) else "envelope"


def finder(key: InColumns) -> Finder:
    """What finds the rows that a key means."""
    low, high = _bounds(key)
    if isinstance(key, Larger | Smaller):
        return lambda columns: _between(low, columns.size, high)
    if isinstance(key, ModSeq):
        return lambda columns: _between(low, columns.modseq, high)
    if isinstance(key, Received):
        return lambda columns: _between(low, map(received_day, columns.received), high)
    return lambda columns: _between(low, map(_sent_day, columns.envelope), high)


def _bounds(key: InColumns) -> tuple[float, float]:
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
