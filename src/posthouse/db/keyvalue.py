"""A table of keys and values in a SQLite database: credentials, aliases. Small, and shared with other processes."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of a table and its two columns, any text but NUL."""

    table: str
    key: str = "key"
    value: str = "value"


@dataclass(frozen=True, slots=True)
class _Queries:
    """The SQL of one table. Names are quoted, keys and values are always bound."""

    exists: str
    create: str
    get: str
    keys: str
    update: str
    insert: str
    remove: str

    @classmethod
    def of(cls, columns: Columns) -> "_Queries":
        table, key, value = quoted(columns.table), quoted(columns.key), quoted(columns.value)
        return cls(
            exists="SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
            create=f"CREATE TABLE IF NOT EXISTS {table} ({key} TEXT PRIMARY KEY NOT NULL, {value} TEXT NOT NULL)",
            get=f"SELECT CAST({value} AS TEXT) FROM {table} WHERE {key} = ? LIMIT 1",  # noqa: S608 - quoted
            keys=f"SELECT CAST({key} AS TEXT) FROM {table} ORDER BY 1",  # noqa: S608
            update=f"UPDATE {table} SET {value} = ?2 WHERE {key} = ?1",  # noqa: S608
            insert=f"INSERT INTO {table} ({key}, {value}) VALUES (?1, ?2)",  # noqa: S608
            remove=f"DELETE FROM {table} WHERE {key} = ?",  # noqa: S608
        )


class KeyValueTable:
    """One such table, on a connection and a thread of its own, opened by the first call.

    Every call may raise DatabaseError; Busy after a bounded wait. The journal mode of a file that exists stays: maddy
    and an operator's own programs may use it at the same time.
    """

    def __init__(self, dsn: SqliteDsn, columns: Columns) -> None:
        self._dsn = dsn
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="keyvalue")
        self._connection: apsw.Connection | None = None
        self._waiting = 0
        self._queries = _Queries.of(columns)
        self._name = columns.table

    async def prepare(self) -> None:
        """Make the file and the table if they are not there; any number of processes may do so at once."""
        await self._run(self._prepare)

    async def get(self, key: str) -> str | None:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                return await self._run(lambda connection: self._read(connection, key))
        except TimeoutError as err:
            raise Busy("the database did not answer in time") from err

    async def keys(self) -> list[str]:
        """All keys, in order."""
        rows = await self._run(lambda connection: connection.execute(self._queries.keys).fetchall())
        return [str(key) for (key,) in rows]

    async def set(self, key: str, value: str) -> None:
        """Insert or replace. On the disk when it returns."""
        await self._run(lambda connection: self._write(connection, key, value))

    async def remove(self, key: str) -> None:
        """On the disk when it returns. A key that is not there is no error."""
        await self._run(lambda connection: self._remove(connection, key))

    async def aclose(self) -> None:
        """Close the connection after all calls so far. No call may follow."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do work in the thread. One that was cancelled before it began is not done."""
        if self._waiting >= WAITING_MAX:
            raise Busy("too many lookups wait for the database")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._call, work)
        finally:
            self._waiting -= 1

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
            # A column that does not exist must be an error, never the text of its own name.
            connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
            connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
            # Beyond FULL: the end of a rollback journal is on the disk too when COMMIT returns.
            connection.pragma("synchronous", "EXTRA")
            self._connection = connection
            if self._dsn.path is None:
                self._prepare(connection)
        return self._connection

    def _make_private(self) -> None:
        """A new file is for the service user only; SQLite gives the same mode to its journal.

        One that exists is not touched: to close any descriptor of it would end all locks that this process has on it.
        """
        if self._dsn.path is not None and self._dsn.creates:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._dsn.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE))

    def _prepare(self, connection: apsw.Connection) -> None:
        if not connection.execute(self._queries.exists, (self._name,)).fetchone():
            with _transaction(connection):
                connection.execute(self._queries.create)

    def _read(self, connection: apsw.Connection, key: str) -> str | None:
        row = connection.execute(self._queries.get, (key,)).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def _write(self, connection: apsw.Connection, key: str, value: str) -> None:
        """Not by ON CONFLICT: a table made by hand may have no unique key."""
        with _transaction(connection):
            connection.execute(self._queries.update, (key, value))
            if not connection.changes():
                connection.execute(self._queries.insert, (key, value))

    def _remove(self, connection: apsw.Connection, key: str) -> None:
        with _transaction(connection):
            connection.execute(self._queries.remove, (key,))

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def quoted(name: str) -> str:
    """A name as an SQL identifier. Raises ValueError for one that cannot be."""
    if not name or "\0" in name:
        raise ValueError(f"invalid name of a table or column: {name!r}")
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def _transaction(connection: apsw.Connection) -> Iterator[None]:
    """A transaction with the write lock taken at once: two that read first and write then would wait for each other."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
