"""table.sql_table: keys and values in a table of a SQL database, made when it is missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from posthouse.core.errors import BUSY, DISK_FULL, INTERNAL, MailError
from posthouse.db.dsn import parse_sqlite_dsn
from posthouse.db.errors import Busy, DatabaseError, DiskFull
from posthouse.db.keyvalue import Columns, KeyValueTable
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import Several, Single, string
from posthouse.framework.interfaces.module import Context, Module


def _driver(name: str) -> str:
    if name == "postgres":
        raise ValueError("driver postgres is not available in this version")
    if name != "sqlite3":
        raise ValueError("invalid argument, valid values are: [sqlite3 postgres]")
    return name


class SqlTable(Module):
    @settings
    class Settings:
        driver: str = directive(Single("sqlite3 | postgres", _driver), help="kind of database")
        dsn: str = directive(
            Several("strings", " ".join),
            help="file name, relative to state_dir; or a file: URI, or :memory:",
        )
        table_name: str = directive(string, help="table that holds the keys and values")
        key_column: str = directive(string, default="key", help="column of the keys")
        value_column: str = directive(string, default="value", help="column of the values")

    def __init__(self, settings: Settings, context: Context) -> None:
        dsn = parse_sqlite_dsn(settings.dsn, context.paths.state)
        columns = Columns(settings.table_name, settings.key_column, settings.value_column)
        self._table = KeyValueTable(dsn, columns)
        self._where = dsn.uri

    async def prepare(self) -> None:
        try:
            await self._table.prepare()
        except DatabaseError as err:
            raise OSError(f"unable to prepare the database {self._where}: {err}") from err

    async def stop(self) -> None:
        await self._table.aclose()

    async def lookup(self, key: str) -> Sequence[str]:
        with _as_mail_errors():
            value = await self._table.get(key)
        return () if value is None else (value,)

    async def keys(self) -> Sequence[str]:
        with _as_mail_errors():
            return await self._table.keys()

    async def set(self, key: str, value: str) -> None:
        with _as_mail_errors():
            await self._table.set(key, value)

    async def remove(self, key: str) -> None:
        with _as_mail_errors():
            await self._table.remove(key)


@contextmanager
def _as_mail_errors() -> Iterator[None]:
    """A database that cannot tell now is a transient failure (design §5)."""
    try:
        yield
    except Busy as err:
        raise MailError(BUSY, module="table.sql_table") from err
    except DiskFull as err:
        raise MailError(DISK_FULL, module="table.sql_table") from err
    except DatabaseError as err:
        raise MailError(INTERNAL, module="table.sql_table") from err
