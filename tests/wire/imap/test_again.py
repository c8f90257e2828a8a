"""FETCHes that look like the one before: whatever is sent, it is understood as if it were the first command."""

from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.commands import State
from posthouse.wire.imap.engine import Command, Engine, Event

TAGS = st.sampled_from([b"a1", b"A.2", b"t+", b"", b"*", b"a b", b"x" * 65, b"\xe4"])
NAMES = st.sampled_from(
    [b"FETCH", b"fetch", b"UID FETCH", b"uid Fetch", b"UID  FETCH", b"FETCHES", b"UID", b"NOOP"]
)
NUMBERS = st.sampled_from(
    [b"1", b"7", b"007", b"0", b"000000000", b"1:1", b"1:2", b"1,1", b"*", b"-1", b"+1", b" 3", b"3 ", b"\xb2",
     b"999999999", b"4294967295", b"4294967296", b"9" * 30, b""]
)  # fmt: skip
TAILS = st.sampled_from(
    [b"BODY.PEEK[]", b"body.peek[]", b"(UID BODY[TEXT])", b"FLAGS", b"BODY.PEEK[] ", b"2 BODY.PEEK[]", b"BODY[]\0",
     b"(BODY[]) (CHANGEDSINCE 5)", b"BODY[HEADER.FIELDS (a b)]", b"ALL", b""]
)  # fmt: skip
COMMANDS = st.tuples(TAGS, NAMES, NUMBERS, TAILS).map(b" ".join)


def understood(engine: Engine, command: bytes) -> list[Event]:
    engine.feed(command + b"\r\n")
    return list(iter(engine.next_event, None))


def selected() -> Engine:
    engine = Engine()
    engine.state = State.SELECTED
    return engine


@given(st.lists(COMMANDS, max_size=12))
def test_what_came_before_does_not_matter(commands: list[bytes]) -> None:
    engine = selected()
    for command in commands:
        assert understood(engine, command) == understood(selected(), command)


def test_each_command_has_its_own_tag_and_number() -> None:
    engine = selected()
    for number in (5, 7, 6):
        (event,) = understood(engine, b"t%d UID FETCH %d (BODY.PEEK[] FLAGS)" % (number, number))
        assert isinstance(event, Command)
        assert (event.tag, event.name) == (b"t%d" % number, "UID FETCH")
        assert understood(selected(), b"t%d UID FETCH %d (BODY.PEEK[] FLAGS)" % (number, number)) == [event]


def test_it_is_refused_where_no_mailbox_is_selected() -> None:
    engine = selected()
    understood(engine, b"a FETCH 1 BODY[]")
    engine.state = State.AUTHENTICATED
    (event,) = understood(engine, b"b FETCH 2 BODY[]")
    assert not isinstance(event, Command)
