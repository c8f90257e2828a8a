"""Dialogues, held: with the engine alone in memory, and with an endpoint over a socket."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from posthouse.modules.endpoint.smtp.endpoint import server_config
from posthouse.testing.dialogue import Dialogue, Do, Hear, Heard, Say, Setting
from posthouse.testing.smtp import ADDRESS, KnownUsers, Served, serving_smtp, smtp_settings, unverified
from posthouse.testing.world import FakeWorld
from posthouse.wire.sasl.login import Login
from posthouse.wire.sasl.mechanism import Challenge, Mechanism, SaslError
from posthouse.wire.sasl.plain import Plain
from posthouse.wire.smtp.events import (
    Auth,
    AuthEnded,
    AuthResponse,
    Closed,
    Content,
    Event,
    Flush,
    Reset,
    StartTls,
)
from posthouse.wire.smtp.reply import Reply
from posthouse.wire.smtp.server import ServerSession

PATIENCE: Final = 20.0  # seconds: only ever reached by a failing dialogue
PASSWORDS: Final = {"ann@example.org": "secret"}
MECHANISMS: Final[Mapping[str, Callable[[], Mechanism]]] = MappingProxyType({"PLAIN": Plain, "LOGIN": Login})
QUEUED: Final = "OK: queued"
INVALID: Final = Reply(535, (5, 7, 8), "Invalid credentials")


class Desk:
    """Answers for an endpoint that takes everything, and knows the users of `PASSWORDS`."""

    def __init__(self, engine: ServerSession) -> None:
        self._engine = engine
        self._mechanism: Mechanism = Plain()

    def answer(self, event: Event) -> None:
        match event:
            case Content() | Reset() | AuthEnded() | Flush() | Closed():
                return
            case Auth():
                self._mechanism = MECHANISMS[event.mechanism]()
                self._authenticate(event.initial)
            case AuthResponse():
                self._authenticate(event.data)
            case _:
                self._engine.accept()

    def _authenticate(self, response: bytes | None) -> None:
        try:
            step = self._mechanism.step(response)
        except SaslError:
            self._engine.refuse(INVALID)
            return
        if isinstance(step, Challenge):
            self._engine.challenge(step.data)
        elif PASSWORDS.get(step.user) == step.password:
            self._engine.accept()
        else:
            self._engine.refuse(INVALID)


def hold_in_memory(dialogue: Dialogue, directory: Path, *, piece: int) -> None:
    """Hold it with the engine; the octets of the client come in pieces of this size."""
    setting = dialogue.setting
    settings, _ = smtp_settings(FakeWorld(directory), setting.block, kind=setting.kind, auth=_users(setting))
    mechanisms = ("PLAIN", "LOGIN") if settings.sasl_login else ("PLAIN",)
    offered = mechanisms if settings.auth else ()
    config = server_config(settings, offered, is_lmtp=setting.kind.is_lmtp)
    _InMemory(ServerSession(config, tls=setting.is_tls), piece).hold(dialogue)


class _InMemory:
    """The engine, the desk, and what the engine has said."""

    def __init__(self, engine: ServerSession, piece: int) -> None:
        self._engine = engine
        self._desk = Desk(engine)
        self._piece = piece
        self._said = b""
        self._waits_for_tls = False
        self._is_closed = False

    def hold(self, dialogue: Dialogue) -> None:
        heard = Heard()
        self._take_events()
        for step in dialogue.steps:
            match step:
                case Say():
                    self._feed(step.data)
                case Hear():
                    line, end, self._said = self._said.partition(b"\r\n")
                    assert end, f"nothing was said, but wanted: {step.line}"
                    heard.expect(step.line, line.decode())
                case Do("tls"):
                    self._waits_for_tls = False
                    self._engine.tls_started()
                case Do("closed"):
                    assert self._is_closed
                case Do():
                    raise ValueError(f"* {step.what} needs a socket: % socket")
        assert self._said == b"", "this was said too"

    def _feed(self, data: bytes) -> None:
        for at in range(0, len(data), self._piece):
            self._engine.feed(data[at : at + self._piece])
            self._take_events()

    def _take_events(self) -> None:
        while not (self._waits_for_tls or self._is_closed):
            event = self._engine.next_event()
            self._said += self._engine.data_to_send()
            if event is None:
                return
            self._desk.answer(event)
            self._waits_for_tls = isinstance(event, StartTls)
            self._is_closed = isinstance(event, Closed)
        self._said += self._engine.data_to_send()


async def hold_over_socket(dialogue: Dialogue, directory: Path) -> FakeWorld:
    """Hold it with an endpoint; gives its world, with the log lines.

    Afterwards each acknowledged message is there once, and of others nothing is left.
    """
    setting = dialogue.setting
    address = "tls://127.0.0.1:465" if setting.is_tls else ADDRESS
    with FakeWorld(directory) as fake:
        async with serving_smtp(
            fake,
            setting.block,
            target=setting.target,
            kind=setting.kind,
            addresses=(address,),
            auth=_users(setting),
        ) as served:
            await _OverSocket(served, setting).hold(dialogue)
        assert not any(fake.paths.state.glob("buffer/*")), "a body was left behind"
    assert setting.target.open == 0, "a delivery was left open"
    taken = sum(isinstance(step, Hear) and step.line.endswith(QUEUED) for step in dialogue.steps)
    kept = setting.target.messages
    count = sum(len(message.recipients) for message in kept) if setting.kind.is_lmtp else len(kept)
    assert count == taken, "what is kept is not what was acknowledged"
    return fake


class _OverSocket:
    """A client of an endpoint."""

    def __init__(self, served: Served, setting: Setting) -> None:
        self._served = served
        self._tls = unverified() if setting.is_tls else None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._stopping: asyncio.Task[None] | None = None

    async def hold(self, dialogue: Dialogue) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._served.port, ssl=self._tls
        )
        heard = Heard()
        try:
            for step in dialogue.steps:
                match step:
                    case Say():
                        self._writer.write(step.data)
                    case Hear():
                        heard.expect(step.line, await self._line())
                    case Do():
                        await self._do(step.what)
            await self._nothing_more()
        finally:
            self._writer.transport.abort()
            if self._stopping is not None:
                await self._stopping

    async def _do(self, what: str) -> None:
        match what:
            case "tls":
                await self._writer.start_tls(unverified())
            case "eof":
                self._writer.write_eof()
            case "stop":
                self._stopping = asyncio.create_task(self._served.endpoint.stop())
            case "closed":
                with contextlib.suppress(ConnectionResetError):  # the client was still speaking
                    rest = await asyncio.wait_for(self._reader.read(), PATIENCE)
                    assert rest == b"", "this was said too"
            case _:
                raise ValueError(f"* {what}: nobody knows how to do this")

    async def _line(self) -> str:
        line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
        assert line.endswith(b"\r\n"), f"the connection was closed after {line!r}"
        return line[:-2].decode()

    async def _nothing_more(self) -> None:
        """Ask for one more reply, to see that it is the next."""
        if self._reader.at_eof() or self._reader.exception() or self._writer.is_closing():
            return
        self._writer.write(b"VRFY\r\n")
        assert await self._line() == "252 2.5.0 Cannot VRFY user, but will accept message"


def _users(setting: Setting) -> tuple[KnownUsers, ...]:
    return (KnownUsers(PASSWORDS, is_available=not setting.users_are_away),) if setting.has_users else ()
