"""A small SQLite database on a connection and a thread of its own: credentials, aliases, what an operator asks for."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import apsw

from posthouse.db.dsn import SqliteDsn
from posthouse.db.errors import Busy, DatabaseError, translated

BUSY_TIMEOUT: Final = 5.0  # seconds that one statement waits for another process
LOOKUP_TIMEOUT: Final = 10.0  # seconds that a lookup waits in all
WAITING_MAX: Final = 1000  # calls under way at once
_PRIVATE: Final = 0o600
_FLAGS: Final = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI

T = TypeVar("T")


class OwnThread:
    """The connection is opened by the first call; every call may raise DatabaseError, and Busy after a bounded wait.

    The journal mode of a file that exists stays: maddy and an operator's own programs may use it at the same time.
    """

    def __init__(self, dsn: SqliteDsn, opened: Callable[[apsw.Connection], None]) -> None:
        """opened: makes a new connection what it shall be, in the thread."""
        self._dsn = dsn
        self._opened = opened
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="table")
        self._connection: apsw.Connection | None = None
        self._waiting = 0

    async def run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do work in the thread. One that was cancelled before it began is not done."""
        if self._waiting >= WAITING_MAX:
            raise Busy("too many lookups wait for the database")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, work)
        finally:
            self._waiting -= 1

    async def look_up(self, work: Callable[[apsw.Connection], T]) -> T:
        """The same, but wait for at most LOOKUP_TIMEOUT."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                return await self.run(work)
        except TimeoutError as err:
            raise Busy("the database did not answer in time") from err

    async def aclose(self) -> None:
        """Close the connection after all calls so far. No call may follow."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _call(self, work: Callable[[apsw.Connection], T]) -> T:
        try:
            return work(self._connected())
        except (apsw.Error, OSError) as err:
            raise translated(err) from err
        except UnicodeError as err:
            raise DatabaseError(f"not UTF-8: {err}") from err

    def _connected(self) -> apsw.Connection:
        if self._connection is None:
            self._make_private()
            connection = apsw.Connection(self._dsn.uri, flags=_FLAGS)
            connection.set_busy_timeout(round(BUSY_TIMEOUT * 1000))
            # Beyond FULL: the end of a rollback journal is on the disk too when COMMIT returns.
            connection.pragma("synchronous", "EXTRA")
            self._opened(connection)
            self._connection = connection
        return self._connection

    def _make_private(self) -> None:
        """A new file is for the service user only; SQLite gives the same mode to its journal.

        One that exists is not touched: to close any descriptor of it would end all locks that this process has on it.
        """
        if self._dsn.path is not None and self._dsn.creates:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._dsn.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@contextlib.contextmanager
def transaction(connection: apsw.Connection) -> Iterator[None]:
    """A transaction with the write lock taken at once: two that read first and write then would wait for each other."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
