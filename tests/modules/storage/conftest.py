"""storage.imapsql on a disk that may fail, with two accounts."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from posthouse.core.events import MessageLog
from posthouse.framework.buffer import Body, MemoryBody
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.disk import FaultyDisk
from posthouse.testing.world import FakeWorld

HEADER = b"From: Bob <bob@example.net>\r\nSubject: hello\r\n"
BODY = b"Hi!\r\n"


class Mail:
    """Storages of one world, and messages for them."""

    def __init__(self, fake: FakeWorld, disk: FaultyDisk) -> None:
        self.fake = fake
        self.disk = disk

    def module(self, *directives: tuple[str, ...], **settings: Any) -> ImapSql:
        """A storage as a configuration makes it. settings: values that no directive can say here."""
        children = tuple(Node(name, tuple(args), None, "test.conf", 2) for name, *args in directives)
        block = Node("storage.imapsql", ("sqlite3", "imapsql.db"), children, "test.conf", 1)
        registry: Any = None  # nothing in this block is a module
        parsed = parse_settings(ImapSql.Settings, block, Scope({}, self.fake.paths, registry))
        parsed = dataclasses.replace(parsed, **settings)
        return ImapSql(parsed, self.fake.context("target.imapsql", debug=parsed.debug), self.disk.files)

    def envelope(self, *, quarantine: bool = False) -> Envelope:
        log = MessageLog(self.fake.context("smtp").log, "0a1b2c3d", self.fake.events)
        return Envelope("0a1b2c3d", "bob@example.net", None, log, quarantine=quarantine)

    async def deliver(
        self,
        storage: ImapSql,
        *recipients: str,
        body: bytes | Body = BODY,
        header: bytes = HEADER,
        reverse_path: str = "bob@example.net",
        quarantine: bool = False,
    ) -> None:
        delivery = await storage.start_delivery(self.envelope(quarantine=quarantine), reverse_path)
        for recipient in recipients:
            await delivery.add_recipient(recipient)
        octets = MemoryBody(body) if isinstance(body, bytes) else body
        await delivery.body(Header.parse(header), octets)
        await delivery.commit()

    async def messages(self, storage: ImapSql, account: str, mailbox: str = "INBOX") -> list[bytes]:
        """The octets of all messages in a mailbox, in order of their UIDs."""
        found = await storage.account(account)
        assert found is not None
        opened = await found.open(mailbox)
        snapshot = await opened.snapshot()
        octets = []
        async for rows in opened.rows(snapshot.uids):
            for row in rows:
                content = await opened.content(row.email)
                assert content.size == row.size
                octets.append(await content.read(0, content.size + 1))
        return octets


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as fake:
        yield fake


@pytest.fixture
def disk() -> Iterator[FaultyDisk]:
    with FaultyDisk() as disk:
        yield disk


@pytest.fixture
def mail(fake: FakeWorld, disk: FaultyDisk) -> Mail:
    return Mail(fake, disk)


Opener = Callable[[ImapSql], Awaitable[ImapSql]]


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """Prepares and starts storages, and stops them at the end."""
    async with AsyncExitStack() as stack:

        async def open_(storage: ImapSql) -> ImapSql:
            await storage.prepare()
            stack.push_async_callback(storage.stop)
            await storage.start()
            return storage

        yield open_


@pytest.fixture
async def storage(mail: Mail, opened: Opener) -> ImapSql:
    storage = await opened(mail.module())
    await storage.create_account("ann@example.org")
    await storage.create_account("bob@example.org")
    return storage
