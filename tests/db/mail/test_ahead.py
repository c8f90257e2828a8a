"""Rows that are read ahead of a client that asks for one message after the other."""

from collections.abc import Sequence
from typing import Any

from posthouse.db.mail.ahead import AHEAD, READERS, ROW_MAX, UNKNOWN, RowsAhead


class Rows:
    """A mailbox; remembers what was read."""

    def __init__(self, uids: Sequence[int], text: bytes = b"") -> None:
        self.text = text
        self.uids = set(uids)
        self.read: list[Sequence[int]] = []

    def __call__(self, uids: Sequence[int]) -> list[Any]:
        self.read.append(uids)
        return [(uid, self.text) for uid in uids if uid in self.uids]


def ask(ahead: RowsAhead, rows: Rows, uids: Sequence[int], *, modseq: int = 1, reader: int = 1) -> list[int]:
    """The UIDs of the rows that are given."""
    return [row[0] for uid in uids for row in ahead.row(reader, uid, modseq, rows)]


def test_one_after_the_other_is_read_ahead() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 101))
    assert ask(ahead, rows, range(1, 101)) == list(range(1, 101))
    assert len(rows.read) == 1 + -(-99 // AHEAD)


def test_here_and_there_is_not() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 1000))
    uids = [900, 5, 700, 200, 199, 198]
    assert ask(ahead, rows, uids) == uids
    assert rows.read == [(uid,) for uid in uids]


def test_what_is_not_there_is_not_given() -> None:
    ahead, rows = RowsAhead(), Rows([1, 4, 5, 80])
    assert ask(ahead, rows, range(1, 100)) == [1, 4, 5, 80]


def test_a_change_of_the_mailbox_is_seen() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 10))
    assert ask(ahead, rows, [1, 2]) == [1, 2]
    rows.uids.discard(3)
    assert ask(ahead, rows, [3, 4], modseq=2) == [4]


def test_nothing_is_kept_while_the_modseq_is_unknown() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 10))
    assert ask(ahead, rows, [1, 2, 3], modseq=UNKNOWN) == [1, 2, 3]
    assert rows.read == [(1,), (2,), (3,)]


def test_large_rows_are_not_kept() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 10), b"x" * (ROW_MAX + 1))
    assert ask(ahead, rows, [1, 2, 3]) == [1, 2, 3]
    assert len(rows.read) == 3


def test_large_rows_are_not_read_ahead_again_and_again() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 201), b"x" * (ROW_MAX + 1))
    assert ask(ahead, rows, range(1, 201)) == list(range(1, 201))
    assert sum(map(len, rows.read)) <= 2 * 200 + AHEAD


def test_rows_of_few_readers_are_kept() -> None:
    ahead, rows = RowsAhead(), Rows(range(1, 10))
    for reader in range(READERS + 1):
        ask(ahead, rows, [1, 2], reader=reader)
    before = len(rows.read)
    assert ask(ahead, rows, [3], reader=READERS) == [3]
    assert len(rows.read) == before
    assert ask(ahead, rows, [3], reader=0) == [3]
    assert len(rows.read) == before + 1
