"""Sequence sets: which messages a command is about, by number or UID (RFC 3501 §9)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.wire.imap.cursor import NUMBER_MAX, Cursor
from posthouse.wire.imap.errors import ParseError

STAR = 0  # stands for `*`, the last message: no message has the number 0

_SET = re.compile(rb"[0-9:*,]++")

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges as the client wrote them: ends in any order, overlapping or not, STAR for `*`."""

    ranges: tuple[Range, ...]

    def resolve(self, last: int) -> list[Range]:
        """The ranges, ascending and apart from each other, where `last` (0: no message) is the last number.

        Takes the time to sort them, however long they are.
        """
        found = sorted(_ordered(first or last, second or last) for first, second in self.ranges)
        merged: list[Range] = []
        for low, high in found:
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        return [(max(low, 1), high) for low, high in merged if high]


def parse_set(cursor: Cursor) -> SequenceSet:
    """Read a sequence set. Raises ParseError; 0 and numbers over 32 bits are none."""
    token = cursor.take(_SET)
    if token is None:
        raise ParseError("Expected a sequence set")
    return SequenceSet(tuple(map(_range, token[0].split(b","))))


def format_set(numbers: Sequence[int]) -> str:
    """Numbers as a set, in their order: `3:5,1`."""
    parts: list[str] = []
    at = 0
    while at < len(numbers):
        end = at + 1
        while end < len(numbers) and numbers[end] == numbers[end - 1] + 1:
            end += 1
        parts.append(f"{numbers[at]}:{numbers[end - 1]}" if end > at + 1 else str(numbers[at]))
        at = end
    return ",".join(parts)


def _range(text: bytes) -> Range:
    first, colon, second = text.partition(b":")
    low = _number(first)
    return (low, _number(second) if colon else low)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or len(text) > 10 or not 0 < (value := int(text)) <= NUMBER_MAX:
        raise ParseError("Invalid sequence set")
    return value


def _ordered(first: int, second: int) -> Range:
    return (first, second) if first <= second else (second, first)
