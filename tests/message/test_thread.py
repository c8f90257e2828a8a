"""Messages as conversations."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.thread import Thread, Threaded, ordered_subject

ROWS = st.lists(st.tuples(st.sampled_from([b"", b"A", b"B"]), st.integers(0, 5)), max_size=20)


def numbers(thread: Thread) -> Iterator[int]:
    for member in thread:
        if isinstance(member, int):
            yield member
        else:
            yield from numbers(member)


def test_the_shape_is_that_of_the_rfc() -> None:
    """RFC 5256, the example of THREAD=ORDEREDSUBJECT: `(174 (175)(176))(194 195)(166)`."""
    rows = [(b"A", 1, 174), (b"A", 2, 175), (b"A", 3, 176), (b"B", 4, 194), (b"B", 5, 195), (b"C", 6, 166)]
    assert ordered_subject(Threaded(*row) for row in rows) == [[174, [175], [176]], [194, 195], [166]]


def test_threads_begin_with_their_oldest_message_and_come_in_its_order() -> None:
    rows = [(b"A", 30, 1), (b"B", 20, 2), (b"A", 10, 3), (b"B", 40, 4), (b"C", 25, 5)]
    assert ordered_subject(Threaded(*row) for row in rows) == [[3, 1], [2, 4], [5]]


def test_of_the_same_time_the_order_of_the_mailbox_counts() -> None:
    rows = [(b"B", 1, 2), (b"A", 1, 3), (b"B", 1, 1)]
    assert ordered_subject(Threaded(*row) for row in rows) == [[1, 2], [3]]


def test_no_messages_are_no_threads() -> None:
    assert ordered_subject([]) == []


@given(ROWS)
def test_every_message_is_in_one_thread(rows: list[tuple[bytes, int]]) -> None:
    threads = ordered_subject(Threaded(*row, number) for number, row in enumerate(rows))
    assert sorted(number for thread in threads for number in numbers(thread)) == list(range(len(rows)))
    assert len(threads) == len({subject for subject, _ in rows})
