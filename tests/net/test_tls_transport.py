"""TLS between two ends in memory: what comes through, what does not, and how it ends."""

import asyncio
import ssl
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.net import tls_transport
from posthouse.net.tls_transport import RECORD, TlsTransport

_authority = trustme.CA()
SERVER, CLIENT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(SERVER)
_authority.configure_trust(CLIENT)
CLIENT_OF_OLD = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CLIENT_OF_OLD.maximum_version = ssl.TLSVersion.TLSv1_2
_authority.configure_trust(CLIENT_OF_OLD)
HELLO = 2000  # octets, more or less


class Inside(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.data = b""
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.heard.append("made")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> None:
        self.heard.append("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self.heard.append("lost")

    def pause_writing(self) -> None:
        self.heard.append("full")

    def resume_writing(self) -> None:
        self.heard.append("empty")


class Below(asyncio.Transport):
    """The socket: keeps what is written, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 25)})
        self.written = b""
        self.ends: list[str] = []
        self.limits: tuple[int | None, int | None] = (None, None)
        self.is_paused = False

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        assert not self.ends
        self.written += bytes(data)

    def close(self) -> None:
        self.ends.append("closed")

    def abort(self) -> None:
        self.ends.append("aborted")

    def is_closing(self) -> bool:
        return bool(self.ends)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.limits = (high, low)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


class Ends:
    """Our side, and a client of OpenSSL; what passes between them is cut into pieces of `size` octets."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        size: int = 1 << 20,
        context: ssl.SSLContext = CLIENT,
        ready: "asyncio.Future[None] | None" = None,
        refusal: bytes = b"",
    ) -> None:
        self.inside, self.below, self.size = Inside(), Below(), size
        self.ours = TlsTransport(loop, self.inside, SERVER, ready, refusal=refusal)
        self.ours.connection_made(self.below)
        self._inbound, self._outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self._inbound, self._outbound, server_hostname="localhost")

    def shake_hands(self) -> None:
        for _ in range(3):
            self.try_(self.client.do_handshake)
            self.pass_on()
        assert "made" in self.inside.heard

    def say(self, data: bytes) -> None:
        self.client.write(data)
        self.pass_on()

    def hear(self) -> bytes:
        """All that the client can read."""
        self.pass_on()
        heard = b""
        while piece := self.try_(lambda: self.client.read(RECORD)):
            heard += piece
        return heard

    def pass_on(self) -> None:
        self.receive(self._outbound.read())
        self._inbound.write(self.below.written)
        self.below.written = b""

    def receive(self, octets: bytes) -> None:
        for start in range(0, len(octets), self.size):
            self.ours.data_received(octets[start : start + self.size])

    def take(self) -> bytes:
        """What the client would send."""
        return self._outbound.read()

    @staticmethod
    def try_(step: Callable[[], bytes | None]) -> bytes | None:
        try:
            return step()
        except ssl.SSLWantReadError:
            return None


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Runs only where a test lets it."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def ends(loop: asyncio.AbstractEventLoop) -> Ends:
    ends = Ends(loop)
    ends.shake_hands()
    return ends


def run_once(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


LOOP = asyncio.new_event_loop()  # of property tests: nothing that is due is ever run
texts = st.lists(st.integers(1, 3 * RECORD).map(lambda size: (b"%d " % size * size)[:size]), max_size=4)


@settings(max_examples=40)
@given(said=texts, answered=texts, size=st.sampled_from([1, 7, 1000, RECORD, 1 << 20]), old=st.booleans())
def test_what_is_said_arrives_however_it_is_cut(
    said: Sequence[bytes], answered: Sequence[bytes], size: int, old: bool
) -> None:
    ends = Ends(LOOP, size, CLIENT_OF_OLD if old else CLIENT)
    ends.shake_hands()
    for text in said:
        ends.say(text)
    for text in answered:
        ends.ours.write(text)
    assert ends.inside.data == b"".join(said)
    assert ends.hear() == b"".join(answered)
    ends.ours.abort()


@given(
    before=st.integers(0, HELLO),
    odd=st.binary(min_size=1, max_size=100),
    size=st.sampled_from([1, 5, 1 << 20]),
)
def test_R_098_odd_octets_at_any_time_end_the_connection_and_never_come_inside(
    before: int, odd: bytes, size: int
) -> None:
    ends = Ends(LOOP, size)
    Ends.try_(ends.client.do_handshake)
    hello = ends.take()
    ends.receive(hello[:before])
    if before >= len(hello):
        ends.pass_on()
        Ends.try_(ends.client.do_handshake)
        ends.pass_on()
    ends.receive(odd)
    ends.receive(bytes(2 * RECORD))
    assert ends.inside.data == b""
    assert ends.below.ends == ["closed"]
    ends.ours.connection_lost(None)


@given(at=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_record_that_was_tampered_with_never_comes_inside(at: int, bit: int) -> None:
    ends = Ends(LOOP)
    ends.shake_hands()
    ends.client.write(b"NOOP\r\n" * 30)
    record = bytearray(ends.take())
    record[at] ^= 1 << bit
    ends.receive(bytes(record) + bytes(2 * RECORD))
    assert ends.inside.data == b""
    assert (ends.inside.heard, ends.below.ends) == (["made", "eof"], ["closed"])
    ends.ours.connection_lost(None)


def test_what_comes_right_behind_the_handshake_is_heard(loop: asyncio.AbstractEventLoop) -> None:
    ends = Ends(loop)
    Ends.try_(ends.client.do_handshake)
    ends.pass_on()
    ends.client.do_handshake()
    ends.client.write(b"a1 NOOP\r\n")
    ends.pass_on()  # the end of the handshake, and the first record, at once
    assert (ends.inside.heard, ends.inside.data) == (["made"], b"a1 NOOP\r\n")


def test_R_037_clear_text_before_the_end_of_the_handshake_never_comes_inside(
    loop: asyncio.AbstractEventLoop,
) -> None:
    ends = Ends(loop)
    Ends.try_(ends.client.do_handshake)
    ends.receive(ends.take() + b"a1 LOGIN evil secret\r\n")
    assert (ends.inside.heard, ends.inside.data, ends.below.ends) == ([], b"", ["closed"])


def test_R_035_clear_text_behind_the_end_of_TLS_never_comes_inside(ends: Ends) -> None:
    ends.client.write(b"DATA\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        ends.client.unwrap()
    ends.receive(ends.take() + b"injected\r\n.\r\n")
    ends.receive(b"injected\r\n.\r\n")
    assert ends.inside.data == b"DATA\r\n"
    assert (ends.inside.heard, ends.below.ends) == (["made", "eof"], ["closed"])


def test_the_end_is_said_and_the_answer_waited_for(ends: Ends) -> None:
    ends.ours.write(b"bye")
    ends.ours.close()
    ends.ours.write(b"what?")
    assert (ends.ours.is_closing(), ends.below.ends) == (True, [])
    ends.say(b"too late")
    assert ends.hear() == b"bye"
    ends.client.unwrap()
    ends.pass_on()
    assert (ends.inside.data, ends.inside.heard, ends.below.ends) == (b"", ["made"], ["closed"])


def test_a_peer_that_does_not_answer_the_end_is_not_waited_for_long(
    ends: Ends, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_transport, "TLS_SHUTDOWN_TIMEOUT", 0)
    ends.ours.close()
    run_once(loop)
    assert ends.below.ends == ["closed"]


def test_closing_goes_on_reading_where_reading_was_paused(ends: Ends) -> None:
    ends.ours.pause_reading()
    assert ends.below.is_paused
    ends.ours.close()
    assert not ends.below.is_paused


def test_a_peer_that_leaves_without_a_word_is_gone(ends: Ends) -> None:
    assert not ends.ours.eof_received()  # so the transport below closes
    ends.ours.write(b"anybody?")
    ends.ours.connection_lost(None)
    assert (ends.inside.heard, ends.below.written) == (["made", "eof", "lost"], b"")


def test_a_handshake_that_takes_too_long_is_broken_off(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_transport, "HANDSHAKE_TIMEOUT", 0)
    ready = loop.create_future()
    ends = Ends(loop, ready=ready)
    run_once(loop)
    assert isinstance(ready.exception(), TimeoutError)
    assert ends.below.ends == ["aborted"]


def test_who_waits_for_the_handshake_hears_why_it_failed(loop: asyncio.AbstractEventLoop) -> None:
    ready = loop.create_future()
    ends = Ends(loop, ready=ready)
    ends.receive(b"EHLO example.org\r\n")
    assert isinstance(ready.exception(), ssl.SSLError)
    ends.ours.connection_lost(None)
    assert ends.inside.heard == ["lost"]  # it was connected before


@pytest.mark.parametrize(
    ("said", "is_told"),
    [
        pytest.param(b"EHLO example.org\r\n", True, id="clear text"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x28", True, id="an alert"),
        pytest.param(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00", False, id="a handshake that is none"),
        pytest.param(b"\x16EHLO example.org\r\n", False, id="the octet of a handshake"),
    ],
)
@pytest.mark.parametrize("size", [1, 100])
def test_who_sends_no_handshake_is_refused_in_clear(
    loop: asyncio.AbstractEventLoop, said: bytes, size: int, *, is_told: bool
) -> None:
    ends = Ends(loop, size, ready=loop.create_future(), refusal=b"550 no\r\n")
    ends.receive(said)
    assert (ends.below.written == b"550 no\r\n") is is_told
    assert (b"550" in ends.below.written) is is_told
    assert ends.below.ends == ["closed"]
    assert not ends.inside.data


@pytest.mark.parametrize("said", [b"", b"x"])
def test_who_sends_nothing_for_too_long_is_refused_in_clear(
    monkeypatch: pytest.MonkeyPatch, loop: asyncio.AbstractEventLoop, said: bytes
) -> None:
    monkeypatch.setattr(tls_transport, "HANDSHAKE_TIMEOUT", 0)
    ends = Ends(loop, ready=loop.create_future(), refusal=b"550 no\r\n")
    ends.receive(said)
    run_once(loop)
    assert (ends.below.written, ends.below.ends) == (b"550 no\r\n", ["closed"])


def test_R_037_nothing_is_said_in_clear_once_tls_is_spoken(loop: asyncio.AbstractEventLoop) -> None:
    ends = Ends(loop, ready=loop.create_future(), refusal=b"550 no\r\n")
    ends.try_(ends.client.do_handshake)
    ends.pass_on()
    ends.try_(ends.client.do_handshake)
    ends.pass_on()
    ends.receive(b"EHLO example.org\r\n")
    assert ends.below.ends == ["closed"]
    assert b"550" not in ends.below.written


def test_who_waits_for_the_handshake_hears_that_the_peer_has_left(loop: asyncio.AbstractEventLoop) -> None:
    ready = loop.create_future()
    ends = Ends(loop, ready=ready)
    ends.ours.eof_received()
    ends.ours.connection_lost(None)
    assert isinstance(ready.exception(), ConnectionResetError)


def test_an_inside_without_a_handshake_hears_nothing(loop: asyncio.AbstractEventLoop) -> None:
    ends = Ends(loop)
    ends.ours.pause_writing()
    ends.ours.resume_writing()
    ends.ours.close()
    ends.ours.connection_lost(None)
    assert (ends.inside.heard, ends.below.ends) == ([], ["closed"])


def test_R_048_back_pressure_comes_from_below(ends: Ends) -> None:
    ends.ours.set_write_buffer_limits(high=5)
    ends.ours.pause_writing()
    ends.ours.resume_writing()
    assert ends.below.limits == (5, None)
    assert ends.inside.heard == ["made", "full", "empty"]


def test_the_cipher_and_the_peer_are_known(ends: Ends) -> None:
    cipher = ends.client.cipher()
    assert ends.ours.get_extra_info("cipher") == cipher
    assert ends.ours.get_extra_info("peername") == ("192.0.2.1", 25)
