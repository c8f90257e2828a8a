"""A session without a connection: what a client would be told, and nothing comes of it (`posthouse explain`).

The session is the real one. Its client is played, and what it would count, log, keep or wait for is put aside.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Final

from posthouse.core.events import NoRecorder
from posthouse.core.log import Logger
from posthouse.core.world import IpAddress, IpVersion
from posthouse.framework import normalize
from posthouse.framework.interfaces.check import EarlyCheck
from posthouse.framework.interfaces.endpoint import Client
from posthouse.framework.interfaces.limits import Limits, Slot
from posthouse.framework.interfaces.target import Target
from posthouse.framework.sasl import Sasl
from posthouse.framework.spool import Spool
from posthouse.modules.endpoint.smtp.service import ID_DIGITS, Service
from posthouse.modules.endpoint.smtp.session import Session
from posthouse.net.connection import Stream, TlsState

MESSAGE_ID: Final = "0" * ID_DIGITS
PORT: Final = 49152  # of the client: the first of those that are for clients (RFC 6335 §6)
SOME_TLS: Final = TlsState("TLSv1.3", "TLS_AES_256_GCM_SHA384")

Heard = Callable[[str, str], None]  # a command, and its reply
LeftOut = Callable[[object, str], None]  # what is not met, and why
Dialogue = Generator[bytes, str, None]  # gives what the client sends, takes each reply


async def rehearse(
    service: Service,
    client: Client,
    rehearsed: Callable[[Target], Target],
    heard: Heard,
    left_out: LeftOut,
) -> None:
    """See RehearsingEndpoint."""
    if client.user and not service.config.mechanisms:
        raise ValueError("nobody can log in here: there is no directive auth")
    script = Script(client, _dialogue(client, "LHLO" if service.config.lmtp else "EHLO", heard))
    await Session(_aside(service, rehearsed(service.target), left_out), script).run()
    script.finish()


class Script(Stream):
    """A connection whose client follows a dialogue."""

    __slots__ = ("_dialogue", "_said")

    def __init__(self, client: Client, dialogue: Dialogue) -> None:
        super().__init__(asyncio.get_running_loop(), lambda _: None)
        self.peer_ip = client.ip
        self.peer_port = PORT if client.ip is not None else 0
        self.tls = SOME_TLS if client.is_tls else None
        self._dialogue = dialogue
        self._said: bytes | None = (
            None  # by the server since the client's last words; None: those are yet to come
        )

    @property
    def is_lost(self) -> bool:
        return False

    async def read(self, timeout: float) -> bytes:
        said, self._said = self._said, b""
        try:
            return next(self._dialogue) if said is None else self._dialogue.send(said.decode())
        except StopIteration:
            return b""

    def write(self, data: bytes) -> None:
        if self._said is not None:  # the greeting is no reply
            self._said += data

    def finish(self) -> None:
        """Let the client hear the last reply, when it was the server who ended the session."""
        if self._said:
            with suppress(StopIteration):
                self._dialogue.send(self._said.decode())

    def interrupt(self) -> None:
        """Nobody waits."""

    def abort(self) -> None:
        """There is nothing to close."""


class _Anybody:
    """Believes everybody who they are: what passwords are for is not what is rehearsed."""

    async def authenticate(self, user: str, password: str) -> None:
        return None


class _Nobody:
    """A resolver that knows nothing: a check that needs the client's name asks its own, so that one sees who asks."""

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        return ()

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        return ()

    async def txt(self, name: str) -> Sequence[bytes]:
        return ()

    async def names(self, address: IpAddress) -> Sequence[str]:
        return ()

    async def cname(self, name: str) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """Limits that count nothing, and let everybody pass."""

    limits: Limits
    left_out: LeftOut

    async def take_message(self, ip: IpAddress, source: str) -> Slot:
        self.left_out(self.limits, "it counts what other clients do meanwhile")
        return self

    async def take_destination(self, domain: str) -> Slot:
        return self

    def release(self) -> None:
        """Nothing was taken."""


@dataclass(frozen=True, slots=True)
class _Roomy:
    """A disk with room for everything."""

    left_out: LeftOut

    def has_room(self, size: int) -> bool:
        self.left_out("min_free", "it looks how much disk is free")
        return True


def _aside(service: Service, target: Target, left_out: LeftOut) -> Service:
    """The same service, but of what it does nothing remains."""
    log = Logger(lambda line, debug: None)
    return replace(
        service,
        config=replace(service.config, insecure_auth=True),
        target=target,
        sasl=Sasl((_Anybody(),), log=log, normalize=normalize.noop),
        spool=Spool(service.spool.directory, service.world.random, memory=None),
        reserve=_Roomy(left_out),
        limits=None if service.limits is None else _Uncounted(service.limits, left_out),
        early=target if isinstance(target, EarlyCheck) else None,
        ids=repeat(MESSAGE_ID),
        log=log,
        recorder=NoRecorder(),
        world=replace(service.world, resolver=_Nobody()),
        mirrors_traffic=False,
    )


def _dialogue(client: Client, hello: str, heard: Heard) -> Dialogue:
    """What the client says. It goes on after a recipient that is refused, and leaves after any other refusal."""

    def say(command: str, octets: bytes | None = None) -> Generator[bytes, str, bool]:
        reply = yield (f"{command}\r\n".encode() if octets is None else octets)
        heard(command, reply.removesuffix("\r\n"))
        return reply.startswith(("2", "3"))

    if not (yield from say(f"{hello} {client.hello}")):
        return
    if client.user:
        secret = b64encode(f"\0{client.user}\0-".encode())
        if not (yield from say(f"AUTH PLAIN ({client.user})", b"AUTH PLAIN " + secret + b"\r\n")):
            return
    extension = " SMTPUTF8" if client.is_utf8 else ""
    if not (yield from say(f"MAIL FROM:<{client.sender}>{extension}")):
        return
    taken = False
    for recipient in client.recipients:
        taken |= yield from say(f"RCPT TO:<{recipient}>")
    if taken and client.message is not None and (yield b"DATA\r\n").startswith("3"):
        yield from say("DATA", _stuffed(client.message))


def _stuffed(message: bytes) -> bytes:
    """A message as DATA sends it (RFC 5321 §4.5.2)."""
    end = b"" if message.endswith(b"\r\n") or not message else b"\r\n"
    return (b"\r\n" + message).replace(b"\r\n.", b"\r\n..")[2:] + end + b".\r\n"
