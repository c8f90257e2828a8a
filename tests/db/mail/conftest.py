"""A mail database with its upkeep, and messages whose octets follow from their tags."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from posthouse.db import bloblog
from posthouse.db.blobs import OwnFile
from posthouse.db.mail import upkeep
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import (
    DELETED,
    INBOX,
    Deliver,
    Description,
    Expunge,
    FlagMode,
    Recipient,
    StoreFlags,
)
from posthouse.db.mail.upkeep import Upkeep
from posthouse.db.sqlite import connect
from posthouse.testing import crash
from posthouse.testing.disk import FaultyDisk
from posthouse.testing.world import SimulatedClock

SEGMENT = 64 * 1024


class Store:
    """One process's view of a database."""

    def __init__(self, path: Path, disk: FaultyDisk, clock: SimulatedClock) -> None:
        self.path = path
        self.folder = path.with_name(path.name + ".blobs")
        self.disk = disk
        self.clock = clock
        self.db: MailDatabase = crash.open_database(path, disk.files)
        self.upkeep: Upkeep = self.db.upkeep(clock)
        self.account = self.inbox = 0

    async def start(self) -> None:
        await self.db.prepare()
        await self.db.start()
        found = self.db.account(crash.ACCOUNT)
        self.account = found.id if found is not None else await crash.create_account(self.db)
        self.inbox = self.db.mailbox_named(self.account, INBOX).id

    async def stop(self) -> None:
        await self.upkeep.stop()
        await self.db.stop()

    async def deliver(self, *tags: str, accounts: tuple[int, ...] = ()) -> list[int]:
        """UIDs."""
        uids = []
        for tag in tags:
            octets = crash.message(tag)
            body: bytes | OwnFile = octets
            if "L" in tag:
                body = await self.db.store_large(lambda octets=octets: [octets], None, len(octets))  # type: ignore[misc]
            recipients = tuple(Recipient(account, b"", b"") for account in accounts or (self.account,))
            unit = Deliver(body, Description(len(octets), b"", b"NIL", b"NIL"), recipients, crash.NOW)
            uids.append((await self.db.run(unit))[0].uid)
        return uids

    async def expunge(self, *uids: int) -> None:
        await self.db.run(StoreFlags(self.inbox, sorted(uids), FlagMode.ADD, DELETED, ()))
        await self.db.run(Expunge(self.inbox, sorted(uids)))

    async def tidy(self) -> None:
        """Rounds until nothing is left to do; a minute passes between two."""
        idle = 0
        while idle < 2:
            idle = 0 if await self.upkeep.round() else idle + 1
            self.clock.advance(60)

    async def tags(self) -> list[str]:
        """Of all messages in the inbox, each read whole, in order of UIDs."""
        found = []
        for row in self.rows("SELECT email FROM message WHERE mailbox = ? ORDER BY uid", self.inbox):
            location, octets = await self.db.locate(self.account, row[0])
            if isinstance(location.blob, OwnFile):
                octets = await self.db.part(location.blob, 0, location.blob.length)
            tag = octets.partition(b"\r\n")[0].removeprefix(b"X-Tag: ").decode()
            assert octets == crash.message(tag)
            found.append(tag)
        return found

    def rows(self, sql: str, *bindings: Any) -> list[Any]:
        connection = connect(self.path, self.disk.files)
        try:
            return list(connection.execute(sql, bindings))
        finally:
            connection.close()

    def value(self, sql: str, *bindings: Any) -> Any:
        return self.rows(sql, *bindings)[0][0]

    def change(self, sql: str, *bindings: Any) -> None:
        """What no unit would do."""
        connection = connect(self.path, self.disk.files, busy_timeout=5)
        try:
            connection.execute(sql, bindings)
        finally:
            connection.close()

    def segment_files(self) -> list[int]:
        return sorted(int(path.stem) for path in self.folder.glob("*.seg"))

    def large_files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "large").glob("*/*"))


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks are advanced in the middle of a step."""
    monkeypatch.setattr(upkeep, "REST", 0.0)


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bloblog, "SEGMENT_MAX", SEGMENT)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
async def open_store(path: Path, disk: FaultyDisk, clock: SimulatedClock) -> AsyncIterator[Callable[[], Any]]:
    """Opens one store after the other, all on the same database, as so many processes would."""
    opened: list[Store] = []

    async def open_() -> Store:
        store = Store(path, disk, clock)
        await store.start()
        opened.append(store)
        return store

    yield open_
    for store in opened:
        await store.stop()


@pytest.fixture
async def store(open_store: Callable[[], Any]) -> Store:
    found: Store = await open_store()
    return found
