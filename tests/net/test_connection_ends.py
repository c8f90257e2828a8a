"""Connections: being interrupted, and closing on a peer that reads no more."""

import asyncio
import contextlib
import socket
import ssl

import pytest
import trustme

from posthouse.core.log import Logger
from posthouse.net import connection
from posthouse.net.connection import Interrupted, Stream
from posthouse.net.server import Server
from posthouse.testing.world import LogLines

PATIENCE = 20.0  # seconds: only ever reached by a failing test


async def test_a_read_that_waits_can_be_interrupted_and_loses_nothing() -> None:
    said: list[object] = []
    ended = asyncio.Event()

    async def session(stream: Stream) -> None:
        stream.interrupt()  # nobody waits: nothing happens
        said.append(await stream.read(PATIENCE))
        asyncio.get_running_loop().call_soon(stream.interrupt)
        with pytest.raises(Interrupted):
            await stream.read(PATIENCE)
        stream.write(b"again")
        said.append(await stream.read(PATIENCE))
        ended.set()

    server = Server(Logger(LogLines(), "test"))
    listener = socket.create_server(("127.0.0.1", 0))
    await server.listen(listener, session)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"one")
    assert await reader.readexactly(5) == b"again"
    writer.write(b"two")
    await asyncio.wait_for(ended.wait(), PATIENCE)
    assert said == [b"one", b"two"]
    writer.transport.abort()
    server.close_listeners()
    await server.cancel()


async def test_a_peer_that_reads_no_more_does_not_hold_a_closed_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CLOSE_TIMEOUT", 0.01)
    lost = asyncio.Event()

    async def session(stream: Stream) -> None:
        stream.on_lost = lost.set
        for _ in range(400):
            stream.write(bytes(65_536))

    server = Server(Logger(LogLines(), "test"))
    listener = socket.create_server(("127.0.0.1", 0))
    await server.listen(listener, session)
    peer = socket.create_connection(listener.getsockname())
    await asyncio.wait_for(lost.wait(), PATIENCE)
    peer.close()
    server.close_listeners()
    await server.cancel()


async def test_a_handshake_that_ends_after_the_listeners_were_closed_begins_no_session() -> None:
    sessions: list[Stream] = []

    async def session(stream: Stream) -> None:
        sessions.append(stream)

    authority = trustme.CA()
    context, theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(theirs)
    server = Server(Logger(LogLines(), "test"))
    listener = socket.create_server(("127.0.0.1", 0))
    await server.listen(listener, session, context)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    inbound, outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = theirs.wrap_bio(inbound, outbound, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    writer.write(outbound.read())
    while outbound.pending == 0:
        inbound.write(await asyncio.wait_for(reader.read(65_536), PATIENCE))
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
    server.close_listeners()
    assert await server.wait(0)
    writer.write(outbound.read())
    with contextlib.suppress(ConnectionResetError):
        await asyncio.wait_for(reader.read(), PATIENCE)
    assert not sessions
    writer.transport.abort()
