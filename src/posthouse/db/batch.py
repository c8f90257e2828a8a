"""One batch: bodies to the blob log, then all units in one transaction, a savepoint each (storage.md §9, rules 1 to 5)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import apsw

from posthouse.db.bloblog import BlobLog
from posthouse.db.blobs import Blob, Body, OwnFile, Place, checked
from posthouse.db.connection import WriteConnection
from posthouse.db.errors import translated
from posthouse.db.units import Dialect, Unit, Work

# Failures of one unit's statements that say nothing about the rest of the transaction.
_OF_ONE_UNIT = (
    apsw.ConstraintError,
    apsw.CorruptError,  # of a page that only this unit met: others are served on
    apsw.SQLError,
    apsw.TooBigError,
    apsw.MismatchError,
    apsw.RangeError,
)


class Job:
    """A unit on its way: either `error` is set in the end, or `result` holds.

    bodies: its octets for the log. Their checksums are made here and not by the writer: zlib gives the interpreter away
    meanwhile, and the writer would have to wait until it comes back.
    """

    __slots__ = ("blob", "bodies", "error", "result", "unit")

    def __init__(self, unit: Unit[Any]) -> None:
        self.unit = unit
        self.bodies = _bodies(unit.octets)
        self.blob: Blob | tuple[Place, ...] | None = unit.octets if isinstance(unit.octets, OwnFile) else None
        self.result: Any = None
        self.error: BaseException | None = None


class Committer:
    """Runs batches on SQLite. Used by one thread."""

    def __init__(self, db: WriteConnection, log: BlobLog, dialect: Dialect) -> None:
        self._db = db
        self._log = log
        self._dialect = dialect

    def run(self, jobs: Sequence[Job], begin: Callable[[Sequence[Job]], Sequence[Job]]) -> set[int]:
        """Do the units of these jobs; when this returns each has its outcome. Gives the mailboxes that changed.

        begin: called when the write lock is ours; gives those whose waiters are still there. The others are left alone.
        """
        try:
            self._db.settle()
            jobs = self._append(jobs)
            return self._commit(jobs, begin) if jobs else set()
        except Exception as err:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            _fail(jobs, err)
            return set()

    def _append(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Store the bodies; gives the jobs that can go on."""
        with_body = [job for job in jobs if job.bodies]
        if not with_body:
            return jobs
        try:
            places = iter(self._log.append(self._db, [body for job in with_body for body in job.bodies]))
        except (apsw.Error, OSError) as err:
            _fail(with_body, err)
            return [job for job in jobs if job.error is None]
        for job in with_body:
            own = tuple(islice(places, len(job.bodies)))
            job.blob = own if isinstance(job.unit.octets, tuple) else own[0]
        return jobs

    def _commit(self, jobs: Sequence[Job], begin: Callable[[Sequence[Job]], Sequence[Job]]) -> set[int]:
        work = Work(self._db.sql)
        wanted: Sequence[Job] = ()
        try:
            with self._db.lock.held():
                wanted = begin(jobs)
                if len(wanted) < len(jobs):
                    self._waste(set(jobs).difference(wanted))
                if not wanted:
                    return set()
                with self._db.begun():
                    self._run(wanted, work)
                    self._log.record(self._db)
        except BaseException:
            self._waste(job for job in wanted if job.error is None)
            raise
        self._log.committed()
        return work.touched

    def _run(self, jobs: Sequence[Job], work: Work) -> None:
        """The units, in their order but that some are run together. Raises what the whole transaction cannot survive."""
        together: dict[type[Unit[Any]], list[Job]] = {kind: [] for kind in self._dialect.many}
        for job in jobs:
            many = together.get(type(job.unit))
            if many is None:
                self._one(job, work)
            else:
                many.append(job)
        for group in together.values():
            if group and not self._many(group, work):
                for job in group:
                    self._one(job, work)

    def _many(self, jobs: Sequence[Job], work: Work) -> bool:
        """Units in one savepoint; False if one of them cannot be done: nothing is done then."""
        units = [job.unit for job in jobs]
        work.execute("SAVEPOINT unit")
        try:
            results = self._dialect.many[type(units[0])](work, units, [job.blob for job in jobs])
        except Exception as err:
            if _spoils_the_rest(err):
                raise
            work.execute("ROLLBACK TO unit")
            work.execute("RELEASE unit")
            return False
        work.execute("RELEASE unit")
        for job, result in zip(jobs, results, strict=True):
            job.result = result
        return True

    def _one(self, job: Job, work: Work) -> None:
        """One unit in its savepoint."""
        kind = type(job.unit)
        work.execute("SAVEPOINT unit")
        try:
            many = self._dialect.many.get(kind)
            if many is not None:
                (job.result,) = many(work, [job.unit], [job.blob])
            else:
                job.result = self._dialect.one[kind](work, job.unit, job.blob)
        except Exception as err:
            if _spoils_the_rest(err):
                raise
            work.execute("ROLLBACK TO unit")
            job.error = translated(err) if isinstance(err, apsw.Error) else err
            self._waste([job])
        work.execute("RELEASE unit")

    def _waste(self, jobs: Iterable[Job]) -> None:
        self._log.waste(list(_places(jobs)))


def _bodies(octets: bytes | tuple[bytes, ...] | OwnFile | None) -> tuple[Body, ...]:
    if isinstance(octets, bytes):
        return (checked(octets),)
    return tuple(map(checked, octets)) if isinstance(octets, tuple) else ()


def _spoils_the_rest(err: Exception) -> bool:
    return isinstance(err, apsw.Error) and not isinstance(err, _OF_ONE_UNIT)


def _places(jobs: Iterable[Job]) -> Iterator[Place]:
    """Where the bodies of these jobs went in the log."""
    for job in jobs:
        if isinstance(job.blob, Place):
            yield job.blob
        elif isinstance(job.blob, tuple):
            yield from job.blob


def _fail(jobs: Sequence[Job], cause: BaseException) -> None:
    """The batch came to nothing: every waiter hears it, each with an exception of his own."""
    for job in jobs:
        if job.error is None:
            error = translated(cause)
            job.error = type(error)(*error.args)
            job.error.__cause__ = cause
