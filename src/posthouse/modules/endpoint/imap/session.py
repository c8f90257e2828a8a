"""One connection: its commands, one after another."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from enum import IntEnum

from posthouse.framework.interfaces.storage import Account, StorageError
from posthouse.modules.endpoint.imap.capability import capabilities
from posthouse.modules.endpoint.imap.commands import CHANGES_NOTHING, HANDLERS, KEEPS_NUMBERS
from posthouse.modules.endpoint.imap.completion import Completion, Refused, refused_by_storage
from posthouse.modules.endpoint.imap.fetch import fetch_run
from posthouse.modules.endpoint.imap.output import CutOff, Output
from posthouse.modules.endpoint.imap.select import highest_modseq
from posthouse.modules.endpoint.imap.selected import Selected
from posthouse.modules.endpoint.imap.service import Service
from posthouse.net.connection import ConnectionLost, Interrupted, Stream
from posthouse.net.proxied import BadProxyHeader
from posthouse.wire.imap.again import FetchRun
from posthouse.wire.imap.commands import State
from posthouse.wire.imap.deflate import CompressionError, Deflater, Inflater
from posthouse.wire.imap.engine import Answer, Command, Continue, Engine, Event, MessageData, Response
from posthouse.wire.imap.response import Condition, bye

COMMANDS_IN_A_ROW = 32  # of one client, before others have their turn
LOOK_AGAIN = 0.02  # seconds: of many commands that came together, those that run later tell what is new
ERRORS_MAX = 20  # lines that are no command, of a client that has not logged in


class _Told(IntEnum):
    """What the client was told of what happened in the mailbox before it sent the commands that are run now.

    It cannot know of anything that came later: so one look is enough for commands that came together.
    """

    NOTHING = 0
    ALL_BUT_REMOVALS = 1
    ALL = 2


class _Farewell(Exception):
    """The server ends the connection; the text follows `* BYE`."""


class Session:
    """account: of the user who has logged in. selected: the mailbox that is open. condstore: see Selected."""

    def __init__(self, stream: Stream, service: Service) -> None:
        self.stream = stream
        self.service = service
        self.engine = Engine()
        self.account: Account | None = None
        self.selected: Selected | None = None
        self.condstore = False
        self.out = Output(stream, service.timeouts.write, self._mirror("S") if service.io_debug else None)
        self._inflater: Inflater | None = None
        self._mirror_input = self._mirror("C") if service.io_debug else None
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + service.timeouts.login
        self._is_woken = False
        self._is_over = False
        self._told, self._told_at = _Told.NOTHING, 0.0
        self._commands = 0
        self._errors = 0  # before the login

    @property
    def remote(self) -> str:
        """IP:PORT of the client."""
        return self.stream.peer

    async def run(self) -> None:
        """Serve the client to its end."""
        try:
            self.out.write(b"* OK [CAPABILITY %b] IMAP4rev1 Service Ready\r\n" % capabilities(self).encode())
            while not self._is_over:
                await self._serve(await self.next_event())
            await self.out.send()
        except _Farewell as end:
            self._say_bye(str(end))
        except BadProxyHeader as err:
            self.service.log.error("connection failed", err, src_ip=self.remote)
        except (ConnectionLost, Interrupted):  # Interrupted: by `shut_down`
            pass
        except CutOff as err:
            if self.service.io_errors:
                self.service.log.error("connection failed", err, src_ip=self.remote)
            self.stream.abort()
        except Exception:
            self._say_bye("Internal server error, closing connection.")
            raise  # the group of sessions logs it

    def shut_down(self) -> None:
        """The server stops: say so, and close. Called while `run` waits for something, which need not come any more."""
        self._is_over = True
        self._say_bye("Server shutting down")
        self.stream.close()
        self.stream.interrupt()

    # --- for the commands

    async def next_event(self) -> Event:
        """What the client does next, once everything is said that waits to be said.

        Raises ConnectionLost when the client has left; while `watching`, Interrupted.
        """
        while True:
            event = self.engine.next_event()
            if isinstance(event, Continue):
                self.out.write(event.to_bytes())
            elif isinstance(event, Answer) and event.status.condition is Condition.BYE:
                raise _Farewell(event.status.text)
            elif event is not None:
                if self._inflater is not None and isinstance(event, MessageData):
                    self._inflater.forgive(len(event.octets))
                return event
            else:
                await self._receive()

    async def next_line(self) -> bytes:
        """The next line, which is no command. Raises as `next_event` does."""
        self.engine.expect_response()
        event = await self.next_event()
        assert isinstance(event, Response)
        return event.line

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Meanwhile changes of the selected mailbox interrupt the wait for the client."""
        watch = self.selected.mailbox.watch(self._wake) if self.selected is not None else None
        try:
            yield
        finally:
            if watch is not None:
                watch.close()
            self._is_woken = False

    def log_in(self, account: Account) -> None:
        self.account = account
        self.engine.state = State.AUTHENTICATED

    def open(self, selected: Selected | None) -> None:
        """Select a mailbox, or none."""
        self.selected = selected
        if selected is not None:
            selected.condstore = self.condstore
        self.engine.state = State.AUTHENTICATED if selected is None else State.SELECTED

    def enable_condstore(self) -> None:
        """The client is told mod-sequences from now on, and first that of the mailbox that is open (RFC 7162 §3.1)."""
        if not self.condstore and self.selected is not None:
            self.selected.condstore = True
            self.out.write(highest_modseq(self.selected).encode() + b"\r\n")
        self.condstore = True

    async def report_updates(self, *, expunge: bool) -> None:
        """Tell what happened in the selected mailbox; nothing, if that cannot be told now."""
        if self.selected is None:
            return
        try:
            pieces = await self.selected.updates(expunge=expunge)
        except StorageError:  # busy, or deleted: commands that need it will say so
            return
        self._told, self._told_at = _Told.ALL if expunge else _Told.ALL_BUT_REMOVALS, self._loop.time()
        await self.out.write_all(pieces)

    async def become_tls(self) -> None:
        """Begin TLS. Whatever was read or sent before is forgotten (R-034)."""
        assert self.service.tls is not None
        context = self.service.tls.context()
        try:
            await self.stream.start_tls(context, self.out.take())
        except (OSError, TimeoutError) as err:
            raise CutOff(f"TLS handshake failed: {err}") from err
        self.engine = Engine()

    @property
    def is_compressed(self) -> bool:
        return self._inflater is not None

    async def become_compressed(self) -> None:
        """Begin COMPRESS=DEFLATE, behind what was said so far (RFC 4978 §3)."""
        await self.out.send()
        self.out.deflater = Deflater()
        self._inflater = Inflater()
        self._inflater.feed(self.engine.take_unread())

    async def end(self) -> None:
        self._is_over = True

    # --- the loop

    async def _serve(self, event: Event) -> None:
        if isinstance(event, Command | FetchRun):
            await self._run_command(event)
        else:
            assert isinstance(event, Answer)  # the others come only where a command has asked for them
            self._answer(event)
        self._commands += len(event.tags) if isinstance(event, FetchRun) else 1
        self._extend_deadline()
        if self._commands >= COMMANDS_IN_A_ROW:
            self._commands = 0
            await asyncio.sleep(0)

    def _answer(self, answer: Answer) -> None:
        """Say what the engine has to say. A stranger that talks nonsense is sent away: it may speak another protocol."""
        self.out.write(answer.status.to_bytes())
        self._errors += self.account is None
        if self._errors >= ERRORS_MAX and self.account is None:
            raise _Farewell("Too many errors")

    async def _run_command(self, command: Command | FetchRun) -> None:
        if command.name not in CHANGES_NOTHING or self._loop.time() > self._told_at + LOOK_AGAIN:
            self._told = _Told.NOTHING
        completion = await (
            self._completion(command) if isinstance(command, Command) else fetch_run(self, command)
        )
        expunge = command.name not in KEEPS_NUMBERS
        if self._told < (_Told.ALL if expunge else _Told.ALL_BUT_REMOVALS):
            await self.report_updates(expunge=expunge)
        self.out.write(completion.to_bytes(command.tag, command.name))
        if completion.then is not None:
            await completion.then()
        await self.out.relieve()

    async def _completion(self, command: Command) -> Completion:
        try:
            return await HANDLERS[type(command.request)](self, command.request)
        except Refused as err:
            return err.completion
        except StorageError as err:
            return refused_by_storage(err)

    async def _receive(self) -> None:
        await self.out.send()
        if self._is_woken:
            self._is_woken = False
            raise Interrupted
        if self._inflater is None:
            self._feed(await self._read())
        elif piece := self._next_piece(self._inflater):
            self._feed(piece)
            await asyncio.sleep(0)  # there may be many pieces to come before we wait for the client
        else:
            self._inflater.feed(await self._read())

    async def _read(self) -> bytes:
        try:
            octets = await self.stream.read(max(self._deadline - self._loop.time(), 0))
        except TimeoutError as err:
            raise _Farewell("Idle for too long" if self.account else "Nobody has logged in") from err
        if not octets:
            raise ConnectionLost
        self._extend_deadline()
        return octets

    def _next_piece(self, inflater: Inflater) -> bytes:
        try:
            return inflater.next_piece()
        except CompressionError as err:
            raise _Farewell(str(err)) from err

    def _feed(self, octets: bytes) -> None:
        if self._mirror_input is not None:
            self._mirror_input(octets)
        self._told = _Told.NOTHING
        self.engine.feed(octets)

    def _extend_deadline(self) -> None:
        """The time to log in is never extended."""
        if self.account is not None:
            self._deadline = self._loop.time() + self.service.timeouts.idle

    def _wake(self) -> None:
        self._is_woken = True
        self.stream.interrupt()

    def _say_bye(self, text: str) -> None:
        if self.out.is_mid_response:
            return
        self.out.write(bye(text).to_bytes())
        self.stream.write(self.out.take())

    def _mirror(self, who: str) -> Callable[[bytes], None]:
        def mirror(octets: bytes) -> None:
            text = octets.decode("ascii", "backslashreplace")
            self.service.log.debug(who, src_ip=self.remote, data=text)

        return mirror
