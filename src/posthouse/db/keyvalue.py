"""A table of keys and values in a SQLite database: credentials, aliases. Small, and shared with other processes."""

from dataclasses import dataclass

import apsw

from posthouse.db.dsn import SqliteDsn
from posthouse.db.own_thread import OwnThread, transaction


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
    """One such table. Every call may raise DatabaseError; Busy after a bounded wait."""

    def __init__(self, dsn: SqliteDsn, columns: Columns) -> None:
        self._in_memory = dsn.path is None
        self._database = OwnThread(dsn, self._opened)
        self._queries = _Queries.of(columns)
        self._name = columns.table

    async def prepare(self) -> None:
        """Make the file and the table if they are not there; any number of processes may do so at once."""
        await self._database.run(self._prepare)

    async def get(self, key: str) -> str | None:
        return await self._database.look_up(lambda connection: self._read(connection, key))

    async def keys(self) -> list[str]:
        """All keys, in order."""
        rows = await self._database.run(lambda connection: connection.execute(self._queries.keys).fetchall())
        return [str(key) for (key,) in rows]

    async def set(self, key: str, value: str) -> None:
        """Insert or replace. On the disk when it returns."""
        await self._database.run(lambda connection: self._write(connection, key, value))

    async def add(self, key: str, value: str) -> bool:
        """Insert a key that has no value; else do nothing, and give False. On the disk when it returns."""
        return await self._database.run(lambda connection: self._add(connection, key, value))

    async def remove(self, key: str) -> None:
        """On the disk when it returns. A key that is not there is no error."""
        await self._database.run(lambda connection: self._remove(connection, key))

    async def aclose(self) -> None:
        """Close the connection after all calls so far. No call may follow."""
        await self._database.aclose()

    def _opened(self, connection: apsw.Connection) -> None:
        # A column that does not exist must be an error, never the text of its own name.
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
        connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
        if self._in_memory:
            self._prepare(connection)

    def _prepare(self, connection: apsw.Connection) -> None:
        if not connection.execute(self._queries.exists, (self._name,)).fetchone():
            with transaction(connection):
                connection.execute(self._queries.create)

    def _read(self, connection: apsw.Connection, key: str) -> str | None:
        row = connection.execute(self._queries.get, (key,)).fetchone()
        return None if row is None or row[0] is None else str(row[0])

    def _write(self, connection: apsw.Connection, key: str, value: str) -> None:
        with transaction(connection):
            self._put(connection, key, value)

    def _add(self, connection: apsw.Connection, key: str, value: str) -> bool:
        with transaction(connection):
            if self._read(connection, key) is not None:
                return False
            self._put(connection, key, value)
            return True

    def _put(self, connection: apsw.Connection, key: str, value: str) -> None:
        """Not by ON CONFLICT: a table made by hand may have no unique key."""
        connection.execute(self._queries.update, (key, value))
        if not connection.changes():
            connection.execute(self._queries.insert, (key, value))

    def _remove(self, connection: apsw.Connection, key: str) -> None:
        with transaction(connection):
            connection.execute(self._queries.remove, (key,))


def quoted(name: str) -> str:
    """A name as an SQL identifier. Raises ValueError for one that cannot be."""
    if not name or "\0" in name:
        raise ValueError(f"invalid name of a table or column: {name!r}")
    return '"' + name.replace('"', '""') + '"'
