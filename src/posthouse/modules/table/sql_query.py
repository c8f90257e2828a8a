"""table.sql_query: keys and values by SQL queries of one's own.

Parameters of a query are the key, then the value: `?`, or `$1` and `$2`; with `named_args` `:key` and `:value`. The first column
of each row is a value, NULL is none. A look-up of more than 5 seconds or 10,000 values fails for now."""

from collections.abc import Sequence

from posthouse.db.dsn import parse_sqlite_dsn, to_read
from posthouse.db.queries import Queries, QueryTable
from posthouse.framework.config.settings import directive, repeated, settings
from posthouse.framework.config.values import boolean, string, strings
from posthouse.framework.database import DSN_HELP, as_mail_errors, as_start_errors, driver, dsn
from posthouse.framework.interfaces.module import Context, Module


class SqlQuery(Module):
    @settings
    class Settings:
        driver: str = directive(driver, help="kind of database")
        dsn: str = directive(dsn, help=DSN_HELP)
        init: tuple[tuple[str, ...], ...] = repeated(strings, help="queries to run once at start, in order")
        named_args: bool = directive(
            boolean, default=False, help="parameters are :key and :value instead of their numbers"
        )
        lookup: str = directive(string, help="query for the values of a key")
        list_: str = directive(string, default="", help="query for all keys")
        add: str = directive(string, default="", help="query that adds a key with its value")
        set_: str = directive(
            string, default="", help="query that sets the value of a key, run if `add` fails"
        )
        del_: str = directive(string, default="", help="query that removes a key")

    def __init__(self, settings: Settings, context: Context) -> None:
        if not settings.lookup:
            raise ValueError("the query lookup is empty")
        self._place = parse_sqlite_dsn(settings.dsn, context.paths.state)
        self._queries = Queries(
            init=tuple(query for several in settings.init for query in several),
            named=settings.named_args,
            lookup=settings.lookup,
            keys=settings.list_,
            add=settings.add,
            set=settings.set_,
            remove=settings.del_,
        )
        self._table = QueryTable(self._place, self._queries)
        self._settings = settings
        self._module = context.module

    async def prepare(self) -> None:
        with as_start_errors(self._place.uri):
            await self._table.prepare()

    async def start_reading(self) -> None:
        self._table = QueryTable(to_read(self._place), self._queries)

    async def stop(self) -> None:
        await self._table.aclose()

    async def lookup(self, key: str) -> Sequence[str]:
        with as_mail_errors(self._module):
            return await self._table.get(key)

    async def keys(self) -> Sequence[str]:
        _need("list", self._settings.list_)
        with as_mail_errors(self._module):
            return await self._table.keys()

    async def set(self, key: str, value: str) -> None:
        self._need_to_write()
        with as_mail_errors(self._module):
            await self._table.set(key, value)

    async def add(self, key: str, value: str) -> bool:
        self._need_to_write()
        with as_mail_errors(self._module):
            return await self._table.add(key, value)

    async def remove(self, key: str) -> None:
        _need("del", self._settings.del_)
        with as_mail_errors(self._module):
            await self._table.remove(key)

    def _need_to_write(self) -> None:
        _need("set", self._settings.set_)
        _need("add", self._settings.add)


def _need(name: str, query: str) -> None:
    """Raises ValueError for a query that is not there."""
    if not query:
        raise ValueError(f"table is not mutable (no '{name}' query)")
