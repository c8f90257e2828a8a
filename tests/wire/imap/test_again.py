"""FETCHes that look like the one before: whatever is sent, it is understood as if it were the first command."""

import tracemalloc
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.testing.imap_events import one_by_one
from posthouse.wire.imap.again import RUN_MAX, FetchRun
from posthouse.wire.imap.commands import State
from posthouse.wire.imap.engine import Command, Engine, Event
from posthouse.wire.imap.sequence import SequenceSet

TAGS = [b"a1", b"A.2", b"t+", b"", b"*", b"a b", b"x" * 65, b"\xe4"]
NAMES = [b"FETCH", b"fetch", b"UID FETCH", b"uid Fetch", b"UID  FETCH", b"FETCHES", b"UID", b"NOOP"]
NUMBERS = [
    b"1", b"7", b"007", b"0", b"000000000", b"1:1", b"1:2", b"1,1", b"*", b"-1", b"+1", b" 3", b"3 ", b"\xb2", b"",
    b"999999999", b"4294967295", b"4294967296", b"9" * 30,
]  # fmt: skip
TAILS = [
    b"BODY.PEEK[]", b"body.peek[]", b"(UID BODY[TEXT])", b"FLAGS", b"BODY.PEEK[] ", b"2 BODY.PEEK[]", b"BODY[]\0", b"",
    b"(BODY[]) (CHANGEDSINCE 5)", b"BODY[HEADER.FIELDS (a b)]", b"ALL",
]  # fmt: skip
COMMANDS = st.tuples(*map(st.sampled_from, (TAGS, NAMES, NUMBERS, TAILS))).map(b" ".join)


def understood(engine: Engine, command: bytes) -> list[Event]:
    engine.feed(command + b"\r\n")
    return list(iter(engine.next_event, None))


def runs(commands: list[bytes]) -> list[FetchRun]:
    events = understood(selected(), b"\r\n".join(commands))
    return [event for event in events if isinstance(event, FetchRun)]


def selected() -> Engine:
    engine = Engine()
    engine.state = State.SELECTED
    return engine


@pytest.mark.parametrize("before", [b"a FETCH 1 BODY.PEEK[]", b"a UID FETCH 1 BODY.PEEK[]"])
def test_each_part_of_a_command_counts(before: bytes) -> None:
    for parts in product(TAGS, NAMES, NUMBERS, (b"BODY.PEEK[]", b"2 BODY.PEEK[]")):
        engine, command = selected(), b" ".join(parts)
        understood(engine, before)
        assert understood(engine, command) == understood(selected(), command)


@given(st.lists(COMMANDS, max_size=12))
def test_what_came_before_does_not_matter(commands: list[bytes]) -> None:
    engine = selected()
    for command in commands:
        assert understood(engine, command) == understood(selected(), command)


def test_it_is_refused_where_no_mailbox_is_selected() -> None:
    engine = selected()
    understood(engine, b"a FETCH 1 BODY[]")
    engine.state = State.AUTHENTICATED
    (event,) = understood(engine, b"b FETCH 2 BODY[]")
    assert not isinstance(event, Command)


@given(st.lists(COMMANDS, max_size=12), st.integers(1, 60))
def test_what_comes_together_does_not_matter(commands: list[bytes], cut: int) -> None:
    octets = b"".join(command + b"\r\n" for command in commands)
    engine = selected()
    events: list[Event] = []
    for start in range(0, len(octets), cut):
        engine.feed(octets[start : start + cut])
        events += iter(engine.next_event, None)
    assert [single for event in events for single in one_by_one(event)] == [
        event for command in commands for event in understood(selected(), command)
    ]


def test_a_run_ascends_and_asks_for_each_message_once() -> None:
    numbers = [1, 2, 3, 5, 9, 10, 4, 4, 6]
    commands = [b"t%d FETCH %d BODY[]" % (at, number) for at, number in enumerate(numbers)]
    found = runs([b"x FETCH 1 BODY[]", *commands])
    assert [run.numbers for run in found] == [[1, 2, 3, 5, 9, 10], [4, 6]]
    assert found[0].request.messages == SequenceSet(tuple((number, number) for number in [1, 2, 3, 5, 9, 10]))
    assert (found[0].tags[0], found[0].tag) == (b"t0", b"t5")


def test_a_run_is_bounded() -> None:
    found = runs([b"a UID FETCH %d (BODY.PEEK[TEXT])" % number for number in range(1, 4 * RUN_MAX)])
    assert [len(run.tags) for run in found] == [RUN_MAX, RUN_MAX, RUN_MAX, 4 * RUN_MAX - 2 - 3 * RUN_MAX]


def test_only_sections_are_gathered() -> None:
    assert not runs([b"a FETCH %d (FLAGS UID)" % number for number in range(1, 9)])


def test_what_is_remembered_of_a_command_is_short() -> None:
    names = b" ".join(b"X-Field-%d" % number for number in range(4000))
    engine = selected()
    understood(engine, b"a FETCH 1 BODY[]")
    tracemalloc.start()
    try:
        understood(engine, b"b FETCH 1 BODY[HEADER.FIELDS (%b)]" % names)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert isinstance(understood(engine, b"c FETCH 2 BODY[]")[0], Command)
