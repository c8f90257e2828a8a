"""Connections that come through a proxy, on both event loops."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address, ip_network
from typing import TypeVar

import pytest
import trustme

from posthouse.core.log import Logger
from posthouse.net import proxied
from posthouse.net.connection import Interrupted, Stream
from posthouse.net.proxied import BadProxyHeader, Proxies
from posthouse.net.server import Server
from posthouse.testing.world import LogLines

T = TypeVar("T")
Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE = 20.0  # seconds: only ever reached by a failing test
HEADER = b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 25\r\n"
EVERYBODY = Proxies()
STRANGERS = Proxies((ip_network("192.0.2.0/24"),))
UNWANTED = Proxies((ip_network("192.0.2.0/24"),), rejects_untrusted=True)


class Heard:
    """A session that greets, and keeps what it reads until the peer says no more, or what it failed with."""

    def __init__(self, timeout: float = PATIENCE) -> None:
        self.timeout = timeout
        self.data = b""
        self.error = ""
        self.peers: list[tuple[str, bool]] = []
        self.stream: Stream | None = None
        self.ended = asyncio.Event()

    async def __call__(self, stream: Stream) -> None:
        self.stream = stream
        stream.write(b"220 hello\r\n")
        self.peers.append((stream.peer, stream.is_peer_known))
        try:
            while data := await self._read(stream):
                self.data += data
        except (BadProxyHeader, TimeoutError) as err:
            self.error = f"{type(err).__name__}: {err}"
        self.peers.append((stream.peer, stream.is_peer_known))
        self.ended.set()

    async def _read(self, stream: Stream) -> bytes:
        while True:
            try:
                return await stream.read(self.timeout)
            except Interrupted:
                continue


@asynccontextmanager
async def serving(heard: Heard, proxies: Proxies, lines: LogLines | None = None) -> AsyncIterator[int]:
    server = Server(Logger(lines or LogLines(), "test", debug=True))
    listener = socket.create_server(("127.0.0.1", 0))
    await server.listen(listener, heard, proxies=proxies)
    try:
        yield listener.getsockname()[1]
    finally:
        server.close_listeners()
        await server.cancel()


@asynccontextmanager
async def talking(heard: Heard, trust: Proxies, lines: LogLines | None = None) -> AsyncIterator[Peer]:
    async with serving(heard, trust, lines) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            assert await reader.readline() == b"220 hello\r\n"  # which does not wait for a header
            yield reader, writer
            async with asyncio.timeout(PATIENCE):
                await heard.ended.wait()
        finally:
            writer.transport.abort()


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_header_is_taken_off_and_believed(size: int) -> None:
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        data = HEADER + b"EHLO a\r\n"
        for at in range(0, len(data), size):
            writer.write(data[at : at + size])
            await asyncio.sleep(0)
        writer.write_eof()
    assert (heard.data, heard.error) == (b"EHLO a\r\n", "")
    assert heard.peers[0][1] is False
    assert heard.peers[1] == ("192.0.2.1:4321", True)


@pytest.mark.parametrize("data", [b"EHLO a\r\n", b"P", b"\r\n"])
async def test_a_connection_without_a_header_is_as_it_is(data: bytes) -> None:
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        port = writer.get_extra_info("sockname")[1]
        writer.write(data + b"QUIT")
        writer.write_eof()
    assert (heard.data, heard.error) == (data + b"QUIT", "")
    assert heard.peers[1] == (f"127.0.0.1:{port}", True)


async def test_a_proxy_that_does_not_know_says_nothing() -> None:
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        writer.write(b"PROXY UNKNOWN\r\nEHLO a\r\n")
        writer.write_eof()
    assert heard.data == b"EHLO a\r\n"
    assert heard.peers[1][0].startswith("127.0.0.1:")


async def test_an_address_of_both_families_is_ipv4() -> None:
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        writer.write(b"PROXY TCP6 ::ffff:192.0.2.1 ::1 4321 25\r\n")
        writer.write_eof()
    assert heard.peers[1][0] == "192.0.2.1:4321"


async def test_R_057_of_strangers_a_header_is_taken_off_and_not_believed() -> None:
    heard, lines = Heard(), LogLines()
    async with talking(heard, STRANGERS, lines) as (_, writer):
        port = writer.get_extra_info("sockname")[1]
        writer.write(HEADER + b"EHLO a\r\n")
        writer.write_eof()
    assert heard.data == b"EHLO a\r\n"
    assert heard.peers == [(f"127.0.0.1:{port}", True)] * 2
    assert lines.lines == [f"test: connection from untrusted source 127.0.0.1:{port}\t"]


@pytest.mark.parametrize("header", [HEADER, b"PROXY UNKNOWN\r\n"])
async def test_R_057_the_header_of_a_stranger_may_be_an_error(header: bytes) -> None:
    heard = Heard()
    async with talking(heard, UNWANTED) as (_, writer):
        writer.write(header + b"EHLO a\r\n")
    assert (heard.data, heard.error) == (b"", "BadProxyHeader: PROXY header from an untrusted source")
    heard = Heard()
    async with talking(heard, UNWANTED) as (_, writer):
        writer.write(b"EHLO a\r\n")
        writer.write_eof()
    assert heard.data == b"EHLO a\r\n"


@pytest.mark.parametrize("trust", [EVERYBODY, STRANGERS, UNWANTED])
@pytest.mark.parametrize(
    "data", [b"PROXY TCP4 nonsense\r\nEHLO a\r\n", b"PROXY TCP4 " + b"1" * 200, HEADER[:-1], b"\r\n\r\n\0"]
)
async def test_R_057_a_malformed_header_ends_the_connection(trust: Proxies, data: bytes) -> None:
    heard = Heard()
    async with talking(heard, trust) as (_, writer):
        writer.write(data)
        writer.write_eof()
    assert heard.data == b""
    assert heard.error.startswith("BadProxyHeader: ")


async def test_R_057_a_header_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxied, "HEADER_TIMEOUT", 0.01)
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        writer.write(HEADER[:20])
    assert heard.error == "BadProxyHeader: PROXY header without its end"


async def test_who_says_nothing_is_only_idle() -> None:
    heard = Heard(timeout=0.01)
    async with talking(heard, EVERYBODY):
        pass
    assert heard.error.startswith("TimeoutError")


async def test_an_interrupted_header_is_not_lost() -> None:
    heard = Heard()
    async with talking(heard, EVERYBODY) as (_, writer):
        for piece in (HEADER[:9], HEADER[9:20], HEADER[20:] + b"NOOP"):
            writer.write(piece)
            for _ in range(5):
                await asyncio.sleep(0)
                assert heard.stream is not None
                heard.stream.interrupt()
        writer.write_eof()
    assert heard.data == b"NOOP"
    assert heard.peers[1] == ("192.0.2.1:4321", True)


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


class TlsClient:
    """TLS whose first octets can come together with others."""

    def __init__(self, peer: Peer, context: ssl.SSLContext) -> None:
        self._reader, self._writer = peer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def do(self, step: Callable[[], T], before: bytes = b"") -> T:
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                self._writer.write(before + self._outgoing.read())
                before = b""
                octets = await asyncio.wait_for(self._reader.read(65536), PATIENCE)
                assert octets, "the server has gone"
                self._incoming.write(octets)

    async def shake_hands(self, before: bytes) -> None:
        await self.do(self._tls.do_handshake, before)

    async def hear(self) -> bytes:
        return await self.do(self._tls.read)

    def say(self, data: bytes) -> None:
        self._tls.write(data)
        self._writer.write(self._outgoing.read())


@pytest.mark.parametrize(("before", "peer"), [(HEADER, "192.0.2.1:4321"), (b"", "127.0.0.1:")])
async def test_tls_may_begin_behind_the_header(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], before: bytes, peer: str
) -> None:
    server, client = contexts
    heard = Heard()
    async with serving(heard, Proxies(tls=lambda: server)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        tls = TlsClient((reader, writer), client)
        await tls.shake_hands(before)
        assert await tls.hear() == b"220 hello\r\n"
        assert heard.stream is not None
        assert heard.stream.tls is not None
        tls.say(b"EHLO a\r\n")
        writer.write_eof()
        await asyncio.wait_for(heard.ended.wait(), PATIENCE)
        writer.transport.abort()
    assert heard.data == b"EHLO a\r\n"
    assert heard.peers[0][0].startswith(peer)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"PROXY TCP4 nonsense\r\n", "connection failed"),
        (HEADER + b"EHLO a\r\n" * 10, "TLS handshake failed"),
        (b"", "TLS handshake failed"),
        (HEADER, "TLS handshake failed"),
    ],
)
async def test_R_057_without_header_or_handshake_there_is_no_session(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext], data: bytes, line: str
) -> None:
    heard, lines = Heard(), LogLines()
    async with serving(heard, Proxies(tls=lambda: contexts[0]), lines) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        writer.write_eof()
        with suppress(ConnectionResetError):
            assert b"220" not in await asyncio.wait_for(reader.read(), PATIENCE)
        writer.transport.abort()
    assert heard.stream is None
    assert any(line in one for one in lines.lines)


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("192.0.2.7", True), ("192.0.3.7", False), ("2001:db8::1", False), (None, True)],
)
def test_unix_sockets_and_listed_networks_are_trusted(peer: str | None, trusted: bool) -> None:
    assert STRANGERS.trusts(ip_address(peer) if peer else None) is trusted
    assert EVERYBODY.trusts(ip_address(peer) if peer else None)
