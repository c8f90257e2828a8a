"""SMTP endpoints under test: built from a block of configuration, serving on a free port.

async with serving_smtp(fake, 'hostname mx.example.org', target=KeptTarget()) as served:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from posthouse.framework.config.node import Node
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.framework.interfaces.module import Context
from posthouse.framework.interfaces.target import Target
from posthouse.framework.registry import Registry
from posthouse.modules.catalogue import CATALOGUE
from posthouse.modules.endpoint.smtp import LmtpEndpoint, SmtpEndpoint, SubmissionEndpoint
from posthouse.modules.endpoint.smtp.settings import SmtpSettings
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld

ADDRESS = "tcp://127.0.0.1:25"  # as it is configured; the real port is another
PATIENCE = 20.0  # seconds: only ever reached by a failing test
NAMES = {SmtpEndpoint: "smtp", SubmissionEndpoint: "submission", LmtpEndpoint: "lmtp"}
DEFAULTS = {"hostname": "mx.example.org", "tls": "off", "deliver_to": "dummy"}


@dataclass(frozen=True, slots=True)
class KnownUsers:
    """An authenticator with passwords in clear. is_available: whether it can tell."""

    passwords: Mapping[str, str]
    is_available: bool = True

    async def authenticate(self, user: str, password: str) -> None:
        if not self.is_available:
            raise AuthUnavailable("the user database is away")
        if self.passwords.get(user) != password:
            raise InvalidCredentials("wrong password")


class Talk:
    """A client's connection, from behind the greeting."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: str) -> str:
        """Send lines; gives the reply to the last of them."""
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        reply = ""
        for _ in lines:
            reply = await self.hear()
        return reply

    async def hear(self) -> str:
        """The next reply, its lines parted by LF. Raises EOFError when there is none."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), PATIENCE)).decode()
            if not line.endswith("\r\n"):
                raise EOFError
            lines.append(line[:-2])
            if line[3:4] != "-":
                return "\n".join(lines)

    async def to_data(self, *recipients: str) -> None:
        """Greet, and begin a message."""
        rcpt = [f"RCPT TO:<{recipient}>" for recipient in recipients or ("bob@example.org",)]
        reply = await self.say("EHLO client.example", "MAIL FROM:<ann@example.net>", *rcpt, "DATA")
        assert reply.startswith("354"), reply

    def send(self, data: bytes) -> None:
        self.writer.write(data)


@dataclass(frozen=True, slots=True)
class Served:
    """endpoint: running. port: of its first address."""

    endpoint: SmtpEndpoint
    fake: FakeWorld
    port: int

    @asynccontextmanager
    async def talk(self) -> AsyncIterator[Talk]:
        """A connection that was greeted; at its end it is cut."""
        async with self.connect() as talk:
            assert (await talk.hear()).startswith("220 ")
            yield talk

    @asynccontextmanager
    async def connect(self, *, tls: bool = False) -> AsyncIterator[Talk]:
        """A connection from its very beginning; at its end it is cut."""
        context = unverified() if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        try:
            yield Talk(reader, writer)
        finally:
            writer.transport.abort()


def unverified() -> ssl.SSLContext:
    """TLS of a client that takes every certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def smtp_settings(
    fake: FakeWorld,
    directives: str = "",
    *,
    addresses: tuple[str, ...] = (ADDRESS,),
    kind: type[SmtpEndpoint] = SmtpEndpoint,
    **changes: Any,
) -> tuple[SmtpSettings, Registry]:
    """The settings of a block with these directives, `DEFAULTS` where they say nothing, and the modules that it uses.

    changes: fields to set in the settings, of whatever type they have.
    """

    def make_context(module: str, instance: str, node: Node, debug: bool) -> Context:
        return fake.context(module, instance, debug=debug)

    given = parse(directives, "test.conf").nodes
    names = {node.name for node in given}
    missing = "\n".join(f"{name} {value}" for name, value in DEFAULTS.items() if name not in names)
    children = (*given, *parse(missing, "test.conf").nodes)
    registry = Registry(CATALOGUE, make_context)
    block = Node(NAMES[kind], addresses, children, "test.conf", 1)
    return replace(parse_settings(kind.Settings, block, Scope({}, fake.paths, registry)), **changes), registry


@asynccontextmanager
async def serving_smtp(
    fake: FakeWorld,
    directives: str = "",
    *,
    target: Target | None = None,
    kind: type[SmtpEndpoint] = SmtpEndpoint,
    addresses: tuple[str, ...] = (ADDRESS,),
    **changes: Any,
) -> AsyncIterator[Served]:
    """Prepare and start an endpoint and what it uses, and stop all at the end."""
    settings, registry = smtp_settings(fake, directives, addresses=addresses, kind=kind, **changes)
    endpoint = kind(settings, fake.context(NAMES[kind], debug=settings.debug), target or KeptTarget())
    modules = [module for _, module in registry.lifetime] + [endpoint]
    for module in modules:
        await module.prepare()
        await module.start()
    try:
        yield Served(endpoint, fake, fake.listeners.port(addresses[0]))
    finally:
        for module in reversed(modules):
            await module.stop()
