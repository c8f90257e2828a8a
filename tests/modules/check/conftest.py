"""Checks as a configuration makes them, and messages for them."""

import asyncio
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from posthouse.core.events import MessageLog, NoRecorder
from posthouse.framework.interfaces.check import Check
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Module
from posthouse.framework.interfaces.roles import CHECK
from posthouse.net.connection import TlsState
from posthouse.testing.module import module_of
from posthouse.testing.world import FakeWorld

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as fake:
        yield fake


@pytest.fixture
def configured(fake: FakeWorld) -> Configure:
    """The check that a line, or a block, of a `check` directive makes."""

    def configure(text: str) -> Check:
        check = module_of(fake, "check", CHECK, text)
        assert isinstance(check, Module)
        return check

    return configure


@pytest.fixture
def envelope_of(fake: FakeWorld) -> MakeEnvelope:
    """A message that comes over TCP; its client's name is known when `rdns` says it."""

    def make(
        *,
        hello: str = "client.example.net",
        user: str = "",
        tls: TlsState | None = None,
        rdns: str | None = None,
        ip: str = "192.0.2.7",
        is_local: bool = False,
        sender: str = "bob@example.net",
    ) -> Envelope:
        log = MessageLog(fake.context("test").log, "0a1b2c3d", NoRecorder())
        if is_local:
            return Envelope("0a1b2c3d", sender, None, log)
        name: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        name.set_result(rdns)
        address = ip_address(ip) if ip else None
        connection = Connection("ESMTP", hello, address, 4711, tls, name if ip else None, user)
        return Envelope("0a1b2c3d", sender, connection, log)

    return make
