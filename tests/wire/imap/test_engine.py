"""The engine as a client meets it: octets in, events out."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.append import Append
from posthouse.wire.imap.bare import Idle, Logout, Noop
from posthouse.wire.imap.commands import COMMANDS, State
from posthouse.wire.imap.engine import (
    LINE_MAX,
    LITERALS_MAX,
    Answer,
    Command,
    Continue,
    Engine,
    Event,
    MessageData,
    MessageEnd,
    Response,
)
from posthouse.wire.imap.fetch import Attribute, Fetch
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.login import Login
from posthouse.wire.imap.response import Condition, Status, bad, bye
from posthouse.wire.imap.select import Select
from posthouse.wire.imap.sequence import SequenceSet

Reaction = Callable[[Engine, Event], None]


def accept(engine: Engine, event: Event) -> None:
    """What an endpoint does that takes every message and every IDLE."""
    if isinstance(event, Command) and isinstance(event.request, Append):
        engine.accept_message()
    if isinstance(event, Command) and isinstance(event.request, Idle):
        engine.expect_response()


def refuse(engine: Engine, event: Event) -> None:
    if isinstance(event, Command) and isinstance(event.request, Append):
        engine.refuse_message()


def events(
    wire: bytes,
    *,
    state: State = State.SELECTED,
    react: Reaction = accept,
    size: int = 1 << 30,
    joined: bool = True,
) -> list[Event]:
    """All events, when the octets come in pieces of `size`; the pieces of a message are put together."""
    engine, found = Engine(), list[Event]()
    engine.state = state
    for at in range(0, len(wire), size):
        engine.feed(wire[at : at + size])
        while (event := engine.next_event()) is not None:
            react(engine, event)
            if joined and found and isinstance(event, MessageData) and isinstance(found[-1], MessageData):
                event = MessageData(found.pop().octets + event.octets)  # type: ignore[union-attr]  # seen above
            found.append(event)
    return found


def answers(wire: bytes, *, state: State = State.SELECTED, react: Reaction = accept) -> list[Status]:
    return [event.status for event in events(wire, state=state, react=react) if isinstance(event, Answer)]


def names(found: list[Event]) -> list[str]:
    return [event.name for event in found if isinstance(event, Command)]


NOOP = Command(b"z", "NOOP", Noop())
DIALOGUE = (
    b"a LOGIN {3}\r\nann {6+}\r\nsecret\r\n"
    b'b select "INBOX"\r\nc UID fetch 1:*,7 (FLAGS UID)\r\n'
    b"d APPEND Sent (\\Seen) {11+}\r\nSubject: x\n\r\n"
    b"e IDLE\r\nDONE\r\nf nonsense\r\n\r\ng LOGOUT\r\n"
)


def test_a_dialogue_becomes_events() -> None:
    assert events(DIALOGUE) == [
        Continue(),
        Answer(Status(Condition.NO, "Already authenticated", tag=b"a")),
        Command(b"b", "SELECT", Select("INBOX", read_only=False)),
        Command(
            b"c",
            "UID FETCH",
            Fetch(SequenceSet(((1, 0), (7, 7))), (Attribute.FLAGS, Attribute.UID), by_uid=True),
        ),
        Command(b"d", "APPEND", Append("Sent", Flags(("\\Seen",)), None, 11)),
        MessageData(b"Subject: x\n"),
        MessageEnd(),
        Command(b"e", "IDLE", Idle()),
        Response(b"DONE"),
        Answer(bad(b"f", "Unknown command")),
        Answer(bad(b"*", "Expected a tag")),
        Command(b"g", "LOGOUT", Logout()),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 60])
def test_events_do_not_depend_on_how_bytes_arrive(size: int) -> None:
    assert events(DIALOGUE, size=size) == events(DIALOGUE)


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        pytest.param(b"\r\n", bad(b"*", "Expected a tag"), id="empty line"),
        pytest.param(b" NOOP\r\n", bad(b"*", "Expected a tag"), id="no tag"),
        pytest.param(b"a\r\n", bad(b"*", "Expected a space"), id="tag alone"),
        pytest.param(b"a \r\n", bad(b"a", "Expected an atom"), id="no name"),
        pytest.param(b"+ NOOP\r\n", bad(b"*", "Expected a tag"), id="plus is no tag"),
        pytest.param(b"%b NOOP\r\n" % (b"t" * 65), bad(b"*", "Tag is too long"), id="long tag"),
        pytest.param(b"a NOOP \r\n", bad(b"a", "Unexpected arguments"), id="blank behind"),
        pytest.param(b"a NOOP 1\r\n", bad(b"a", "Unexpected arguments"), id="argument"),
        pytest.param(b"a UID\r\n", bad(b"a", "Expected a space"), id="UID alone"),
        pytest.param(b"a UID NOOP\r\n", bad(b"a", "Unknown command"), id="no UID command"),
        pytest.param(b"a XYZZY\r\n", bad(b"a", "Unknown command"), id="unknown"),
        pytest.param(b"a GETACL x\r\n", bad(b"a", "Unknown command"), id="not built yet"),
        pytest.param(b"a NOOP\n", bad(b"a", "Bare CR or LF"), id="bare LF"),
        pytest.param(b"\n", bad(b"*", "Bare CR or LF"), id="nothing but LF"),
        pytest.param(b"a NO\rOP\r\n", bad(b"a", "Bare CR or LF"), id="bare CR"),
        pytest.param(b"a LOGIN x\r\n", bad(b"a", "Expected a space"), id="argument missing"),
        pytest.param(b'a LOGIN "x y\r\n', bad(b"a", "Expected a string"), id="open quote"),
        pytest.param(b'a LOGIN "x\\n" y\r\n', bad(b"a", "Expected a string"), id="bad escape"),
        pytest.param(b"a APPEND x\r\n", bad(b"a", "Expected a literal"), id="APPEND without literal"),
        pytest.param(b'a APPEND x "y"\r\n', bad(b"a", "Expected a literal"), id="APPEND of a string"),
        pytest.param(b'a APPEND x "y" {3}\r\n', bad(b"a", "Invalid date"), id="APPEND, bad date"),
        pytest.param(b"a APPEND x (\\x) {3}\r\n", bad(b"a", "Invalid system flag"), id="APPEND, bad flag"),
    ],
)
def test_what_is_no_command_is_answered(wire: bytes, status: Status) -> None:
    assert events(wire + b"z NOOP\r\n") == [Answer(status), NOOP]


@pytest.mark.parametrize(
    ("state", "command", "text"),
    [
        pytest.param(State.NOT_AUTHENTICATED, b"SELECT x", "Not authenticated"),
        pytest.param(State.NOT_AUTHENTICATED, b"FETCH 1 UID", "Not authenticated"),
        pytest.param(State.AUTHENTICATED, b"FETCH 1 UID", "No mailbox selected"),
        pytest.param(State.AUTHENTICATED, b"CLOSE", "No mailbox selected"),
        pytest.param(State.AUTHENTICATED, b"LOGIN a b", "Already authenticated"),
        pytest.param(State.SELECTED, b"STARTTLS", "Already authenticated"),
    ],
)
def test_commands_out_of_place_are_refused(state: State, command: bytes, text: str) -> None:
    assert answers(b"a %b\r\n" % command, state=state) == [Status(Condition.NO, text, tag=b"a")]


def test_every_command_has_its_states() -> None:
    assert {name for name, syntax in COMMANDS.items() if State.NOT_AUTHENTICATED in syntax.states} == {
        "CAPABILITY",
        "ID",
        "NOOP",
        "LOGOUT",
        "STARTTLS",
        "LOGIN",
        "AUTHENTICATE",
    }
    assert "IDLE" in {name for name, syntax in COMMANDS.items() if State.AUTHENTICATED in syntax.states}


def test_a_literal_is_asked_for_and_may_hold_anything() -> None:
    wire = b'a LOGIN {8}\r\n") NOOP\n {6}\r\n\\"{3}\r\r\n'
    before = State.NOT_AUTHENTICATED
    login = Command(b"a", "LOGIN", Login(b'") NOOP\n', b'\\"{3}\r'))
    assert events(wire, state=before) == [Continue(), Continue(), login]


def test_a_mailbox_may_be_a_literal_before_the_message() -> None:
    found = events(b"a APPEND {5+}\r\nx {9} () {3+}\r\nabc\r\nz NOOP\r\n")
    assert found == [
        Command(b"a", "APPEND", Append("x {9}", Flags(), None, 3)),
        MessageData(b"abc"),
        MessageEnd(),
        NOOP,
    ]


def test_a_message_is_never_gathered_in_the_engine() -> None:
    engine = Engine()
    engine.state = State.AUTHENTICATED
    engine.feed(b"a APPEND x {1000000}\r\n")
    assert isinstance(engine.next_event(), Command)
    assert engine.next_event() is None  # it waits for the decision
    engine.accept_message()
    assert engine.next_event() == Continue()
    for _ in range(10):
        engine.feed(b"x" * 100_000)
        assert engine.next_event() == MessageData(b"x" * 100_000)
        assert engine.next_event() is None
    engine.feed(b"\r\n")
    assert engine.next_event() == MessageEnd()


def test_a_message_must_end_its_command() -> None:
    found = events(b"a APPEND x {3}\r\nabc (\\Seen) {3+}\r\nz NO\r\nz NOOP\r\n")
    assert found[-2:] == [Answer(bad(b"a", "Unexpected arguments")), NOOP]
    assert names(found) == ["APPEND", "NOOP"]


@pytest.mark.parametrize(
    ("wire", "rest"),
    [
        pytest.param(b"a APPEND x {9}\r\n", [NOOP], id="not sent"),
        pytest.param(b"a APPEND x {9+}\r\nb LOGOUT\n\r\n", [NOOP], id="dropped"),
        pytest.param(
            b"a APPEND x {9+}\r\nb LOGOUT\n {3+}\r\nabc)\r\n", [NOOP], id="dropped, with what follows"
        ),
        pytest.param(b"a APPEND x {9+}\r\nb LOGOUT\n {3}\r\n", [NOOP], id="dropped, and not asked for"),
    ],
)
def test_a_refused_message_is_dropped(wire: bytes, rest: list[Event]) -> None:
    for size in (1, 1 << 20):
        found = events(wire + b"z NOOP\r\n", react=refuse, size=size)
        assert names(found[:1]) == ["APPEND"]
        assert found[1:] == rest


def test_the_response_line_is_no_command() -> None:
    engine = Engine()
    engine.expect_response()
    engine.feed(b"a LOGOUT\r\nz NOOP\r\n")
    assert engine.next_event() == Response(b"a LOGOUT")
    assert engine.next_event() == NOOP


# --- the reliability catalogue

SIZES = {
    "2^31": 1 << 31,
    "2^32": 1 << 32,
    "2^63": 1 << 63,
    "40 digits": 10**39,
}


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_R_100_a_promise_of_a_huge_literal_is_refused_and_reserves_nothing(size: int) -> None:
    wire = b"a LOGIN {%d}\r\nz NOOP\r\n" % size
    assert events(wire, state=State.NOT_AUTHENTICATED) == [Answer(bad(b"a", "Literal is too large")), NOOP]
    wire = b"a SELECT {%d}\r\nz NOOP\r\n" % size
    assert events(wire) == [Answer(Status(Condition.NO, "Literal is too large", "LIMIT", b"a")), NOOP]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_R_100_the_endpoint_decides_on_the_size_of_a_message(size: int) -> None:
    command, *rest = events(b"a APPEND x {%d}\r\nz NOOP\r\n" % size, react=refuse)
    assert isinstance(command, Command)
    assert isinstance(command.request, Append)
    assert command.request.size >= min(size, 1 << 64)
    assert rest == [NOOP]


@pytest.mark.parametrize(
    "marker", [b"{-1}", b"{0x10}", b"{}", b"{ 5}", b"{5 }", b"{+}", b"{5-}", b"{5", b"5}"]
)
@pytest.mark.parametrize("state", [State.NOT_AUTHENTICATED, State.SELECTED])
def test_R_100_what_is_no_size_announces_nothing(marker: bytes, state: State) -> None:
    found = events(b"a LOGIN %b\r\nz NOOP\r\n" % marker, state=state)
    assert [type(event) for event in found] == [Answer, Command]
    assert found[1] == NOOP


def test_R_100_literals_are_counted_together() -> None:
    part = b"{%d+}\r\n%b" % (5000, b"x" * 5000)
    found = events(b"a LOGIN %b %b\r\nz NOOP\r\n" % (part, part), state=State.NOT_AUTHENTICATED)
    assert found == [Answer(bad(b"a", "Literal is too large")), NOOP]
    assert answers(b"a SELECT {%d+}\r\n%b\r\n" % (LITERALS_MAX, b"x" * LITERALS_MAX)) == [
        bad(b"a", "Mailbox name is too long")
    ]


@pytest.mark.parametrize("size", [1, 997, 1 << 20])
def test_R_101_a_literal_that_is_too_large_is_read_and_dropped(size: int) -> None:
    data = b"b LOGOUT\r\n" * 10_000
    wire = b"a SELECT {%d+}\r\n%b {4+}\r\nc X\n)\r\nz NOOP\r\n" % (len(data), data)
    if size == 1:
        wire, data = wire.replace(data, data[:70_000]), data[:70_000]
        wire = wire.replace(b"{100000+}", b"{70000+}")
    assert events(wire, size=size) == [
        Answer(Status(Condition.NO, "Literal is too large", "LIMIT", b"a")),
        NOOP,
    ]


@pytest.mark.parametrize(
    ("wire", "state"),
    [
        pytest.param(b"a LOGIN {65537+}\r\n", State.NOT_AUTHENTICATED, id="before login"),
        pytest.param(b"a SELECT {4294967296+}\r\n", State.SELECTED, id="after login"),
        pytest.param(b"a SELECT {%d+}\r\n" % 10**39, State.SELECTED, id="40 digits"),
        pytest.param(b"a APPEND x {%d+}\r\n" % 10**39, State.SELECTED, id="message"),
        pytest.param(b"a SELECT {%d+}\r\n" % 10**100, State.SELECTED, id="100 digits"),
        pytest.param(b"a SELECT {%b5+}\r\n" % (b"0" * 100), State.SELECTED, id="zeros"),
        pytest.param(b"a X{4294967296+}\r\n", State.SELECTED, id="where no literal belongs"),
        pytest.param(b"a X {4294967296+}\n", State.SELECTED, id="with a bare LF"),
    ],
)
def test_R_101_a_literal_without_bounds_ends_the_connection(wire: bytes, state: State) -> None:
    found = events(wire + b"z NOOP\r\n" * 100, state=state, react=refuse)
    assert [event for event in found if not isinstance(event, Command)] == [
        Answer(bye("Literal is too large"))
    ]
    assert "NOOP" not in names(found)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"a LOGIN x{9+}\r\nb LOGOUT\n\r\n", id="no blank before it"),
        pytest.param(b'a LOGIN "x {9+}\r\nb LOGOUT\n\r\n', id="in an open quote"),
        pytest.param(b"a LOGIN x {9+}\nb LOGOUT\n\r\n", id="bare LF"),
        pytest.param(b"a NOOP {9+}\r\nb LOGOUT\n\r\n", id="no argument wanted"),
        pytest.param(b"a LOGIN x\0 {9+}\r\nb LOGOUT\n\r\n", id="NUL before it"),
    ],
)
def test_R_101_data_behind_a_wrong_literal_never_runs(wire: bytes) -> None:
    for size in (1, 1 << 20):
        found = events(wire + b"z NOOP\r\n", state=State.NOT_AUTHENTICATED, size=size)
        assert [type(event) for event in found] == [Answer, Command]
        assert found[1] == NOOP


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"a LOGIN x\0y z\r\n", id="atom"),
        pytest.param(b'a LOGIN "x\0" y\r\n', id="quoted"),
        pytest.param(b"a LOGIN {3+}\r\nx\0y z\r\n", id="literal"),
        pytest.param(b"a APPEND x {3+}\r\nx\0y\r\n", id="message"),
        pytest.param(b"a\0 NOOP\r\n", id="tag"),
    ],
)
def test_R_102_NUL_is_refused(wire: bytes) -> None:
    *_, answer, last = events(wire + b"z NOOP\r\n", state=State.AUTHENTICATED)
    assert isinstance(answer, Answer)
    assert answer.status.condition is Condition.BAD
    assert last == NOOP


@pytest.mark.parametrize("state", [State.NOT_AUTHENTICATED, State.SELECTED])
@pytest.mark.parametrize(
    "command",
    [
        pytest.param(b"(" * 60_000, id="alone"),
        pytest.param(b"FETCH 1 " + b"(" * 60_000, id="FETCH"),
        pytest.param(b"STATUS x " + b"(" * 60_000, id="STATUS"),
        pytest.param(b"STORE 1 FLAGS " + b"(" * 60_000, id="STORE"),
        pytest.param(b"FETCH 1 (BODY[HEADER.FIELDS " + b"(" * 60_000, id="field names"),
        pytest.param(b"LOGIN " + b"(" * 100_000, id="longer than a line may be"),
    ],
)
def test_R_103_nesting_is_refused_at_once(state: State, command: bytes) -> None:
    found = events(b"a %b\r\nz NOOP\r\n" % command, state=state)
    assert [type(event) for event in found] == [Answer, Command]
    assert found[1] == NOOP


def test_R_104_a_long_line_is_refused_and_not_kept() -> None:
    engine = Engine()
    engine.feed(b"a NOOP ")
    for _ in range(10):
        engine.feed(b"x" * 50_000)
        assert engine.next_event() is None
        assert len(engine._buffer) < LINE_MAX
    engine.feed(b"\r\nz NOOP\r\n")
    assert engine.next_event() == Answer(bad(b"a", "Command line is too long"))
    assert engine.next_event() == NOOP


def test_R_104_16_MB_without_a_line_end_end_the_connection() -> None:
    engine, event = Engine(), None
    for _ in range(256):
        engine.feed(b"x" * 65_536)
        if (event := engine.next_event()) is not None:
            break
    assert event == Answer(bye("Line is too long"))
    engine.feed(b"\r\nz NOOP\r\n")
    assert engine.next_event() is None
    assert not engine._buffer


def test_R_104_a_long_line_may_announce_a_literal_and_its_data_never_runs() -> None:
    wire = b"a NOOP %b {9+}\r\nb LOGOUT\n\r\nz NOOP\r\n" % (b"x" * 200_000)
    for size in (9_999, 1 << 20):
        assert events(wire, size=size) == [Answer(bad(b"a", "Command line is too long")), NOOP]


def test_R_104_a_command_of_many_lines_is_bounded() -> None:
    found = events(b"a LOGIN " + b"{0+}\r\n " * 300_000)
    assert found == [Answer(bye("Line is too long"))]


def test_a_long_response_ends_the_connection() -> None:
    for size in (1000, 1 << 20):
        engine = Engine()
        engine.expect_response()
        wire = b"x" * 100_000 + b"\r\n"
        for at in range(0, len(wire), size):
            engine.feed(wire[at : at + size])
        assert engine.next_event() == Answer(bye("Line is too long"))


# --- properties

WORDS = st.sampled_from(
    [
        *(f"{name} ".encode() for name in COMMANDS),
        b"a ", b"b ", b" ", b"\r\n", b"\n", b"\r", b"\0", b"(", b")", b"[", b"]", b'"', b"\\", b"{", b"}", b"{3}\r\n",
        b"{3+}\r\n", b"{70000+}\r\n", b"{99999999999+}\r\n", b"1:*", b"1", b"INBOX", b"\\Seen", b"keyword", b"FLAGS",
        b"BODY[", b"BODY.PEEK[1.2.MIME]", b"HEADER.FIELDS (A B)", b"<0.1>", b"&AOk-", b"DONE", b"\xff",
    ]
)  # fmt: skip
WIRES = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=40).map(b"".join))


@given(WIRES, st.sampled_from(State))
def test_any_octets_give_events_and_nothing_else(wire: bytes, state: State) -> None:
    for event in events(wire, state=state):
        if isinstance(event, Answer):
            assert event.status.condition is not Condition.OK
            assert event.status.to_bytes().count(b"\n") == 1


@given(WIRES, st.sampled_from(State), st.integers(1, 50), st.sampled_from([accept, refuse]))
def test_any_octets_mean_the_same_however_they_arrive(
    wire: bytes, state: State, size: int, react: Reaction
) -> None:
    assert events(wire, state=state, size=size, react=react) == events(wire, state=state, react=react)


@given(WIRES)
def test_an_engine_is_as_good_as_new_after_any_octets(wire: bytes) -> None:
    """Whatever a client sent: a literal or message that it owes, or one line, and it is understood again."""
    engine = Engine()
    engine.feed(wire + b"x" * 200_000 + b"\r\n\r\n" + b"z NOOP\r\n")
    found = list[Event]()
    while (event := engine.next_event()) is not None:
        found.append(event)
    assert found[-1] in (NOOP, Answer(bye("Literal is too large")))
