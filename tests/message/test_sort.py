"""The keys that SORT and THREAD compare."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.envelope import split_envelope
from posthouse.message.sort import address_key, in_order, sent_date, subject_key
from posthouse.message.structure import scan

RECEIVED = 1_136_214_245
ROWS = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 3)), max_size=20)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ann Example <Bob@example.org>, carol@example.org", b"BOB"),
        ('"Z" <"a b"@example.org>', b"A B"),
        ("friends: ann@example.org;", b"FRIENDS"),
        ("<é@example.org>", "E\u0301".encode()),
        ("", b""),
    ],
)
def test_the_first_local_part_counts(value: str, expected: bytes) -> None:
    envelope = split_envelope(scan(f"To: {value}\r\n\r\n".encode()).envelope)
    assert address_key(envelope.to) == expected


def test_subjects_are_the_same_without_regard_to_case_and_replies() -> None:
    assert subject_key(b"Re: =?utf-8?q?GR=C3=9C=C3=9Fe?=") == subject_key("[list] grüße (fwd)".encode())


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"Mon, 99 Jan 2006 15:04:05 +0000",
        b"Mon, 02 Jan 99999 15:04:05 +0000",
        b"Mon, 02 Jan 2006 15:04:05 +9999",
        b"Mon, 02 Jan 2006 25:04:05 +0000",
    ],
)
def test_R_138_without_a_date_the_time_of_arrival_counts(value: bytes) -> None:
    assert sent_date(value, RECEIVED) == RECEIVED


def test_dates_are_compared_in_utc() -> None:
    assert sent_date(b"Mon, 02 Jan 2006 16:04:05 +0100", 0) == RECEIVED
    assert sent_date(b"Thu, 1 Jan 1970 00:00:00 +0000", RECEIVED) == 0


@given(ROWS, st.booleans(), st.booleans())
def test_messages_are_sorted_by_one_key_after_another(
    rows: list[tuple[bytes, int]], names_down: bool, numbers_down: bool
) -> None:
    names, numbers = [name for name, _ in rows], [number for _, number in rows]
    found = in_order(len(rows), [(names, names_down), (numbers, numbers_down)])
    down = -1 if numbers_down else 1

    def key(place: int) -> tuple[int, int, int]:
        return (-1 if names_down else 1) * names[place][0], down * numbers[place], place

    assert found == sorted(range(len(rows)), key=key)


def test_without_criteria_messages_stay_in_order() -> None:
    assert in_order(3, []) == [0, 1, 2]
