"""An open mailbox, as one IMAP session has it."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from posthouse.core.log import Logger
from posthouse.core.world import Clock, Subscription
from posthouse.db.blobs import Place
from posthouse.db.mail import reads, units
from posthouse.db.mail.ahead import UNKNOWN
from posthouse.db.mail.database import MailDatabase
from posthouse.db.readers import INLINE_ROWS
from posthouse.db.units import UNIT_ROWS_MAX, Unit
from posthouse.framework.interfaces.storage import (
    Changes,
    Column,
    Columns,
    Content,
    Copied,
    FlagChange,
    MessageRow,
    MovedInPart,
    Snapshot,
    StorageError,
    Stored,
    StoredMessage,
)
from posthouse.modules.storage.imapsql import content, search
from posthouse.modules.storage.imapsql.content import Located, Stretch
from posthouse.modules.storage.imapsql.errors import told_to_clients
from posthouse.modules.storage.imapsql.known import KnownMailboxes
from posthouse.modules.storage.imapsql.names import stored_name
from posthouse.modules.storage.imapsql.watchers import Watchers

T = TypeVar("T")

_ROW_COLUMNS = len(MessageRow._fields)


class OpenMailbox:
    """See framework.interfaces.storage.Mailbox.

    recent_stays: \\Recent that was there when the mailbox was opened is shown, but not taken (`disable_recent`).
    """

    def __init__(
        self,
        db: MailDatabase,
        known: KnownMailboxes,
        watchers: Watchers,
        log: Logger,
        clock: Clock,
        row: reads.MailboxRow,
        name: str,
        *,
        recent_stays: bool,
    ) -> None:
        self.id = row.id
        self.name = name
        self._account = row.account
        self._db = db
        self._known = known
        self._watchers = watchers
        self._log = log
        self._clock = clock
        self._sticky_below = row.uidnext if recent_stays else 0
        # As they were when something was last read or stored here.
        self._keywords: tuple[str, ...] | None = None
        self._modseq = row.modseq
        self._reader = (row.id, id(self))

    async def snapshot(self) -> Snapshot:
        with told_to_clients(self._log):
            found = await self._known.snapshot(self.id)
        self._keywords, self._modseq = found.keywords, found.modseq
        return found

    async def changes(self, since: int) -> Changes:
        with told_to_clients(self._log):
            self._modseq = UNKNOWN
            row = self._db.mailbox(self.id)
            self._modseq = row.modseq
            if row.modseq <= since and self._keywords is not None:  # after most commands
                return Changes(row.modseq, row.uidnext, [], [], [], self._keywords)
            found = await self._db.difference(self.id, since)
        self._keywords, self._modseq = found.keywords, found.modseq
        return Changes(*found[:-1])

    async def claim_recent(self, uids: Sequence[int]) -> Sequence[int]:
        with told_to_clients(self._log):
            new = bisect_left(uids, self._sticky_below)
            if new == len(uids):
                return uids
            return [*uids[:new], *await self._in_steps(partial(units.ClaimRecent, self.id), uids[new:])]

    async def rows(self, uids: Sequence[int]) -> AsyncIterator[Sequence[MessageRow]]:
        for at in range(0, len(uids), INLINE_ROWS):
            left: Sequence[int] = uids[at : at + INLINE_ROWS]
            while left:
                if left[0] != uids[0]:
                    await asyncio.sleep(0)
                with told_to_clients(self._log):
                    found, left = self._db.rows(self.id, left)
                yield list(map(MessageRow._make, found))

    def columns(
        self, uids: Sequence[int], wanted: Sequence[Column], look: Callable[[Columns], T]
    ) -> AsyncIterator[T]:
        return search.columns(self._db, self._log, self.id, uids, wanted, look)

    def messages(self, uids: Sequence[int], look: Callable[[Sequence[StoredMessage]], T]) -> AsyncIterator[T]:
        return search.messages(self._db, self._log, self.id, uids, look)

    async def modseqs(self, uids: Sequence[int], above: int = 0) -> Sequence[tuple[int, int]]:
        with told_to_clients(self._log):
            return await self._db.modseqs(self.id, uids, above)

    async def content(self, email: int) -> Content:
        return await content.load(self._db, self._log, self._account, email)

    async def whole_rows(
        self, uids: Sequence[int]
    ) -> tuple[Sequence[tuple[MessageRow, Located]], Sequence[int]]:
        left: Sequence[int] = ()
        with told_to_clients(self._log):
            if len(uids) == 1:
                found = self._db.whole_row(self._reader, self.id, uids[0], self._modseq)
            else:
                found, left = self._db.whole_rows(self.id, uids)
        return self._whole(found), left

    async def store(
        self,
        uids: Sequence[int],
        change: FlagChange,
        system: int,
        keywords: Sequence[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        mode, words = units.FlagMode[change.name], tuple(keywords)
        flags: list[tuple[int, int]] = []
        modified: list[int] = []
        since = modseq = -1
        with told_to_clients(self._log):
            at = 0
            while True:
                step = uids[at : at + UNIT_ROWS_MAX]
                done = await self._db.run(
                    units.StoreFlags(self.id, step, mode, system, words, unchanged_since)
                )
                self._keywords, self._modseq = done.keywords, done.modseq
                flags += done.flags
                modified += done.modified
                since, modseq = since if done.before == modseq else done.before, done.modseq
                at += UNIT_ROWS_MAX
                if at >= len(uids):
                    return Stored(modseq, since, flags, done.keywords, modified)

    async def copy(self, uids: Sequence[int], destination: str) -> Copied:
        with told_to_clients(self._log):
            return Copied(*await self._db.run(self._copy(uids[:], destination)))

    async def move(self, uids: Sequence[int], destination: str) -> Copied:
        done = units.Copies(0, [], [])
        try:
            with told_to_clients(self._log):
                for at in range(0, len(uids) or 1, UNIT_ROWS_MAX):
                    step = self._copy(uids[at : at + UNIT_ROWS_MAX], destination, removes=True)
                    moved = await self._db.run(step)
                    done = units.Copies(
                        moved.uidvalidity, done.sources + moved.sources, done.uids + moved.uids
                    )
        except StorageError as err:
            if not done.sources:
                raise
            raise MovedInPart(err, Copied(*done)) from err
        return Copied(*done)

    async def expunge(self, uids: Sequence[int]) -> Sequence[int]:
        with told_to_clients(self._log):
            return await self._in_steps(partial(units.Expunge, self.id), uids)

    def watch(self, changed: Callable[[], None]) -> Subscription:
        return self._watchers.watch(self.id, changed)

    def _whole(self, found: Sequence[Any]) -> list[tuple[MessageRow, Located]]:
        whole: list[tuple[MessageRow, Located]] = []
        stretch = Stretch(self._db)
        for columns in found:
            head, parts, segment, offset, length, crc, file, _ = columns[_ROW_COLUMNS:]
            if file is None:
                place = Place(segment, offset, length, crc)
                if not stretch.takes(place):
                    stretch = Stretch(self._db)
                located = Located(head, parts, stretch, stretch.add(place))
            else:
                located = Located(head, parts, None, 0)
            whole.append((MessageRow._make(columns[:_ROW_COLUMNS]), located))
        return whole

    def _copy(self, uids: Sequence[int], destination: str, *, removes: bool = False) -> units.Copy:
        return units.Copy(self.id, uids, stored_name(destination), int(self._clock.time()), removes)

    async def _in_steps(
        self, make: Callable[[Sequence[int]], Unit[list[int]]], uids: Sequence[int]
    ) -> list[int]:
        done: list[int] = []
        for at in range(0, len(uids), UNIT_ROWS_MAX):
            done += await self._db.run(make(uids[at : at + UNIT_ROWS_MAX]))
        return done
