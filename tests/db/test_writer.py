"""The writer: what waits is committed together; failures of disk, database and units reach just those whom they concern."""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from posthouse.core.log import Logger
from posthouse.db import sqlite, writer
from posthouse.db.bloblog import BlobLog
from posthouse.db.blobs import BLOBS_SCHEMA, Place
from posthouse.db.connection import COUNTERS_SCHEMA
from posthouse.db.errors import Busy, DatabaseError, DiskFull
from posthouse.db.files import Files
from posthouse.db.large import LargeBlobs
from posthouse.db.sqlite import Schema
from posthouse.db.units import Dialect, Unit, UnitError, Work
from posthouse.db.waiting import BATCH_OCTETS, BATCH_UNITS, Waiting, WaitingUnits
from posthouse.db.writer import Writer, WriterOptions
from posthouse.testing.disk import FaultyDisk, Sync

SCHEMA = Schema(
    "test", 0x7E57, (COUNTERS_SCHEMA + BLOBS_SCHEMA + "CREATE TABLE note(text TEXT UNIQUE, batch INTEGER);",)
)


@dataclass(frozen=True, slots=True)
class Note(Unit[Place | None]):
    """Write a text, which may be there once only; gives where its body went."""

    text: str
    body: bytes | None = None
    rows_said: int = 1

    @property
    def octets(self) -> bytes | None:
        return self.body

    @property
    def rows(self) -> int:
        return self.rows_said


class Taken(UnitError):
    pass


def write_note(work: Work, unit: Note, blob: Any) -> Any:
    work.execute("INSERT INTO note(text) VALUES(?)", (unit.text + " half",))
    if unit.text == "taken":
        raise Taken
    if unit.text == "mistake":
        raise TypeError("a mistake of ours")
    work.execute("INSERT INTO note(text) VALUES(?)", (unit.text,))
    work.touched.add(len(unit.text))
    return blob


DIALECT = Dialect({Note: write_note})


class Running:
    """A writer with what it said."""

    def __init__(self, path: Path, files: Files, options: WriterOptions) -> None:
        folder = path.with_name("blobs")
        self.path = path
        self.told: list[Set[int]] = []
        self.writer = Writer(
            path,
            BlobLog(folder, files, LargeBlobs(folder, files)),
            DIALECT,
            files=files,
            log=Logger(lambda line, is_debug: None),
            changed=self.told.append,
            options=options,
        )

    def notes(self) -> list[str]:
        return notes_in(self.path)


def notes_in(path: Path) -> list[str]:
    """The texts of the notes that are whole."""
    connection = apsw.Connection(str(path))
    notes = [str(text) for (text,) in connection.execute("SELECT text FROM note ORDER BY rowid")]
    connection.close()
    return [text for text in notes if not text.endswith(" half")]


@asynccontextmanager
async def running(path: Path, files: Files, **options: Any) -> AsyncIterator[Running]:
    sqlite.prepare(path, SCHEMA, files)
    running = Running(path, files, WriterOptions(**options))
    await running.writer.start()
    try:
        yield running
    finally:
        await running.writer.stop()


@pytest.fixture
async def run(path: Path, disk: FaultyDisk) -> AsyncIterator[Running]:
    async with running(path, disk.files) as run:
        yield run


@contextmanager
def lock_held(path: Path) -> Iterator[None]:
    """As another process holds it."""
    fd = os.open(path.with_name(path.name + ".lock"), os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


async def outcomes(run: Running, notes: Sequence[Note]) -> list[Any]:
    return await asyncio.gather(*(run.writer.run(note) for note in notes), return_exceptions=True)


async def test_what_waits_is_committed_together(run: Running, disk: FaultyDisk) -> None:
    await run.writer.run(Note("opens a segment", b"body"))
    before = len(disk.log)
    with lock_held(run.path):
        first = asyncio.create_task(run.writer.run(Note("first", b"body")))
        while not any(isinstance(entry, Sync) for entry in disk.log[before:]):
            await asyncio.sleep(0)  # until the first batch waits for the lock
        rest = [asyncio.create_task(run.writer.run(Note(f"{n}", b"body"))) for n in range(50)]
        await asyncio.sleep(0)
        before = len(disk.log)
    await asyncio.gather(first, *rest)
    wal_syncs = [entry for entry in disk.log[before:] if isinstance(entry, Sync) and "wal" in entry.path.name]
    assert len(wal_syncs) <= 4
    assert len(run.notes()) == 52


async def test_each_sync_of_bodies_comes_before_the_commit(run: Running, disk: FaultyDisk) -> None:
    before = len(disk.log)
    await run.writer.run(Note("text", b"body"))
    synced = [entry.path.suffix for entry in disk.log[before:] if isinstance(entry, Sync)]
    assert synced.index(".seg") < synced.index(".db-wal")


async def test_watchers_are_told_before_the_waiter_goes_on(run: Running) -> None:
    await run.writer.run(Note("12345"))
    assert run.told == [{5}]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param("taken", Taken, id="refused"),
        pytest.param("mistake", TypeError, id="mistake"),
        pytest.param("0", DatabaseError, id="constraint"),
    ],
)
async def test_a_failing_unit_leaves_nothing_and_harms_no_other(
    run: Running, text: str, kind: type[Exception]
) -> None:
    notes = [Note("0"), Note(text, b"dead body"), Note("1", b"body")]
    done = await outcomes(run, notes)
    assert [type(outcome) for outcome in done] == [type(None), kind, Place]
    assert run.notes() == ["0", "1"]
    assert dead_octets(run) == 16 + len(b"dead body")


def dead_octets(run: Running) -> int:
    connection = apsw.Connection(str(run.path), flags=apsw.SQLITE_OPEN_READONLY)
    dead = connection.execute("SELECT sum(dead) FROM segment").get
    connection.close()
    assert isinstance(dead, int)
    return dead


async def test_R_011_a_waiter_gives_up_after_a_bounded_time(path: Path, disk: FaultyDisk) -> None:
    async with running(path, disk.files, patience=0.05) as run:
        with lock_held(run.path), pytest.raises(Busy):
            await run.writer.run(Note("given up", b"body"))
        await run.writer.run(Note("later"))
        assert run.notes() == ["later"]


async def test_R_011_a_lock_on_the_database_itself_is_waited_for_a_bounded_time(
    path: Path, disk: FaultyDisk
) -> None:
    async with running(path, disk.files, busy_timeout=0.05) as run:
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy):
            await run.writer.run(Note("refused", b"body"))
        other.execute("ROLLBACK")
        other.close()
        await run.writer.run(Note("later"))
        assert run.notes() == ["later"]


async def test_too_much_that_waits_is_refused(run: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING_UNITS_MAX", 3)
    done = await outcomes(run, [Note(str(n)) for n in range(5)])
    assert [type(outcome) for outcome in done] == [type(None)] * 3 + [Busy] * 2
    monkeypatch.setattr(writer, "WAITING_OCTETS_MAX", 3)
    done = await outcomes(run, [Note("a", b"1234"), Note("b", b"5")])
    assert [type(outcome) for outcome in done] == [Place, Busy]


async def test_cancellation_waits_for_the_outcome(run: Running) -> None:
    reached: list[str] = []

    async def client() -> None:
        await run.writer.run(Note("text"))
        reached.append("after the commit")
        await asyncio.sleep(0)
        reached.append("after cancellation")

    with lock_held(run.path):
        task = asyncio.create_task(client())
        for _ in range(3):
            await asyncio.sleep(0)
            task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reached == ["after the commit"]
    assert run.notes() == ["text"]


async def test_a_timeout_around_a_unit_is_still_a_timeout(run: Running) -> None:
    async def client() -> None:
        async with asyncio.timeout(0):
            await run.writer.run(Note("text"))
            await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        await client()
    assert run.notes() == ["text"]


async def test_stopping_finishes_what_waits(path: Path, disk: FaultyDisk) -> None:
    async with running(path, disk.files) as run:
        tasks = [asyncio.create_task(run.writer.run(Note(str(n)))) for n in range(5)]
        await asyncio.sleep(0)
    assert await asyncio.gather(*tasks) == [None] * 5
    with pytest.raises(Busy):
        await run.writer.run(Note("too late"))


async def test_stopping_does_not_wait_for_ever(
    path: Path, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "STOP_PATIENCE", 0.05)
    sqlite.prepare(path, SCHEMA, disk.files)
    run = Running(path, disk.files, WriterOptions())
    await run.writer.start()
    with lock_held(path):
        task = asyncio.create_task(run.writer.run(Note("stuck")))
        await asyncio.sleep(0)
        await run.writer.stop()
        with pytest.raises(Busy):
            await task
    assert run.writer._thread is not None
    run.writer._thread.join()
    assert run.notes() == []


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("suffix", [".seg", ".db-wal"])
async def test_R_007_a_broken_disk_refuses_and_leaves_nothing(
    run: Running, disk: FaultyDisk, call: str, suffix: str
) -> None:
    await run.writer.run(Note("before", b"body"))

    def broken(done: str, path: Path) -> None:
        if done == call and path.suffix == suffix:
            raise OSError(errno.EIO, "broken")

    disk.fault = broken
    done = await outcomes(run, [Note("a", b"body"), Note("b", b"body")])
    assert [type(outcome) for outcome in done] == [DatabaseError] * 2
    done = await outcomes(run, [Note("c", b"body")])
    assert [type(outcome) for outcome in done] == [DatabaseError]
    disk.fault = lambda done, path: None
    place = await run.writer.run(Note("after", b"body"))
    assert place is not None
    assert run.notes() == ["before", "after"]


async def test_R_007_a_refused_commit_is_written_over_before_anything_else_is_taken(
    run: Running, disk: FaultyDisk, tmp_path: Path
) -> None:
    """Else a crash could bring it back: its frames are whole in the log."""
    await run.writer.run(Note("begins the log"))

    def broken(done: str, path: Path) -> None:
        if done == "sync" and path.suffix == ".db-wal":
            raise OSError(errno.EIO, "broken")

    disk.fault = broken
    assert [type(outcome) for outcome in await outcomes(run, [Note("refused")])] == [DatabaseError]
    disk.fault = lambda done, path: None
    assert "refused" in notes_after_crash(run, tmp_path / "now")
    await run.writer.run(Note("after"))
    assert notes_after_crash(run, tmp_path / "later") == ["begins the log", "after"]


def notes_after_crash(run: Running, folder: Path) -> list[str]:
    """What recovery finds in a copy of the files as they are now."""
    folder.mkdir()
    for name in (run.path.name, run.path.name + "-wal"):
        shutil.copy(run.path.with_name(name), folder / name)
    return notes_in(folder / run.path.name)


@pytest.mark.parametrize("suffix", [".seg", ".db-wal"])
async def test_R_008_a_full_disk_refuses_and_works_again_at_once(
    run: Running, disk: FaultyDisk, suffix: str
) -> None:
    def full(done: str, path: Path) -> None:
        if done == "write" and path.suffix == suffix:
            raise OSError(errno.ENOSPC, "full")

    disk.fault = full
    done = await outcomes(run, [Note("a", b"body"), Note("b", b"body")])
    assert [type(outcome) for outcome in done] == [DiskFull] * 2
    disk.fault = lambda done, path: None
    await run.writer.run(Note("after", b"body"))
    assert run.notes() == ["after"]


def waiting(*units: Note) -> WaitingUnits:
    queue = WaitingUnits()
    for unit in units:
        queue.add(Waiting(unit, asyncio.get_running_loop().create_future(), 0.0))
    return queue


async def batches(queue: WaitingUnits) -> list[list[str]]:
    taken = []
    while queue:
        taken.append([job.unit.text for job in queue.batch()])  # type: ignore[attr-defined]  # all are notes
    return taken


async def test_a_batch_is_bounded_in_units() -> None:
    taken = await batches(waiting(*(Note(str(n)) for n in range(BATCH_UNITS + 1))))
    assert [len(batch) for batch in taken] == [BATCH_UNITS, 1]


async def test_a_batch_is_bounded_in_octets_but_takes_one_unit_at_least() -> None:
    half, whole = b"x" * (BATCH_OCTETS // 2), b"x" * (BATCH_OCTETS + 1)
    notes = [Note("a", half), Note("b", half), Note("c", half), Note("d", whole), Note("e")]
    assert await batches(waiting(*notes)) == [["a", "b"], ["c"], ["d"], ["e"]]


async def test_deliveries_do_not_wait_for_bulk_work_nor_keep_it_off() -> None:
    bulk = [Note(f"bulk{n}", rows_said=5_001) for n in range(3)]
    deliveries = [Note(str(n)) for n in range(BATCH_UNITS + 1)]
    taken = await batches(waiting(*bulk, *deliveries))
    assert [(len(batch), batch[-1]) for batch in taken] == [
        (BATCH_UNITS + 1, "bulk0"),
        (2, "bulk1"),
        (1, "bulk2"),
    ]


async def test_the_log_of_the_database_stays_short(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.db.checkpoint.THREAD_PAGES", 20)
    monkeypatch.setattr("posthouse.db.checkpoint.WRITER_PAGES", 80)
    async with running(path, Files()) as run:
        for n in range(200):
            await run.writer.run(Note(f"{n} {'x' * 4000}"))
        written = path.stat().st_size
        assert path.with_name(path.name + "-wal").stat().st_size < written / 4


async def test_a_watcher_that_fails_keeps_nobody_from_an_answer(run: Running) -> None:
    def fails(mailboxes: Set[int]) -> None:
        raise ValueError("a mistake")

    run.writer._changed = fails
    await run.writer.run(Note("text"))
    assert run.notes() == ["text"]


async def test_bodies_are_let_go_when_they_are_answered(run: Running) -> None:
    await outcomes(run, [Note(str(n), b"body") for n in range(10)])
    assert (len(run.writer._given), run.writer._units, run.writer._octets) == (0, 0, 0)


async def test_a_long_log_is_cut_off_when_nothing_is_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.db.checkpoint.IDLE", 0.01)
    monkeypatch.setattr("posthouse.db.checkpoint.LONG_LOG", 0)
    async with running(path, Files()) as run:
        await run.writer.run(Note("text"))
        wal = path.with_name(path.name + "-wal")
        async with asyncio.timeout(10):
            while wal.stat().st_size:
                await asyncio.sleep(0)
        await run.writer.run(Note("more"))
        assert run.notes() == ["text", "more"]
