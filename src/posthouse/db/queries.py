"""A table whose look-ups and changes are an operator's own SQL queries, in a SQLite database."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import apsw

from posthouse.db.dsn import SqliteDsn
from posthouse.db.errors import DatabaseError
from posthouse.db.own_thread import OwnThread, transaction

QUERY_TIME: Final = 5.0  # seconds that a look-up may take in the database
LOOKUP_ROWS_MAX: Final = 10_000  # values of one key
NO_ARGUMENT: Final = -1
_STEPS: Final = 10_000  # of SQLite's machine between two looks at the clock


@dataclass(frozen=True, slots=True)
class Queries:
    """SQL; "" where there is none.

    Parameters are the key, then the value: `?`, `?1`, `$1` by their number; or with `named` only `:key` and `:value`.
    """

    lookup: str
    init: tuple[str, ...] = ()
    keys: str = ""
    add: str = ""
    set: str = ""
    remove: str = ""
    named: bool = False


class QueryTable:
    """Such a table. Every call may raise DatabaseError; Busy after a bounded wait."""

    def __init__(self, dsn: SqliteDsn, queries: Queries) -> None:
        self._in_memory = dsn.path is None
        self._queries = queries
        self._orders: dict[tuple[str, int], tuple[int, ...]] = {}  # by query and number of arguments
        self._database = OwnThread(dsn, self._opened)

    async def prepare(self) -> None:
        """Run the `init` queries, then see that all others are good."""
        await self._database.run(self._prepare)

    async def get(self, key: str) -> list[str]:
        return await self._database.look_up(lambda connection: self._read(connection, key))

    async def keys(self) -> list[str]:
        return await self._database.run(lambda connection: self._texts(connection, self._queries.keys))

    async def set(self, key: str, value: str) -> None:
        """Add; if that fails, set."""
        await self._database.run(lambda connection: self._set(connection, key, value))

    async def add(self, key: str, value: str) -> bool:
        """Set a key for which nothing is found; else do nothing, and give False."""
        return await self._database.run(lambda connection: self._add(connection, key, value))

    async def remove(self, key: str) -> None:
        await self._database.run(
            lambda connection: self._execute(connection, self._queries.remove, key).fetchall()
        )

    async def aclose(self) -> None:
        """Close the connection after all calls so far. No call may follow."""
        await self._database.aclose()

    def _opened(self, connection: apsw.Connection) -> None:
        if self._in_memory:
            self._init(connection)

    def _init(self, connection: apsw.Connection) -> None:
        for query in self._queries.init:
            connection.execute(query).fetchall()

    def _prepare(self, connection: apsw.Connection) -> None:
        if not self._in_memory:
            self._init(connection)
        queries = self._queries
        self._order(connection, queries.lookup, 1)
        for query, arguments in (
            (queries.keys, 0), (queries.add, 2), (queries.set, 2), (queries.remove, 1)
        ):  # fmt: skip
            if query:
                self._order(connection, query, arguments)

    def _order(self, connection: apsw.Connection, query: str, arguments: int) -> tuple[int, ...]:
        """Which argument each parameter of a query is. Raises DatabaseError for what is no single query with such ones."""
        order = self._orders.get((query, arguments))
        if order is None:
            order = _order_of(connection, query, arguments, named=self._queries.named)
            self._orders[query, arguments] = order
        return order

    def _execute(self, connection: apsw.Connection, query: str, *arguments: str) -> apsw.Cursor:
        order = self._order(connection, query, len(arguments))
        return connection.execute(query, tuple(arguments[at] for at in order))

    def _set(self, connection: apsw.Connection, key: str, value: str) -> None:
        try:
            self._execute(connection, self._queries.add, key, value).fetchall()
        except apsw.Error:
            self._execute(connection, self._queries.set, key, value).fetchall()

    def _add(self, connection: apsw.Connection, key: str, value: str) -> bool:
        with transaction(connection):
            if self._read(connection, key):
                return False
            self._set(connection, key, value)
            return True

    def _read(self, connection: apsw.Connection, key: str) -> list[str]:
        end = time.monotonic() + QUERY_TIME
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        try:
            return self._texts(connection, self._queries.lookup, key)
        finally:
            connection.set_progress_handler(None)

    def _texts(self, connection: apsw.Connection, query: str, *arguments: str) -> list[str]:
        """The first column of all rows, NULLs left out."""
        values: list[str] = []
        for row in self._execute(connection, query, *arguments):
            if row[0] is not None:
                values.append(row[0].decode() if isinstance(row[0], bytes) else str(row[0]))
            if arguments and len(values) > LOOKUP_ROWS_MAX:
                raise DatabaseError(f"more than {LOOKUP_ROWS_MAX} values")
        return values


def _order_of(connection: apsw.Connection, query: str, arguments: int, *, named: bool) -> tuple[int, ...]:
    """For each parameter of a query the number of its argument: 0 the key, 1 the value. Does not run it."""
    from apsw.ext import query_info  # 60 ms that only such tables need

    found = query_info(connection, query)
    if found.query_remaining:
        raise DatabaseError(f"more than one query: {query}")
    order = tuple(_argument(name, at, named=named) for at, name in enumerate(found.bindings_names))
    if not all(0 <= argument < arguments for argument in order):
        raise DatabaseError(f"a parameter that there is not: {query}")
    return order


def _argument(name: str | None, at: int, *, named: bool) -> int:
    """The number of the argument for the parameter of this name, without its first character, at this place."""
    if named:
        return _NAMES.get(name, NO_ARGUMENT)
    return int(name) - 1 if name and name.isdecimal() else at


_NAMES: Final[Mapping[str | None, int]] = {"key": 0, "value": 1}
