"""table.sql_table: keys and values in a table of a SQL database, made when it is missing."""

from collections.abc import Sequence

from posthouse.db.dsn import parse_sqlite_dsn, to_read
from posthouse.db.keyvalue import Columns, KeyValueTable
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import string
from posthouse.framework.database import DSN_HELP, as_mail_errors, as_start_errors, driver, dsn
from posthouse.framework.interfaces.module import Context, Module


class SqlTable(Module):
    @settings
    class Settings:
        driver: str = directive(driver, help="kind of database")
        dsn: str = directive(dsn, help=DSN_HELP)
        table_name: str = directive(string, help="table that holds the keys and values")
        key_column: str = directive(string, default="key", help="column of the keys")
        value_column: str = directive(string, default="value", help="column of the values")

    def __init__(self, settings: Settings, context: Context) -> None:
        self._place = parse_sqlite_dsn(settings.dsn, context.paths.state)
        self._columns = Columns(settings.table_name, settings.key_column, settings.value_column)
        self._table = KeyValueTable(self._place, self._columns)
        self._module = context.module

    async def prepare(self) -> None:
        with as_start_errors(self._place.uri):
            await self._table.prepare()

    async def start_reading(self) -> None:
        self._table = KeyValueTable(to_read(self._place), self._columns)

    async def stop(self) -> None:
        await self._table.aclose()

    async def lookup(self, key: str) -> Sequence[str]:
        with as_mail_errors(self._module):
            value = await self._table.get(key)
        return () if value is None else (value,)

    async def keys(self) -> Sequence[str]:
        with as_mail_errors(self._module):
            return await self._table.keys()

    async def set(self, key: str, value: str) -> None:
        with as_mail_errors(self._module):
            await self._table.set(key, value)

    async def add(self, key: str, value: str) -> bool:
        with as_mail_errors(self._module):
            return await self._table.add(key, value)

    async def remove(self, key: str) -> None:
        with as_mail_errors(self._module):
            await self._table.remove(key)
