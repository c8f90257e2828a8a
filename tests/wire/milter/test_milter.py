"""The milter protocol's packets, answers and order: what comes of any octets that a filter may send."""

import contextlib
import struct
from collections.abc import Callable
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.message.header import Header
from posthouse.wire.lines import ProtocolError
from posthouse.wire.milter.answers import AddField, Answer, Decision, ReplyCode, parse_answer
from posthouse.wire.milter.client import OFFERED, MilterSession
from posthouse.wire.milter.options import Actions, Options, Steps, agreed
from posthouse.wire.milter.packets import DATA_MAX, PACKET_MAX, Packet, PacketBuffer, packed, strings

LETTERS = st.sampled_from([bytes([one]) for one in b"acdefhimpqrsty+-24bO?\0"])
PACKETS = st.builds(
    packed,
    LETTERS,
    st.one_of(
        st.binary(max_size=20),
        st.lists(st.sampled_from([b"X", b"a", b"\n", b"\r", b" ", b"\0", b"5", b"550 x", b"\0\0\0\1"])).map(
            b"".join
        ),
    ),
)


def negotiated(steps: int = 0) -> MilterSession:
    """A session that has options."""
    session = MilterSession()
    session.feed(packed(b"O", struct.pack("!III", 6, 0, steps)))
    assert session.next_answer() is Decision.CONTINUE
    session.data_to_send()
    return session


@given(st.binary(max_size=300), st.integers(1, 50))
@example(b"\0\0\0\1c\0\0\0\3y55", 1)
def test_any_octets_are_packets_or_refused_however_they_arrive(octets: bytes, size: int) -> None:
    assert _packets([octets]) == _packets([octets[at : at + size] for at in range(0, len(octets), size)])


def _packets(chunks: list[bytes]) -> list[Packet | str]:
    buffer, found = PacketBuffer(), list[Packet | str]()
    try:
        for chunk in chunks:
            buffer.feed(chunk)
            while (packet := buffer.packet()) is not None:
                found.append(packet)
    except ProtocolError as err:
        found.append(str(err))
    return found


@given(st.sampled_from([b"a", b"h"]), st.binary(max_size=1000))
def test_what_is_packed_is_unpacked(letter: bytes, data: bytes) -> None:
    assert _packets([packed(letter, data)]) == [Packet(letter, data)]


def test_a_length_is_refused_before_its_octets_come() -> None:
    for length, is_refused in (
        (0, True),
        (1, False),
        (PACKET_MAX, False),
        (PACKET_MAX + 1, True),
        (2**32 - 1, True),
    ):
        buffer = PacketBuffer()
        buffer.feed(struct.pack("!I", length))
        with pytest.raises(ProtocolError) if is_refused else contextlib.nullcontext():
            assert buffer.packet() is None


@given(st.lists(PACKETS, max_size=12).map(b"".join), st.binary(max_size=3))
def test_R_190_whatever_a_filter_answers_there_is_an_end(octets: bytes, rest: bytes) -> None:
    """Each answer is one of ours, or the session fails; the final one is the last one."""
    session = negotiated()
    session.end()
    session.feed(octets + rest)
    answers: list[Answer] = []
    with contextlib.suppress(ProtocolError):
        while (answer := session.next_answer()) is not None:
            answers.append(answer)
    ends = [
        isinstance(one, ReplyCode) or (isinstance(one, Decision) and one is not Decision.PROGRESS)
        for one in answers
    ]
    assert not any(ends[:-1])
    assert session.is_waiting != any(ends)


@given(PACKETS)
def test_R_190_a_field_that_is_added_is_one_field(octets: bytes) -> None:
    (packet,) = _packets([octets])
    assert isinstance(packet, Packet)
    with contextlib.suppress(ProtocolError):
        answer = parse_answer(packet)
        if isinstance(answer, AddField):
            whole = b"%b: %b\r\n" % (answer.name, answer.value)
            header = Header.parse(b"Before: 1\r\n" + whole + b"After: 2\r\n\r\n")
            assert header.count(answer.name) >= 1
            lines = header.to_bytes().split(b"\r\n")
            assert sum(not line.startswith((b" ", b"\t")) for line in lines[:-1]) == 3


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=5))
def test_strings_hold_no_nul_of_their_own(values: list[bytes]) -> None:
    joined = strings(*values)
    assert joined.count(b"\0") == len(values)
    assert joined.split(b"\0")[:-1] == [value.partition(b"\0")[0] for value in values]


def test_strings_that_are_too_long_are_cut() -> None:
    assert len(strings(b"x" * 100_000)) == len(strings(b"a", b"x" * 100_000)) == DATA_MAX


@pytest.mark.parametrize(
    ("steps", "sent"),
    [
        (0, b"CHMRTLNBE"),
        (Steps.NO_CONNECT | Steps.NO_HELLO, b"MRTLNBE"),
        (Steps.NO_MAIL | Steps.NO_RECIPIENT | Steps.NO_DATA, b"CHLNBE"),
        (Steps.NO_HEADER | Steps.NO_END_OF_HEADER | Steps.NO_BODY, b"CHMRTE"),
    ],
)
@pytest.mark.parametrize("silent", [False, True])
def test_steps_that_are_unwanted_are_not_sent(steps: int, sent: bytes, silent: bool) -> None:
    every = 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x80 | 0x40000 | 0x80000
    session = negotiated(steps | every * silent)
    seen = b""
    calls: list[Callable[[], None]] = [
        lambda: session.connect(b"x", None, 0, {}),
        lambda: session.hello(b"x", {}),
        lambda: session.mail(b"<>", [], {}),
        lambda: session.recipient(b"<ann@example.org>"),
        session.data,
        lambda: session.header(b"A: b\r\n"),
        session.end_of_header,
        lambda: session.body(b"x"),
        session.end,
    ]
    for call in calls:
        call()
        letters = b"".join(
            one.letter for one in _packets([session.data_to_send()]) if isinstance(one, Packet)
        )
        seen += letters
        assert session.is_waiting == (bool(letters) and (not silent or letters == b"E"))
        if session.is_waiting:
            session.feed(packed(b"c"))
            assert session.next_answer() is Decision.CONTINUE
    assert seen == sent


def test_octets_that_nobody_asked_for_are_refused() -> None:
    session = negotiated()
    assert session.next_answer() is None
    session.feed(packed(b"c"))
    with pytest.raises(ProtocolError, match="nobody asked"):
        session.next_answer()


def test_progress_ends_no_step() -> None:
    session = negotiated()
    session.hello(b"x", {})
    session.feed(packed(b"p") * 2 + packed(b"c"))
    assert [session.next_answer() for _ in range(2)] == [Decision.PROGRESS] * 2
    assert session.is_waiting
    assert session.next_answer() is Decision.CONTINUE
    assert not session.is_waiting


def test_macros_go_before_their_step() -> None:
    session = negotiated()
    session.connect(b"host", ip_address("192.0.2.1"), 25, {"i": "1", "{if_name}": ""})
    assert _packets([session.data_to_send()]) == [
        Packet(b"D", b"Ci\x001\0{if_name}\0\0"),
        Packet(b"C", b"host\x004\0\x19192.0.2.1\0"),
    ]


def test_quit_is_the_last_word_at_any_time() -> None:
    session = negotiated()
    session.hello(b"x", {})
    session.quit()
    assert not session.is_waiting
    assert _packets([session.data_to_send()])[-1] == Packet(b"Q", b"")


def test_lists_of_macros_behind_options_are_left_aside() -> None:
    data = Options(6, Actions.ADD_HEADER, Steps.SKIP).to_bytes() + b"\0\0\0\0i\0"
    assert agreed(OFFERED, data) == Options(6, Actions.ADD_HEADER, Steps.SKIP)


@given(st.binary(max_size=16))
@example(struct.pack("!III", 2, 0x21, 0x400))
def test_options_are_within_what_was_offered_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        options = agreed(OFFERED, data)
        assert 2 <= options.version <= 6
        assert not options.actions & ~OFFERED.actions
        assert not options.steps & ~OFFERED.steps
