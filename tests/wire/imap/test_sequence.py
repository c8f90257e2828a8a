from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.sequence import STAR, SequenceSet, parse_set

NUMBERS = st.integers(1, 30) | st.just(STAR)
SETS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8).map(tuple).map(SequenceSet)


def resolved(text: bytes, last: int) -> list[tuple[int, int]]:
    return parse_set(Cursor(text)).resolve(last)


@pytest.mark.parametrize(
    ("text", "last", "ranges"),
    [
        pytest.param(b"1", 9, [(1, 1)], id="one"),
        pytest.param(b"3,1,2", 9, [(1, 3)], id="neighbours"),
        pytest.param(b"5:3", 9, [(3, 5)], id="backwards"),
        pytest.param(b"1:*", 9, [(1, 9)], id="all"),
        pytest.param(b"*:*", 9, [(9, 9)], id="last twice"),
        pytest.param(b"*:4", 9, [(4, 9)], id="from the last"),
        pytest.param(b"20:*", 9, [(9, 20)], id="behind the last"),
        pytest.param(b"4294967295:1", 9, [(1, 4294967295)], id="largest"),
        pytest.param(b"*", 0, [], id="last of none"),
        pytest.param(b"*:*", 0, [], id="last of none, twice"),
        pytest.param(b"2:4,3:7,9,9,20", 30, [(2, 7), (9, 9), (20, 20)], id="overlapping"),
    ],
)
def test_sets_become_ranges(text: bytes, last: int, ranges: list[tuple[int, int]]) -> None:
    assert resolved(text, last) == ranges


@pytest.mark.parametrize(
    "text",
    [
        b"0",
        b"1:0",
        b"4294967296",
        b"1,",
        b",1",
        b"1::2",
        b"1:2:3",
        b"",
        b"x",
        b":1",
        b"1:",
        b"**",
        b"99999999999",
        b"-1",
    ],
)
def test_R_107_numbers_that_are_none_are_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_set(Cursor(text))


def test_R_107_100000_ranges_are_sorted_once() -> None:
    many = SequenceSet(tuple((number * 2, number * 2) for number in range(100_000, 0, -1)))
    assert len(many.resolve(5)) == 100_000
    same = SequenceSet(((1, STAR),) * 100_000)
    assert same.resolve(7) == [(1, 7)]


@given(SETS, st.integers(0, 30))
def test_ranges_hold_the_numbers_that_the_set_names(messages: SequenceSet, last: int) -> None:
    ranges = messages.resolve(last)
    named = {
        number
        for ends in messages.ranges
        for number in range(min(e or last for e in ends), max(e or last for e in ends) + 1)
    }
    assert [n for low, high in ranges for n in range(low, high + 1)] == sorted(named - {0})
    assert all(high + 1 < low for (_, high), (low, _) in pairwise(ranges))


@given(st.text(alphabet="0123456789:*,", max_size=20))
def test_any_text_is_a_set_or_refused(text: str) -> None:
    try:
        found = parse_set(Cursor(text.encode()))
    except ParseError:
        return
    ends = [":".join(str(end) if end else "*" for end in pair) for pair in found.ranges]
    assert parse_set(Cursor(",".join(ends).encode())) == found
