"""Upkeep of a mail database: collection, pruning of the journal, and compaction, by the process that holds the lease.

Each process looks once a minute; the one that finds something to do and gets the lease does it, in short steps with
rests in between, so that deliveries hardly notice.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from posthouse.core.log import Logger
from posthouse.core.world import Clock
from posthouse.db import compact, doomed, lease
from posthouse.db.blobread import BlobReader
from posthouse.db.compact import Compactor
from posthouse.db.errors import DatabaseError
from posthouse.db.files import Files
from posthouse.db.lease import COMPACTION, ReleaseLease, TakeLease
from posthouse.db.mail import reads
from posthouse.db.mail.collect import Collect, ForgetAccount, PruneJournal, account_states
from posthouse.db.mail.units import PurgeRemoved
from posthouse.db.readers import Readers
from posthouse.db.units import Unit

INTERVAL: Final = 60.0  # seconds between looks; what was removed stays readable for one of them at least
REST: Final = 3.0  # times as long as a step took; so at most a quarter of the writer's time is ours
REST_MAX: Final = 1.0  # seconds

R = TypeVar("R")


class LeaseLost(Exception):
    """Another process has taken over."""


@dataclass(slots=True)
class _Todo:
    """What a look found. collect: (account, modseq up to which); heads: newest modseq of accounts with removals."""

    collect: list[tuple[int, int]] = field(default_factory=list)
    prune: list[int] = field(default_factory=list)
    forget: list[int] = field(default_factory=list)
    heads: dict[int, int] = field(default_factory=dict)
    has_removed: bool = False
    has_files: bool = False
    segments: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(
            self.collect or self.prune or self.forget or self.has_removed or self.has_files or self.segments
        )


class Upkeep:
    """The upkeep of one database in one process. `round` is one look; `start` makes one each minute."""

    def __init__(
        self,
        run: Callable[[Unit[Any]], Awaitable[Any]],
        readers: Readers,
        blobs: BlobReader,
        *,
        folder: Path,
        files: Files,
        clock: Clock,
        log: Logger,
    ) -> None:
        self._run_unit = run
        self._readers = readers
        self._blobs = blobs
        self._folder = folder
        self._files = files
        self._clock = clock
        self._log = log
        self._compactor = Compactor(readers, blobs, clock.time)
        self._owner = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._renewed: float | None = None  # when we took the lease, on the monotonic clock
        self._seen: dict[int, int] = {}  # newest modseqs at the last look, of accounts with removals
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._main())

    async def stop(self) -> None:
        """End after the step that runs now, and let another process go on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._renewed is not None:
            self._renewed = None
            with contextlib.suppress(DatabaseError):
                await self._run_unit(ReleaseLease(COMPACTION, self._owner))

    async def round(self) -> bool:
        """Look, and do what there is to do; gives whether this process had anything to do.

        What was removed since the last look is left alone: sessions may still read it. Raises DatabaseError.
        """
        todo = await self._look()
        self._seen = todo.heads
        self._readers.call_soon(self._blobs.close_unlinked)
        if not todo or not await self._take():
            return False
        with contextlib.suppress(LeaseLost):
            await self._collect(todo)
            await self._compact()
            await self._unlink()
        return True

    async def _main(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.round()
            except DatabaseError as err:
                self._log.error("upkeep failed", err)
            except Exception as err:  # noqa: BLE001 - the top of the task; mail goes on without it
                self._log.error("upkeep failed", err)

    async def _look(self) -> _Todo:
        now = int(self._clock.time())
        todo = await self._readers.in_thread(partial(self._look_around, now=now))
        after = 0
        while rows := await self._readers.in_thread(partial(account_states, after=after)):
            after = rows[-1].id
            for row in rows:
                if row.uncollected is not None:
                    todo.heads[row.id] = row.modseq
                    upto = self._seen.get(row.id, 0)
                    if row.uncollected <= upto:
                        todo.collect.append((row.id, upto))
                elif row.removed and not todo.has_removed:
                    todo.forget.append(row.id)
                if row.is_long and (row.uncollected is None or row.uncollected > row.journal_floor + 1):
                    todo.prune.append(row.id)
        return todo

    def _look_around(self, connection: apsw.Connection, now: int) -> _Todo:
        return _Todo(
            has_removed=reads.has_removed(connection),
            has_files=bool(doomed.doomed(connection, now)),
            segments=self._segments(connection, now),
        )

    def _segments(self, connection: apsw.Connection, now: int) -> list[int]:
        """Those that should be compacted, and can be."""
        if lease.is_held(connection, lease.BACKUP, now):
            return []
        return [number for number in compact.candidates(connection) if number not in self._compactor.stuck]

    async def _collect(self, todo: _Todo) -> None:
        if todo.has_removed:
            while await self._step(PurgeRemoved()):
                pass
        for account, upto in todo.collect:
            while (await self._step(Collect(account, upto))).more:
                pass
        for account in todo.prune:
            while await self._step(PruneJournal(account)):
                pass
        for account in todo.forget:
            while await self._step(ForgetAccount(account)):
                pass

    async def _compact(self) -> None:
        now = int(self._clock.time())
        for segment in await self._readers.in_thread(partial(self._segments, now=now)):
            is_gone = await self._compactor.compact(segment, self._step)
            if segment in self._compactor.stuck:
                self._log.info(
                    "a segment has damaged bodies, and stays: see `posthouse check`", segment=segment
                )
            self._log.debug("compacted", segment=segment, gone=is_gone)
            await self._unlink()

    async def _unlink(self) -> None:
        now = int(self._clock.time())
        await doomed.remove_doomed(self._readers, self._step, self._folder, self._files, now)

    async def _step(self, unit: Unit[R]) -> R:
        """One unit, and a rest that leaves most of the writer's time to others. Raises LeaseLost, DatabaseError."""
        if not await self._take():
            raise LeaseLost
        begun = self._clock.monotonic()
        result: R = await self._run_unit(unit)
        await asyncio.sleep(min((self._clock.monotonic() - begun) * REST, REST_MAX))
        return result

    async def _take(self) -> bool:
        """Take the lease, or renew it if it is time; gives whether we have it."""
        now = self._clock.monotonic()
        if self._renewed is not None and now - self._renewed < lease.RENEWAL:
            return True
        has_it = await self._run_unit(TakeLease(COMPACTION, self._owner, int(self._clock.time())))
        self._renewed = now if has_it else None
        return bool(has_it)
