"""TLS handshakes that are never finished: how many there may be, and how long (R-170, R-172); on both event loops."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trustme

from posthouse.core.log import Logger
from posthouse.net import tls_transport
from posthouse.net.connection import Stream
from posthouse.net.connections import Bounds
from posthouse.net.proxied import Proxies
from posthouse.net.server import Server
from posthouse.testing.world import LogLines

PATIENCE = 20.0  # seconds: only ever reached by a failing test
GREETING, REFUSAL = b"hello\r\n", b"too many\r\n"
CLIENT_HELLO = b"\x16\x03\x01\x02\x00"  # the head of its record
authority = trustme.CA()
SERVER, CLIENT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).configure_cert(SERVER)
authority.configure_trust(CLIENT)


class Clients:
    """They connect to one server, each from an address, and leave together."""

    def __init__(self, port: int, stack: AsyncExitStack) -> None:
        self._port = port
        self._stack = stack

    async def silent(self, said: bytes = CLIENT_HELLO, ip: str = "127.0.0.1") -> asyncio.StreamReader:
        """One that begins a handshake, and says no more."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(ip, 0))
        self._stack.callback(leave, writer)
        writer.write(said)
        return reader

    async def honest(self, ip: str = "127.0.0.1", header: bytes = b"") -> bytes:
        """What one hears first that finishes its handshake; it stays."""
        peer = socket.create_connection(("127.0.0.1", self._port), source_address=(ip, 0))
        peer.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(peer, header)
        reader, writer = await asyncio.open_connection(sock=peer, ssl=CLIENT, server_hostname="localhost")
        self._stack.callback(leave, writer)
        return await asyncio.wait_for(reader.readline(), PATIENCE)


def leave(writer: asyncio.StreamWriter) -> None:
    """Streams close when nobody has them any more: so they are held until then."""
    writer.transport.abort()


async def greet(stream: Stream) -> None:
    stream.write(GREETING)
    await stream.read(PATIENCE)


async def ended(reader: asyncio.StreamReader) -> bool:
    try:
        return await asyncio.wait_for(reader.read(), PATIENCE) == b""
    except ConnectionResetError:
        return True


@asynccontextmanager
async def serving(
    bounds: Bounds, *, lines: LogLines | None = None, proxies: Proxies | None = None
) -> AsyncIterator[Clients]:
    server = Server(Logger(lines or LogLines(), "test", debug=True), bounds)
    listener = socket.create_server(("127.0.0.1", 0))
    tls = None if proxies is not None and proxies.tls is not None else SERVER
    await server.listen(listener, greet, tls, proxies=proxies)
    try:
        async with AsyncExitStack() as stack:
            yield Clients(listener.getsockname()[1], stack)
    finally:
        server.close_listeners()
        await server.cancel()


async def test_R_172_a_client_that_finishes_no_handshake_keeps_nobody_out() -> None:
    lines = LogLines()
    async with serving(Bounds(0, 2, REFUSAL), lines=lines) as clients:
        first, second = [await clients.silent() for _ in range(2)]
        third = await clients.silent()
        assert await ended(third)
        assert not first.at_eof()
        assert not second.at_eof()
        assert await clients.honest("127.0.0.2") == GREETING
    assert len(lines.fields_of("test", "too many connections")) == 1


async def test_R_172_handshakes_are_bounded_in_all() -> None:
    async with serving(Bounds(2, 0, REFUSAL)) as clients:
        await clients.silent()
        await clients.silent(ip="127.0.0.2")
        assert await ended(await clients.silent(ip="127.0.0.3"))


async def test_R_172_a_handshake_counts_until_it_is_finished_and_the_session_then() -> None:
    async with serving(Bounds(0, 2, REFUSAL)) as clients:
        for heard in (GREETING, GREETING, REFUSAL):
            assert await clients.honest() == heard
        await clients.silent()
        await clients.silent()
        assert await ended(await clients.silent())


async def test_R_172_a_handshake_that_fails_counts_no_more() -> None:
    async with serving(Bounds(0, 1, REFUSAL)) as clients:
        for _ in range(3):
            alert = await (await clients.silent(b"GET / HTTP/1.1\r\n\r\n")).read()
            assert alert[:1] in (b"", b"\x15")
        assert await clients.honest() == GREETING


async def test_R_170_a_handshake_that_takes_too_long_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_transport, "HANDSHAKE_TIMEOUT", 0.1)
    async with serving(Bounds(0, 1, REFUSAL)) as clients:
        assert await ended(await clients.silent())
        monkeypatch.undo()
        assert await clients.honest() == GREETING


async def test_R_172_handshakes_through_a_trusted_proxy_count_in_all_only() -> None:
    async with serving(Bounds(3, 1, REFUSAL), proxies=Proxies()) as clients:
        silent = [await clients.silent() for _ in range(3)]
        assert await ended(await clients.silent())
        assert not any(reader.at_eof() for reader in silent)


async def test_R_172_handshakes_behind_the_header_of_a_proxy_count_as_the_clients() -> None:
    header = b"PROXY TCP4 192.0.2.%d 192.0.2.9 4321 25\r\n"
    async with serving(Bounds(0, 1, REFUSAL), proxies=Proxies(tls=lambda: SERVER)) as clients:
        await clients.silent(header % 1 + CLIENT_HELLO)
        assert await ended(await clients.silent(header % 1 + CLIENT_HELLO))
        assert await clients.honest(header=header % 2) == GREETING
        assert await clients.honest(header=header % 2) == REFUSAL


async def test_R_172_connections_of_a_proxy_without_a_header_count_in_all() -> None:
    async with serving(Bounds(2, 1, REFUSAL), proxies=Proxies(tls=lambda: SERVER)) as clients:
        silent = [await clients.silent(b"") for _ in range(2)]
        assert await ended(await clients.silent(b""))
        assert not any(reader.at_eof() for reader in silent)
