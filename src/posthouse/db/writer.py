"""The writer: one thread a database and process, that takes all units which wait and commits them together.

No timer: a batch is what came in while the last one was committed. Units of many rows wait behind the others.
"""

import asyncio
import contextlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from posthouse.core import spans
from posthouse.core.log import Logger
from posthouse.db.batch import Committer, Job
from posthouse.db.bloblog import BlobLog
from posthouse.db.checkpoint import Checkpointer
from posthouse.db.connection import WriteConnection
from posthouse.db.errors import Busy, DatabaseError, translated
from posthouse.db.files import Files
from posthouse.db.sqlite import BUSY_TIMEOUT, WRITER_CACHE
from posthouse.db.units import Dialect, Unit
from posthouse.db.waiting import Waiting, WaitingUnits

WAITING_UNITS_MAX: Final = 10_000
WAITING_OCTETS_MAX: Final = 256 * 1024 * 1024
PATIENCE: Final = 60.0  # seconds that a unit waits before it is begun
STOP_PATIENCE: Final = 5.0  # seconds for the units that wait when the writer is stopped
_SWEEP: Final = 1.0  # seconds between looks for those who have waited too long

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WriterOptions:
    cache: int = WRITER_CACHE  # pages, or KiB when negative
    busy_timeout: float = BUSY_TIMEOUT  # seconds
    patience: float = PATIENCE  # seconds


class Writer:
    """Runs units of work for the tasks of one event loop.

    changed: called on the loop with the mailboxes that a batch changed, before any waiter of the batch goes on.
    """

    def __init__(
        self,
        path: Path,
        blobs: BlobLog,
        dialect: Dialect,
        *,
        files: Files,
        log: Logger,
        changed: Callable[[Set[int]], None],
        options: WriterOptions,
    ) -> None:
        self._path = path
        self._files = files
        self._dialect = dialect
        self._log = log
        self._changed = changed
        self._options = options
        self._blobs = blobs
        self._checkpointer = Checkpointer(path, files, log)
        self._inbox: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._waiting = WaitingUnits()  # the thread's
        self._stopped = False  # the thread's: nothing more comes in
        self._mutex = threading.Lock()
        self._given: deque[Waiting] = deque()  # oldest first, until seen done
        self._units = self._octets = 0  # not answered yet
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    async def start(self) -> None:
        """Open the database for writing and recover the blob log. Raises DatabaseError."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        ready: asyncio.Future[None] = self._loop.create_future()
        thread = threading.Thread(target=self._main, args=(ready,), name="writer", daemon=True)
        thread.start()
        await ready
        self._thread = thread

    async def run(self, unit: Unit[R]) -> R:
        """Do a unit; when this returns it is on the disk.

        Raises what the unit raises, and DatabaseError: Busy after having waited too long. Cancellation has no effect
        until the outcome is known; it comes to the task at its next `await`.
        """
        if self._closing or self._thread is None:
            raise Busy("the database is closed")
        if self._units >= WAITING_UNITS_MAX or self._octets >= WAITING_OCTETS_MAX:
            raise Busy(f"{self._units} changes with {self._octets} octets wait already")
        job = Waiting(unit, self._loop.create_future(), self._loop.time())
        self._units += 1
        self._octets += job.size
        self._given.append(job)
        if self._timer is None:
            self._timer = self._loop.call_later(self._sweep_interval, self._sweep)
        self._inbox.put(job)
        return cast("R", await self._outcome(job))

    async def stop(self) -> None:
        """Finish what waits, for a few seconds at most, and close. Nothing may be given in any more."""
        if self._thread is None or self._closing:
            return
        self._closing = True
        self._inbox.put(None)
        await asyncio.wait([self._ended], timeout=STOP_PATIENCE)
        if self._timer is not None:
            self._timer.cancel()
        if self._ended.done():
            self._thread.join()
        else:  # somebody sits on the lock: those who wait hear it, and the thread ends with the process
            self._give_up(self._given)

    async def _outcome(self, job: Waiting) -> Any:
        """Wait for the end of a job, whatever happens to the waiting task meanwhile."""
        interrupted = 0
        while not job.answered:
            try:
                await job.woken
            except asyncio.CancelledError:
                interrupted += 1
                if not job.answered:
                    job.woken = self._loop.create_future()
        if interrupted:
            _cancel_later(interrupted)
        if job.error is not None:
            raise job.error
        return job.result

    # On the loop: answers, and those who have waited too long.

    def _answer(self, jobs: Sequence[Waiting], touched: Set[int]) -> None:
        try:
            if touched:
                self._changed(touched)
        except Exception as err:  # noqa: BLE001 - whoever watches, those who wait must be answered
            self._log.error("watchers were not told of changes", err)
        for job in jobs:
            self._units -= 1
            self._octets -= job.size
            job.answer()
        while self._given and self._given[0].answered:  # they hold bodies
            self._given.popleft()

    @property
    def _sweep_interval(self) -> float:
        return min(_SWEEP, self._options.patience)

    def _sweep(self) -> None:
        latest = self._loop.time() - self._options.patience
        late: list[Waiting] = []
        while self._given and self._given[0].since <= latest:
            late.append(self._given.popleft())
        self._give_up(late)
        self._timer = self._loop.call_later(self._sweep_interval, self._sweep) if self._given else None

    def _give_up(self, jobs: Iterable[Waiting]) -> None:
        """Those that have not begun never will; once begun, a waiter must hear the outcome, else there are duplicates."""
        for job in jobs:
            with self._mutex:
                job.given_up = not job.running
            if job.given_up and not job.answered:
                waited = self._loop.time() - job.since
                job.error = Busy(f"the database was not to be had for {waited:.0f} s")
                job.answer()

    # In the thread.

    def _main(self, ready: "asyncio.Future[None]") -> None:
        try:
            db = self._open()
        except BaseException as err:  # noqa: BLE001 - whoever starts us hears it
            self._call(_settle, ready, translated(err))
            return
        self._call(_settle, ready, None)
        try:
            committer = Committer(db, self._blobs, self._dialect)
            track = spans.Track(f"writer {self._path.name}", database=str(self._path))
            while batch := self._take():
                with track.span("sql/Batch", units=len(batch)):
                    touched = committer.run([job for job in batch if not job.given_up], self._begin)
                self._call(self._answer, batch, touched)
                self._checkpointer.help(db.sql)
        finally:
            self._checkpointer.stop()
            self._blobs.close()
            db.close()
            self._call(_settle, self._ended, None)

    def _open(self) -> WriteConnection:
        options = self._options
        db = WriteConnection(self._path, self._files, cache=options.cache, busy_timeout=options.busy_timeout)
        try:
            self._blobs.recover(db)
            self._checkpointer.start(db.sql)
        except BaseException:
            self._blobs.close()
            db.close()
            raise
        for path in self._blobs.missing:
            self._log.info("a segment of the blob log is missing: its messages are damaged", path=str(path))
        return db

    def _take(self) -> list[Waiting]:
        """Wait for units; none at the end."""
        while not self._stopped and (not self._waiting or not self._inbox.empty()):
            job = self._inbox.get()
            if job is None:
                self._stopped = True
            else:
                self._waiting.add(job)
        return self._waiting.batch()

    def _begin(self, jobs: Sequence[Job]) -> Sequence[Job]:
        with self._mutex:
            wanted = [job for job in cast("Sequence[Waiting]", jobs) if not job.given_up]
            for job in wanted:
                job.running = True
        return wanted

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody is there to hear
            self._loop.call_soon_threadsafe(function, *args)


def _cancel_later(times: int) -> None:
    """Let the running task meet its cancellation at its next `await`, as if it had only come now."""
    task = asyncio.current_task()
    assert task is not None
    for _ in range(times):
        task.uncancel()
        task.cancel()


def _settle(future: "asyncio.Future[None]", error: DatabaseError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
