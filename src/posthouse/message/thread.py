"""THREAD: messages as conversations (RFC 5256)."""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple, Union

Thread = list[Union[int, "Thread"]]  # as the answer has it: `(1 2)` is 2 under 1, `(1 (2)(3))` both under 1


class Threaded(NamedTuple):
    """A message to be threaded."""

    subject: bytes  # as `sort.subject_key` gives it
    date: int  # as `sort.sent_date` gives it
    number: int  # UID or sequence number; ascends in the order of the mailbox


def ordered_subject(messages: Iterable[Threaded]) -> list[Thread]:
    """THREAD=ORDEREDSUBJECT: the first message of each subject, and under it all others of the same."""
    threads: list[list[Threaded]] = []
    for _, same in groupby(sorted(messages), key=lambda message: message.subject):
        threads.append(list(same))
    threads.sort(key=lambda thread: thread[0][1:])
    return [_under_the_first([message.number for message in thread]) for thread in threads]


def _under_the_first(numbers: list[int]) -> Thread:
    if len(numbers) <= 2:
        return [*numbers]
    thread: Thread = [numbers[0]]
    thread.extend([number] for number in numbers[1:])
    return thread
