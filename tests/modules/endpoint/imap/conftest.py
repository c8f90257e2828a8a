"""The endpoint on a free port: over mailboxes in memory, and over those of storage.imapsql."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.storage import Storage
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as fake:
        yield fake


@pytest.fixture
def memory() -> Iterator[FakeStorage]:
    storage = FakeStorage()
    yield storage
    assert not storage.left_open()


@pytest.fixture(params=["memory", "imapsql"])
async def storage(
    request: pytest.FixtureRequest, fake: FakeWorld, memory: FakeStorage
) -> AsyncIterator[Storage]:
    if request.param == "memory":
        yield memory
        return
    block = Node(
        "storage.imapsql", ("sqlite3", "mail.db"), (Node("appendlimit", ("1M",), None, "", 2),), "", 1
    )
    registry = None  # nothing in this block is a module
    scope = Scope({}, fake.paths, registry)  # type: ignore[arg-type]  # see above
    module = ImapSql(parse_settings(ImapSql.Settings, block, scope), fake.context("storage.imapsql"))
    await module.prepare()
    await module.start()
    yield module
    await module.stop()


@pytest.fixture
async def server(tmp_path: Path, storage: Storage, fake: FakeWorld) -> AsyncIterator[ImapServer]:
    """Over each of the storages: for what must hold for all."""
    async with ImapServer(tmp_path, storage, fake=fake) as server:
        yield server


@pytest.fixture
async def in_memory(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> AsyncIterator[ImapServer]:
    """Over mailboxes in memory, which can be told to fail."""
    async with ImapServer(tmp_path, memory, fake=fake) as server:
        yield server
