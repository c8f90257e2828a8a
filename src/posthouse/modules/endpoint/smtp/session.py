"""A session: the engine's events, and what is done about them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

from posthouse.core import spans
from posthouse.core.errors import DISK_FULL
from posthouse.core.world import DnsError
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.framework.interfaces.message import Connection
from posthouse.framework.sasl import UnsupportedMechanism
from posthouse.modules.endpoint.smtp.service import Service
from posthouse.modules.endpoint.smtp.transaction import Tally, Transaction
from posthouse.net.connection import ConnectionLost, Interrupted, Stream
from posthouse.net.proxied import BadProxyHeader
from posthouse.wire.sasl.mechanism import Challenge, Mechanism, SaslError
from posthouse.wire.smtp.events import (
    Auth,
    AuthEnded,
    AuthResponse,
    Closed,
    Content,
    Event,
    Flush,
    Hello,
    Mail,
    MessageEnd,
    Rcpt,
    Reset,
    StartTls,
)
from posthouse.wire.smtp.reply import Reply
from posthouse.wire.smtp.server import ServerSession

IDLE: Final = Reply(421, (4, 4, 2), "Idle timeout, bye bye")
SHUTTING_DOWN: Final = Reply(421, (4, 3, 2), "Server shutting down")
READ_FAILED: Final = Reply(421, (4, 4, 0), "Connection error, sorry")
CRASHED: Final = Reply(421, (4, 0, 0), "Internal server error")
NO_HANDSHAKE: Final = Reply(550, (5, 0, 0), "Handshake error")  # the connection is closed then
NOT_AUTHENTICATED: Final = Reply(502, (5, 7, 0), "Please authenticate first")
INVALID_CREDENTIALS: Final = Reply(535, (5, 7, 8), "Invalid credentials")
AUTH_UNAVAILABLE: Final = Reply(454, (4, 7, 0), "Temporary authentication failure")

TAR_PIT_AFTER: Final = (
    100  # refused recipients of a session; who guesses addresses has to wait for each further one
)
TAR_PIT: Final = 1.0  # seconds


class Over(Exception):
    """The session is over; everything has been said."""


class Session:
    """One connection, from its greeting to its end."""

    def __init__(self, service: Service, stream: Stream) -> None:
        self._service = service
        self._stream = stream
        self._engine = ServerSession(service.config, tls=stream.tls is not None)
        self._connection = Connection("", "", None)
        self._tally = Tally()
        self._transaction: Transaction | None = None
        self._mechanism: Mechanism | None = None
        self._rdns: asyncio.Task[str | None] | None = None
        self._task = asyncio.current_task()
        self._deadline = 0.0  # of the command that comes in
        self._is_reading = False
        self._is_stopping = False
        self._is_ended = False  # by our own cancelling

    async def run(self) -> None:
        """Serve the client until it is gone."""
        self._stream.on_lost = self._lost
        try:
            await self._converse()
        except Over:
            return
        except ConnectionLost:
            self._stream.abort()
        except asyncio.CancelledError:
            if not self._is_ended:
                raise
            assert self._task is not None
            self._task.uncancel()
        except Exception:
            self._say_last(CRASHED)
            raise
        finally:
            await self._end()

    def stop(self) -> None:
        """The server stops: end as soon as there is no transaction."""
        self._is_stopping = True
        if not self._engine.in_transaction:
            self._stream.interrupt()

    def end(self) -> None:
        """The server will not wait any longer; only what became ours is still finished."""
        if self._transaction is None or not self._transaction.is_final:
            self._say_last(SHUTTING_DOWN)
            self._cancel()

    @property
    def _remote(self) -> str:
        return self._stream.peer

    # --- conversation

    async def _converse(self) -> None:
        while True:
            event = self._engine.next_event()
            if event is not None:
                await self._HANDLERS[type(event)](self, event)
                continue
            await self._send()
            if self._is_stopping and not self._engine.in_transaction:
                self._say_last(SHUTTING_DOWN)
                return
            self._engine.feed(await self._read())

    async def _read(self) -> bytes:
        """The next octets. Raises Over when there will be none."""
        now = self._service.world.clock.monotonic()
        if not self._engine.is_within_line:
            self._deadline = now + self._service.read_timeout
        self._is_reading = True
        try:
            data = await self._stream.read(self._deadline - now)
        except TimeoutError:
            self._say_last(IDLE)
            raise Over from None
        except Interrupted:
            return b""
        except BadProxyHeader as err:
            self._service.log.error("connection failed", err, src_ip=self._remote)
            self._say_last(READ_FAILED)
            raise Over from None
        finally:
            self._is_reading = False
        if not data or self._stream.is_lost:
            raise Over
        if self._service.mirrors_traffic:
            self._service.log.debug("read", data=data, src_ip=self._remote)
        return data

    async def _send(self) -> None:
        """Send the replies that have gathered. Raises ConnectionLost, also for a client that does not read them."""
        data = self._engine.data_to_send()
        if not data:
            return
        if self._service.mirrors_traffic:
            self._service.log.debug("write", data=data, src_ip=self._remote)
        self._stream.write(data)
        if self._stream.is_full:
            try:
                await self._stream.drain(self._service.write_timeout)
            except TimeoutError:
                raise ConnectionLost from None

    def _say_last(self, reply: Reply) -> None:
        self._engine.close(reply)
        self._stream.write(self._engine.data_to_send())

    def _lost(self) -> None:
        """The client has left: what is done for it is cancelled, unless the message is about to become ours."""
        is_final = self._transaction is not None and self._transaction.is_final
        if not self._is_reading and not is_final:
            self._cancel()

    def _cancel(self) -> None:
        assert self._task is not None
        if not self._is_ended:
            self._is_ended = True
            self._task.cancel()

    async def _end(self) -> None:
        self._stream.on_lost = None
        if self._rdns is not None:
            self._rdns.cancel()
        await self._drop_transaction()
        count = self._tally.repeated_sender_errors
        if count > self._service.logged_errors_max:
            self._service.log.info(
                "MAIL FROM repeated error a lot of times, possible dictonary attack",
                count=count,
                msg_id=self._tally.message_id,
                src_ip=self._remote,
            )

    # --- what the client wants

    async def _hello(self, event: Hello) -> None:
        if spans.is_on:
            spans.enter_session(self._remote)
        await self._drop_transaction()
        stream, old, early = self._stream, self._connection, self._service.early
        connection = Connection(
            protocol=self._protocol(),
            hello=event.name,
            remote_ip=stream.peer_ip,
            remote_port=stream.peer_port,
            tls=stream.tls,
            rdns=self._reverse_lookup(),
            auth_user=old.auth_user,
            auth_password=old.auth_password,
        )
        error = await early.check_early(connection) if early is not None else None
        if error is not None:
            self._service.log.error("connection refused", error, src_host=event.name, src_ip=self._remote)
            self._engine.refuse(error.reply)
            return
        self._connection = connection
        self._engine.accept()

    def _protocol(self) -> str:
        if self._service.config.lmtp:
            return "LMTP"
        return "ESMTP" if self._stream.tls is None else "ESMTPS"

    async def _mail(self, event: Mail) -> None:
        if self._service.is_submission and not self._connection.auth_user:
            self._engine.refuse(NOT_AUTHENTICATED)
            return
        if not self._service.reserve.has_room(event.options.size):
            self._engine.refuse(DISK_FULL)
            return
        transaction = Transaction(self._service, self._connection, self._tally, event)
        refusal = await transaction.begin()
        if refusal is not None:  # an earlier transaction stays as it is
            self._engine.refuse(refusal)
            return
        try:
            await self._drop_transaction()
        except BaseException:
            await transaction.abort()
            raise
        self._transaction = transaction
        self._engine.accept()

    async def _rcpt(self, event: Rcpt) -> None:
        assert self._transaction is not None
        refusal = await self._transaction.add_recipient(event.recipient, event.options)
        if refusal is not None and self._tally.refused_recipients > TAR_PIT_AFTER:
            await asyncio.sleep(TAR_PIT)
        self._answer(refusal)

    def _content(self, event: Content) -> Awaitable[None]:
        assert self._transaction is not None
        return self._transaction.take(event.data)

    async def _message_end(self, event: MessageEnd) -> None:
        assert self._transaction is not None
        refusals = await self._transaction.finish(event.error)
        self._transaction = None
        if self._service.config.lmtp:
            self._engine.accept_some(refusals)
        else:
            self._answer(refusals[0])

    async def _reset(self, event: Reset) -> None:
        await self._drop_transaction()

    async def _start_tls(self, event: StartTls) -> None:
        assert self._service.tls_context is not None
        await self._drop_transaction()
        self._engine.accept()
        try:
            go_ahead, refusal = self._engine.data_to_send(), NO_HANDSHAKE.to_bytes()
            await self._stream.start_tls(self._service.tls_context(), go_ahead, refusal=refusal)
        except (OSError, TimeoutError) as err:
            self._service.log.debug("TLS handshake failed", reason=str(err), src_ip=self._remote)
            raise Over from err
        self._connection = Connection("", "", None)
        self._engine.tls_started()

    async def _auth(self, event: Auth) -> None:
        try:
            self._mechanism = self._service.sasl.start(event.mechanism)
        except UnsupportedMechanism as err:
            self._engine.refuse(Reply(454, (4, 7, 0), str(err)))
        else:
            await self._authenticate(event.initial)

    async def _auth_response(self, event: AuthResponse) -> None:
        await self._authenticate(event.data)

    async def _auth_ended(self, event: AuthEnded) -> None:
        if event.error is not None:
            self._service.sasl.malformed(event.error, self._remote)

    async def _authenticate(self, response: bytes | None) -> None:
        assert self._mechanism is not None
        sasl = self._service.sasl
        try:
            step = self._mechanism.step(response)
            if isinstance(step, Challenge):
                self._engine.challenge(step.data)
                return
            await sasl.authenticate(step, self._remote)
        except SaslError as err:
            sasl.malformed(err, self._remote)
            self._engine.refuse(INVALID_CREDENTIALS)
        except InvalidCredentials:
            self._engine.refuse(INVALID_CREDENTIALS)
        except AuthUnavailable:
            self._engine.refuse(AUTH_UNAVAILABLE)
        else:
            self._connection.auth_user, self._connection.auth_password = step.user, step.password
            self._engine.accept()

    async def _flush(self, event: Flush) -> None:
        await self._send()
        await asyncio.sleep(0)  # a client with a long pipeline does not keep the others waiting

    async def _closed(self, event: Closed) -> None:
        await self._send()
        raise Over

    _HANDLERS: ClassVar[Mapping[type[Event], Callable[["Session", Any], Awaitable[None]]]] = {
        # Any: each takes the event that it stands beside
        Hello: _hello,
        Mail: _mail,
        Rcpt: _rcpt,
        Content: _content,
        MessageEnd: _message_end,
        Reset: _reset,
        StartTls: _start_tls,
        Auth: _auth,
        AuthResponse: _auth_response,
        AuthEnded: _auth_ended,
        Flush: _flush,
        Closed: _closed,
    }

    # --- what is done about it

    def _answer(self, refusal: Reply | None) -> None:
        if refusal is None:
            self._engine.accept()
        else:
            self._engine.refuse(refusal)

    async def _drop_transaction(self) -> None:
        if self._transaction is not None:
            await self._transaction.abort()
            self._transaction = None

    def _reverse_lookup(self) -> "asyncio.Task[str | None] | None":
        """The task that looks up the client's name, begun once for a session."""
        if self._rdns is None and self._stream.peer_ip is not None:
            self._rdns = asyncio.create_task(self._look_up())
        return self._rdns

    async def _look_up(self) -> str | None:
        assert self._stream.peer_ip is not None
        try:
            lookup = self._service.world.resolver.names(self._stream.peer_ip)
            names = await spans.within("rDNS fetch", lookup)
        except Exception as err:  # noqa: BLE001 - the top of its task
            if not isinstance(err, DnsError) or err.transient:
                self._service.log.error("rDNS error", err, src_ip=self._remote)
            return None
        return names[0] if names else None
