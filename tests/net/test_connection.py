"""Connections: what a session can rely on, on both event loops."""

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trustme

from posthouse.core.log import Logger
from posthouse.net.connection import READ_BUFFER, ConnectionLost, Stream
from posthouse.net.server import Server
from posthouse.testing.world import LogLines

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PATIENCE = 20.0  # seconds: only ever reached by a failing test


@asynccontextmanager
async def serving(
    handler: Callable[[Stream], Awaitable[None]],
    lines: LogLines | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[Server, int]]:
    server = Server(Logger(lines or LogLines(), "test"))
    listener = socket.create_server(("127.0.0.1", 0))
    await server.listen(listener, handler, tls)
    try:
        yield server, listener.getsockname()[1]
    finally:
        server.close_listeners()
        await server.cancel()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Peer]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def echo(stream: Stream) -> None:
    while data := await stream.read(PATIENCE):
        stream.write(data)
        await stream.drain(PATIENCE)


async def test_what_is_written_arrives_and_the_end_is_an_empty_read() -> None:
    async with serving(echo) as (_, port), connected(port) as (reader, writer):
        writer.write(b"hello")
        writer.write_eof()
        assert await reader.read() == b"hello"


async def test_the_peer_is_known() -> None:
    async def tell(stream: Stream) -> None:
        stream.write(f"{stream.peer_ip} {stream.peer_port} {stream.tls}".encode())

    async with serving(tell) as (_, port), connected(port) as (reader, writer):
        name = writer.get_extra_info("sockname")
        assert await reader.read() == f"127.0.0.1 {name[1]} None".encode()


async def test_a_read_that_takes_too_long_is_a_timeout() -> None:
    seen: list[str] = []

    async def impatient(stream: Stream) -> None:
        with pytest.raises(TimeoutError):
            await stream.read(0.01)
        seen.append("timeout")
        assert await stream.read(PATIENCE) == b"late"  # the connection is still good
        seen.append("late")

    async with serving(impatient) as (_, port), connected(port) as (reader, writer):
        while not seen:
            await asyncio.sleep(0)
        writer.write(b"late")
        assert await reader.read() == b""
    assert seen == ["timeout", "late"]


async def test_an_earlier_deadline_rings_before_a_later_one_that_was_set_first() -> None:
    async def session(stream: Stream) -> None:
        assert await stream.read(PATIENCE) == b"x"
        with pytest.raises(TimeoutError):
            await stream.read(0.01)

    async with serving(session) as (_, port), connected(port) as (reader, writer):
        writer.write(b"x")
        assert await reader.read() == b""


async def test_R_048_a_session_waits_for_a_peer_that_does_not_read() -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def flood(stream: Stream) -> None:
        written = 0
        try:
            while True:
                stream.write(bytes(65536))
                written += 65536
                await stream.drain(0.05)
        except TimeoutError:
            outcome.set_result("timeout" if written < 64 * 1024 * 1024 else "unbounded")

    async with serving(flood) as (_, port), connected(port) as (reader, _):
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # a client that never reads
        assert await asyncio.wait_for(outcome, PATIENCE) == "timeout"


async def test_R_048_a_peer_waits_for_a_session_that_does_not_read() -> None:
    """What a peer sends ahead is bounded: the kernel's buffers fill, and the peer stands still."""
    go = asyncio.Event()
    total: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def slow(stream: Stream) -> None:
        await go.wait()
        assert stream._buffered <= READ_BUFFER + 256 * 1024
        size = 0
        while data := await stream.read(PATIENCE):
            size += len(data)
        total.set_result(size)

    async with serving(slow) as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as peer:
            peer.settimeout(0.2)
            sent = 0
            try:
                while True:
                    sent += await asyncio.to_thread(peer.send, bytes(1 << 20))
            except TimeoutError:
                pass
            go.set()
        assert await asyncio.wait_for(total, PATIENCE) == sent


async def test_writing_to_a_peer_that_left_is_told_by_drain_and_by_on_lost() -> None:
    told: list[str] = []
    done = asyncio.Event()

    async def session(stream: Stream) -> None:
        stream.on_lost = lambda: told.append("lost")
        await stream.read(PATIENCE)
        while not stream.is_lost:
            stream.write(b"anybody?")
            await asyncio.sleep(0)
        with pytest.raises(ConnectionLost):
            await stream.drain(PATIENCE)
        done.set()

    async with serving(session) as (_, port):
        async with connected(port) as (_, writer):
            writer.write(b"x")
            await asyncio.sleep(0)
        await asyncio.wait_for(done.wait(), PATIENCE)
    assert told == ["lost"]


async def test_a_session_that_fails_harms_no_other_and_is_logged() -> None:
    lines = LogLines()

    async def session(stream: Stream) -> None:
        if await stream.read(PATIENCE) == b"crash":
            raise RuntimeError("bug")
        stream.write(b"fine")

    async with (
        serving(session, lines) as (_, port),
        connected(port) as (reader, writer),
        connected(port) as (other_reader, other),
    ):
        writer.write(b"crash")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        other.write(b"go")
        assert await other_reader.read() == b"fine"
    [fields] = lines.fields_of("test", "session failed")
    assert fields["reason"] == "bug"


@pytest.fixture(scope="module")
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def test_R_034_what_came_before_the_handshake_is_forgotten(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_context, client_context = certificates
    heard: list[bytes] = []

    async def session(stream: Stream) -> None:
        await stream.read(PATIENCE)
        await stream.start_tls(server_context, b"go\r\n")
        heard.append(await stream.read(PATIENCE))
        assert stream.tls is not None
        stream.write(stream.tls.version.encode())

    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"STARTTLS\r\nMAIL FROM:<evil@example.org>\r\n")
            assert plain.recv(100) == b"go\r\n"
            with client_context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(b"EHLO")
                return secure.recv(100)

    async with serving(session) as (_, port):
        assert await asyncio.to_thread(client, port) == b"TLSv1.3"
    assert heard == [b"EHLO"]


async def test_R_034_what_comes_between_the_command_and_the_handshake_is_forgotten(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_context, client_context = certificates
    loop, injected, is_read = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    heard: list[bytes] = []

    async def session(stream: Stream) -> None:
        heard.append(await stream.read(PATIENCE))
        is_read.set()
        await injected.wait()
        for _ in range(3):  # what is in the socket's buffer comes to the stream
            await asyncio.sleep(0)
        await stream.start_tls(server_context, b"go\r\n")
        heard.append(await stream.read(PATIENCE))
        stream.write(b"heard")

    def client(port: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"STARTTLS\r\n")
            assert is_read.wait(PATIENCE)
            plain.sendall(b"MAIL FROM:<evil@example.org>\r\n")
            loop.call_soon_threadsafe(injected.set)
            assert plain.recv(100) == b"go\r\n"
            with client_context.wrap_socket(plain, server_hostname="localhost") as secure:
                secure.sendall(b"EHLO")
                return secure.recv(100)

    async with serving(session) as (_, port):
        assert await asyncio.to_thread(client, port) == b"heard"
    assert heard == [b"STARTTLS\r\n", b"EHLO"]


async def test_implicit_tls_comes_before_the_session(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_context, client_context = certificates
    async with serving(echo, tls=server_context) as (_, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()


async def test_R_098_garbage_instead_of_a_handshake_starts_no_session(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    started: list[Stream] = []

    async def session(stream: Stream) -> None:
        started.append(stream)

    async with serving(session, tls=certificates[0]) as (server, port), connected(port) as (reader, writer):
        writer.write(b"EHLO example.org\r\n" * 10)
        await reader.read()
        assert (started, server.session_count) == ([], 0)


async def test_much_that_is_said_over_tls_arrives(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    much = b"0123456789abcdef" * (1 << 17)

    async def session(stream: Stream) -> None:
        received = b""
        while len(received) < len(much):
            received += await stream.read(PATIENCE)
        assert received == much
        for start in range(0, len(much), 65_536):
            stream.write(much[start : start + 65_536])
            await stream.drain(PATIENCE)
        stream.write(b"the end")

    server_context, client_context = certificates
    async with serving(session, tls=server_context) as (_, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        writer.write(much)
        await writer.drain()
        assert await reader.read(1) == much[:1]
        assert await reader.read() == much[1:] + b"the end"
        writer.close()
        await writer.wait_closed()


async def test_what_was_read_may_belong_to_the_handshake(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server_context, client_context = certificates

    async def session(stream: Stream) -> None:
        await stream.start_tls(server_context, ahead=await stream.read(PATIENCE))
        await echo(stream)

    async with serving(session) as (_, port):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        await writer.wait_closed()
