import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.db.mail import uidset


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], b""),
        ([5], b"5"),
        ([1, 2, 3], b"1:3"),
        ([5, 9, 10, 11, 120], b"5,9:11,120"),
        ([1, 3, 4], b"1,3:4"),
    ],
)
def test_sets_are_written_as_imap_writes_them(numbers: list[int], text: bytes) -> None:
    assert uidset.to_bytes(numbers) == text


@given(st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 50)))
def test_what_is_written_is_read_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    runs = list(uidset.parse(uidset.to_bytes(ordered)))
    assert [number for run in runs for number in run] == ordered
