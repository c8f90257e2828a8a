"""A mail database as the storage module uses it: units of work go in, reads come out, octets of messages too."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import apsw

from posthouse.core.log import Logger
from posthouse.core.world import Clock
from posthouse.db import sqlite
from posthouse.db.bloblog import BlobLog
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, OwnFile, Place, large_path
from posthouse.db.doomed import remove_doomed
from posthouse.db.errors import Busy, DatabaseError, DiskFull
from posthouse.db.files import Files
from posthouse.db.large import LargeBlobs
from posthouse.db.mail import reads, scan
from posthouse.db.mail.ahead import RowsAhead
from posthouse.db.mail.check import check
from posthouse.db.mail.executors import SQLITE
from posthouse.db.mail.findings import Finding
from posthouse.db.mail.schema import MAIL_SCHEMA
from posthouse.db.mail.units import NoSuchEmail, PurgeRemoved
from posthouse.db.mail.upkeep import Upkeep
from posthouse.db.readers import INLINE_ROWS, Readers
from posthouse.db.units import Unit
from posthouse.db.writer import Writer, WriterOptions

INLINE_OCTETS: Final = 65_536  # of a body, read and checked on the event loop if the system has it in memory
SCANS: Final = 1  # long reads at a time: they compute, and the event loop needs its turn
LOOKUPS: Final = 3  # times that a body is looked for: its segment may be given up while we read

R = TypeVar("R")
T = TypeVar("T")


class MailDatabase:
    """One mail database in one process, for one event loop.

    changed: called on the loop with ids of mailboxes, after a commit and before its waiters go on.
    """

    def __init__(
        self,
        path: Path,
        *,
        log: Logger,
        changed: Callable[[Set[int]], None],
        options: WriterOptions,
        files: Files | None = None,
    ) -> None:
        self.path = path
        self._log = log
        self._files = files or Files()
        self._folder = folder = path.with_name(path.name + ".blobs")
        self._readers = Readers(path, self._files)
        self._blobs = BlobReader(folder, self._files)
        self._large = LargeBlobs(folder, self._files)
        self._ahead = RowsAhead()
        self._storing: set[asyncio.Future[OwnFile]] = set()
        self._scans = asyncio.Semaphore(SCANS)
        self._writer = Writer(
            path,
            BlobLog(folder, self._files, self._large),
            SQLITE,
            files=self._files,
            log=log,
            changed=changed,
            options=options,
        )

    async def prepare(self) -> None:
        """Make the database, or bring it to this version. Raises DatabaseError, OSError."""
        await asyncio.to_thread(sqlite.prepare, self.path, MAIL_SCHEMA, self._files)

    async def start(self) -> None:
        """Open it, and recover what a crash left. Raises DatabaseError."""
        await asyncio.to_thread(sqlite.check, self.path, MAIL_SCHEMA, self._files)
        await self._writer.start()
        self._readers.open()
        if self._readers.now(reads.has_removed):  # a crash came between
            await self.purge_removed()

    def start_reading(self) -> None:
        """Instead of `start`, to find accounts: nothing is written. Raises FileNotFoundError, DatabaseError."""
        self._readers.open_to_read(MAIL_SCHEMA)

    async def stop(self) -> None:
        """Finish what waits and close."""
        await self._writer.stop()
        while self._storing:
            await asyncio.wait(self._storing)
        await self._readers.aclose()
        self._large.close()
        self._blobs.close()

    async def run(self, unit: Unit[R]) -> R:
        """Do a unit of work: see Writer.run."""
        octets = unit.octets
        if not isinstance(octets, OwnFile):
            return await self._writer.run(unit)
        settle = self._large.forget
        try:
            result = await self._writer.run(unit)
            settle = self._large.keep
        except (Busy, DiskFull):
            raise
        except DatabaseError:
            settle = self._large.leave
            raise
        finally:
            self._readers.call_soon(partial(settle, octets.name))
        return result

    async def purge_removed(self) -> None:
        """Remove what accounts and mailboxes had that were removed."""
        while await self._writer.run(PurgeRemoved()):
            pass

    def upkeep(self, clock: Clock) -> Upkeep:
        """What keeps an open database tidy; to be stopped before it."""
        return Upkeep(
            self._writer.run,
            self._readers,
            self._blobs,
            folder=self._folder,
            files=self._files,
            clock=clock,
            log=self._log.child("upkeep"),
        )

    def check(self) -> Iterator[Finding]:
        """All that is wrong, whether the database is open here or not: see db/mail/check.py. Blocks, for long."""
        return check(self.path, self._files)

    async def repair(self, clock: Clock) -> AsyncIterator[Finding]:
        """Check an open database; each finding that has a unit is repaired when it comes. Raises DatabaseError, OSError."""
        findings = self.check()
        while (finding := await self._readers.call(partial(next, findings, None))) is not None:
            while finding.unit is not None and await self._writer.run(finding.unit):
                pass
            yield finding
        now = int(clock.time())
        await remove_doomed(self._readers, self._writer.run, self._folder, self._files, now)

    # Reads; each may raise DatabaseError.

    def account(self, name: str) -> reads.AccountRow | None:
        return self._readers.now(lambda db: reads.account(db, name))

    async def account_names(self) -> list[str]:
        """In alphabetical order."""
        return await self._readers.in_thread(reads.account_names)

    async def mailboxes(self, account: int) -> list[reads.MailboxName]:
        """In order of creation."""
        return await self._read(lambda db, limit: reads.mailboxes(db, account, limit))

    async def subscriptions(self, account: int) -> list[str]:
        """Names, in alphabetical order; not each is a mailbox."""
        return await self._read(lambda db, limit: reads.subscriptions(db, account, limit))

    def mailbox_named(self, account: int, name: str) -> reads.MailboxRow:
        """Raises NoSuchMailbox."""
        return self._readers.now(lambda db: reads.mailbox_named(db, account, name))

    def mailbox(self, number: int) -> reads.MailboxRow:
        """By its id. Raises NoSuchMailbox."""
        return self._readers.now(lambda db: reads.mailbox(db, number))

    async def contents(self, mailbox: int) -> reads.Contents:
        """A mailbox at one moment. Raises NoSuchMailbox."""
        return await self._read(lambda db, limit: reads.contents(db, mailbox, limit))

    def news(self, mailbox: int, since: int) -> reads.Difference | None:
        """What `difference` gives, if it is little; else None. Raises NoSuchMailbox."""
        try:
            return self._readers.now(lambda db: reads.difference(db, mailbox, since, INLINE_ROWS))
        except reads.TooLong:
            return None

    async def difference(self, mailbox: int, since: int) -> reads.Difference:
        """What happened in a mailbox after a modseq. Raises NoSuchMailbox."""
        return await self._read(lambda db, limit: reads.difference(db, mailbox, since, limit))

    def rows(self, mailbox: int, uids: Sequence[int]) -> reads.Found:
        """What `reads.rows` gives of at most INLINE_ROWS messages. Raises NoSuchMailbox."""
        return self._readers.now(lambda db: reads.rows(db, mailbox, uids))

    def whole_rows(self, mailbox: int, uids: Sequence[int]) -> reads.Found:
        """What `reads.whole_rows` gives of at most INLINE_ROWS messages. Raises NoSuchMailbox."""
        return self._readers.now(lambda db: reads.whole_rows(db, mailbox, uids))

    def whole_row(self, reader: Hashable, mailbox: int, uid: int, modseq: int) -> list[Any]:
        """The same of one message, with changes up to `modseq`; see `RowsAhead.row`. Raises NoSuchMailbox."""
        return self._ahead.row(reader, uid, modseq, lambda uids: self.whole_rows(mailbox, uids).rows)

    async def show_columns(
        self, mailbox: int, uids: Sequence[int], names: Sequence[str], look: Callable[[list[Any]], T]
    ) -> T:
        """What `look` gives for `scan.columns` of messages. Raises NoSuchMailbox."""
        return await self._scan(lambda db: look(scan.columns(db, mailbox, uids, names)))

    async def show_messages(
        self, mailbox: int, uids: Sequence[int], look: Callable[[list[scan.Found]], T]
    ) -> tuple[T, int]:
        """What `look` gives for the first messages, and how many of the UIDs are done with them. Raises NoSuchMailbox."""

        def read(connection: apsw.Connection) -> tuple[T, int]:
            found, done = scan.messages(connection, self._blobs, mailbox, uids)
            return look(found), done

        return await self._scan(read)

    async def modseqs(self, mailbox: int, uids: Sequence[int], above: int) -> list[tuple[int, int]]:
        """(uid, modseq) of those of these messages whose modseq is higher. Raises NoSuchMailbox."""
        return await self._read(lambda db, limit: reads.modseqs(db, mailbox, uids, above, limit))

    # Octets.

    async def store_large(
        self, chunks: Callable[[], Iterable[bytes]], finished: Path | None, size: int
    ) -> OwnFile:
        """Store a large body, synced, for a unit to come (or `forget_large`).

        finished: a file that holds just these octets and is never changed, to be shared with it. Raises DatabaseError.
        Nothing is left behind when it is cancelled.
        """
        storing = asyncio.ensure_future(
            self._readers.call(partial(self._store_large, chunks, finished, size))
        )
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        try:
            return await asyncio.shield(storing)
        except asyncio.CancelledError:
            storing.add_done_callback(self._forget_stored)
            raise

    def forget_large(self, own: OwnFile) -> None:
        """No unit will be run with this file."""
        self._readers.call_soon(partial(self._large.forget, own.name))

    async def call(self, function: Callable[[], T]) -> T:
        """Call what blocks in one of the database's threads. Raises DatabaseError for what OSError it raises."""
        return await self._readers.call(function)

    async def locate(self, account: int, email: int) -> tuple[reads.Location, bytes]:
        """Where an email of the account is, with the octets of its blob unless that is a large file.

        Raises NoSuchEmail once it was removed, Damaged if the octets are not those that were stored; DatabaseError.
        """
        for _ in range(LOOKUPS):
            found = self._readers.now(lambda db: reads.location(db, account, email))
            if found is None:
                raise NoSuchEmail
            if isinstance(found.blob, OwnFile):
                return found, b""
            with contextlib.suppress(FileNotFoundError):
                return found, await self._body(found.blob)
        raise Damaged(f"email {email} of account {account} has no body")

    def bodies_at_hand(self, places: Sequence[Place]) -> list[bytes] | None:
        """What is in records side by side, if it is soon read; None also for any trouble, of which `locate` will tell."""
        if sum([place.length for place in places]) > INLINE_OCTETS:
            return None
        try:
            return self._blobs.bodies_now(places)
        except (FileNotFoundError, Damaged):
            return None

    async def part(self, own: OwnFile, offset: int, length: int) -> bytes:
        """At most `length` octets of a large file. Raises Damaged, DatabaseError."""
        try:
            return await self._readers.call(partial(self._blobs.part, own, offset, length))
        except FileNotFoundError as err:
            raise Damaged(f"large file {own.name} is missing") from err

    def part_here(self, own: OwnFile, offset: int, length: int) -> bytes:
        """The same in this thread, which it blocks. Raises Damaged, OSError."""
        return self._blobs.part(own, offset, length)

    def large_file(self, own: OwnFile) -> Path:
        """Where a large file is."""
        return large_path(self._folder, own.name)

    async def _scan(self, read: Callable[[apsw.Connection], T]) -> T:
        """A piece of a long read, in a thread. Few run at a time, and those that wait take turns."""
        async with self._scans:
            return await self._readers.in_thread(read)

    async def _read(self, read: Callable[[apsw.Connection, int | None], T]) -> T:
        """On the event loop; in a thread if it finds that it is long."""
        try:
            return self._readers.now(lambda db: read(db, INLINE_ROWS))
        except reads.TooLong:
            return await self._readers.in_thread(lambda db: read(db, None))

    async def _body(self, place: Place) -> bytes:
        """Raises FileNotFoundError, Damaged, DatabaseError."""
        bodies = self._blobs.bodies_now([place]) if place.length <= INLINE_OCTETS else None
        return bodies[0] if bodies else await self._readers.call(partial(self._blobs.body, place))

    def _forget_stored(self, storing: "asyncio.Future[OwnFile]") -> None:
        if not storing.cancelled() and storing.exception() is None:
            self.forget_large(storing.result())

    def _store_large(
        self, chunks: Callable[[], Iterable[bytes]], finished: Path | None, size: int
    ) -> OwnFile:
        own = self._large.adopt(finished, size) if finished is not None else None
        return own or self._large.write(chunks())
