"""Serving: sockets that accept, and a supervised group of sessions, where one that fails harms no other."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final

from posthouse.core.log import Logger, trace_of
from posthouse.core.world import IpAddress
from posthouse.net.connection import ConnectionLost, Stream, peer_of, peer_text
from posthouse.net.connections import UNBOUNDED, Bounds, Connections, TooManyConnections
from posthouse.net.proxied import BadProxyHeader, ProxiedStream, Proxies
from posthouse.net.tls_transport import HANDSHAKE_TIMEOUT, Admission, TlsTransport

BACKLOG = 1024  # connections that the kernel holds until they are accepted

TOO_MANY: Final = "too many connections"  # as the log says it

ContextMaker = Callable[[], ssl.SSLContext]
Handler = Callable[[Stream], Awaitable[None]]


class Server:
    """Accepts connections on any number of sockets and runs one task for each."""

    def __init__(self, log: Logger, bounds: Bounds = UNBOUNDED) -> None:
        self._log = log
        self._refusal = bounds.refusal
        self._sessions, self._handshakes = Connections(bounds), Connections(bounds)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def session_count(self) -> int:
        return len(self._tasks)

    async def listen(
        self,
        listener: socket.socket,
        handler: Handler,
        tls: ssl.SSLContext | None = None,
        *,
        proxies: Proxies | None = None,
    ) -> None:
        """Accept from now on. `handler` owns its stream; `tls`: the handshake comes first, without a session.

        proxies: connections may begin with the header of a proxy, inside of `tls`; TLS of its own begins behind it. The
        listener is closed with the server; a Unix socket's file is left alone.
        """
        loop = asyncio.get_running_loop()

        tls_behind = proxies.tls if proxies else None

        def made(stream: Stream) -> None:
            if self._is_closed:  # a handshake took so long
                stream.abort()
                return
            task = loop.create_task(self._run(handler, stream, tls_behind))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        def factory() -> asyncio.Protocol:
            stream = Stream(loop, made) if proxies is None else ProxiedStream(loop, made, proxies, self._log)
            return stream if tls is None else TlsTransport(loop, stream, tls, admit=self._admission(proxies))

        create = loop.create_unix_server if listener.family == socket.AF_UNIX else loop.create_server
        self._servers.append(await create(factory, sock=listener, backlog=BACKLOG))

    def close_listeners(self) -> None:
        """Accept no more, nor begin a session; those that have begun go on."""
        self._is_closed = True
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def wait(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for all sessions to end by themselves; whether they have."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout)
        return not self._tasks

    async def cancel(self) -> None:
        """End all sessions now."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _admission(self, proxies: Proxies | None) -> Admission:
        """Counts handshakes while they last; those through a proxy that is believed only in all."""

        def admit(transport: asyncio.BaseTransport) -> Callable[[], None] | None:
            ip, port = peer_of(transport)
            counted_as = None if proxies is not None and proxies.trusts(ip) else ip
            if self._handshakes.enter(counted_as):
                return lambda: self._handshakes.leave(counted_as)
            self._log.info(TOO_MANY, src_ip=peer_text(ip, port))
            return None

        return admit

    async def _run(self, handler: Handler, stream: Stream, tls_behind: ContextMaker | None) -> None:
        try:
            if tls_behind is None or await self._begin_tls(stream, tls_behind):
                await self._serve(handler, stream)
        except asyncio.CancelledError:
            stream.abort()
            raise
        except Exception as err:  # noqa: BLE001 - the top of a session: it ends, the others go on
            self._log.error("session failed", err, trace=trace_of(err))
        stream.close()

    async def _serve(self, handler: Handler, stream: Stream) -> None:
        """Let a session run, counted as its client's as soon as that is known, unless it is one too many."""
        place = _Place(self._sessions, stream)
        if isinstance(stream, ProxiedStream):
            stream.admit = lambda: self._admit(place, stream)
        try:
            if self._admit(place, stream):
                await handler(stream)
        finally:
            place.leave()

    def _admit(self, place: "_Place", stream: Stream) -> bool:
        if place.take():
            return True
        stream.write(self._refusal)
        self._log.info(TOO_MANY, src_ip=stream.peer)
        return False

    async def _begin_tls(self, stream: Stream, tls: ContextMaker) -> bool:
        """TLS behind the header of a proxy; whether it began. A failure is logged as those of other handshakes are."""
        try:
            with self._handshakes.counted(stream.peer_ip if stream.is_peer_known else None):
                ahead = await stream.read(HANDSHAKE_TIMEOUT)  # it is the client that speaks first
            with self._handshakes.counted(stream.peer_ip):
                await stream.start_tls(tls(), ahead=ahead)
        except TooManyConnections:
            self._log.info(TOO_MANY, src_ip=stream.peer)
        except BadProxyHeader as err:
            self._log.error("connection failed", err, src_ip=stream.peer)
        except (ConnectionLost, OSError) as err:  # TimeoutError is one
            self._log.debug("TLS handshake failed", reason=str(err), src_ip=stream.peer)
        else:
            return True
        stream.abort()
        return False


class _Place:
    """A session's place among the others: of its client, in all only as long as that is not known."""

    __slots__ = ("_connections", "_held", "_stream")

    def __init__(self, connections: Connections, stream: Stream) -> None:
        self._connections = connections
        self._stream = stream
        self._held: tuple[IpAddress | None] | None = None

    def take(self) -> bool:
        """Whether there is one, instead of the one that is held."""
        self.leave()
        ip = self._stream.peer_ip if self._stream.is_peer_known else None
        if not self._connections.enter(ip):
            return False
        self._held = (ip,)
        return True

    def leave(self) -> None:
        if self._held is not None:
            self._connections.leave(*self._held)
            self._held = None
