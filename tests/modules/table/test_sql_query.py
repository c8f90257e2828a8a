import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.table import MutableTable
from posthouse.framework.registry import Catalogue, Registry
from posthouse.modules.table.sql_query import SqlQuery
from posthouse.testing.world import make_context

CREATE = "CREATE TABLE IF NOT EXISTS aliases (key TEXT PRIMARY KEY, value TEXT)"
READING = {"driver": "sqlite3", "dsn": "a.db", "init": CREATE, "lookup": "SELECT value FROM aliases WHERE key = $1"}  # fmt: skip
WRITING = READING | {
    "list": "SELECT key FROM aliases",
    "add": "INSERT INTO aliases VALUES ($1, $2)",
    "set": "UPDATE aliases SET value = $2 WHERE key = $1",
    "del": "DELETE FROM aliases WHERE key = $1",
}


def make(folder: Path, directives: dict[str, str]) -> SqlQuery:
    """The table with these directives, as a configuration has them."""
    context = make_context(folder, "table.sql_query")
    children = tuple(Node(name, (value,), None, "x.conf", at) for at, (name, value) in enumerate(directives.items(), 2))  # fmt: skip
    registry = Registry(Catalogue({}, {}, frozenset()), lambda *_: context)
    block = Node("table.sql_query", (), children, "x.conf", 1)
    return SqlQuery(parse_settings(SqlQuery.Settings, block, Scope({}, context.paths, registry)), context)


async def test_it_is_a_mutable_table(tmp_path: Path) -> None:
    table = make(tmp_path, WRITING)
    assert isinstance(table, MutableTable)
    await table.prepare()
    assert list(await table.lookup("ann")) == []
    await table.set("ann", "bob")
    await table.set("ann", "carol")
    assert list(await table.lookup("ann")) == ["carol"]
    assert list(await table.keys()) == ["ann"]
    await table.remove("ann")
    assert list(await table.keys()) == []
    await table.stop()


async def test_of_two_that_add_a_key_one_does(tmp_path: Path) -> None:
    tables = [make(tmp_path, WRITING), make(tmp_path, WRITING)]
    for table in tables:
        await table.prepare()
    for key in map(str, range(10)):
        added = await asyncio.gather(*(table.add(key, f"of {n}") for n, table in enumerate(tables)))
        assert sorted(added) == [False, True]
        assert list(await tables[0].lookup(key)) == [f"of {added.index(True)}"]
    for table in tables:
        await table.stop()


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in WRITING.items() if key != name}


async def test_what_needs_a_query_that_is_not_there_is_refused(tmp_path: Path) -> None:
    calls: dict[str, Callable[[SqlQuery], Awaitable[object]]] = {
        "list": lambda table: table.keys(),
        "add": lambda table: table.set("a", "b"),
        "set": lambda table: table.add("a", "b"),
        "del": lambda table: table.remove("a"),
    }
    for name, call in calls.items():
        table = make(tmp_path, without(name))
        with pytest.raises(ValueError, match=rf"^table is not mutable \(no '{name}' query\)$"):
            await call(table)
        await table.stop()


async def test_configuring_touches_nothing(tmp_path: Path) -> None:
    table = make(tmp_path, READING)
    assert list((tmp_path / "state").iterdir()) == []
    await table.stop()


async def test_a_wrong_query_ends_the_start(tmp_path: Path) -> None:
    table = make(tmp_path, READING | {"lookup": "SELECT value FROM nowhere WHERE key = ?"})
    with pytest.raises(
        OSError, match=r"unable to prepare the database file:.*/a\.db: .*no such table: nowhere"
    ):
        await table.prepare()
    await table.stop()


async def test_a_look_up_that_cannot_tell_is_transient(tmp_path: Path) -> None:
    table = make(tmp_path, READING)
    with pytest.raises(MailError) as caught:  # not prepared: no such table
        await table.lookup("ann")
    assert caught.value.is_transient
    assert caught.value.reply.text == "Internal server error"
    assert caught.value.module == "table.sql_query"
    await table.stop()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"driver": "postgres"}, r"x\.conf:2: driver postgres is not available in this version"),
        ({"driver": "mysql"}, r"valid values are: \[sqlite3 postgres\]"),
        ({"dsn": "file:?mode=ro"}, "invalid SQLite data source name"),
        ({"lookup": ""}, "the query lookup is empty"),
        ({"delete": "x"}, "unexpected directive: delete"),
    ],
)
def test_mistakes_are_told(changed: dict[str, str], text: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, ValueError), match=text):
        make(tmp_path, READING | changed)


@pytest.mark.parametrize("name", ["driver", "dsn", "lookup"])
def test_what_is_missing_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"missing required directive: {name}"):
        make(tmp_path, {key: value for key, value in READING.items() if key != name})


async def test_one_that_only_reads_makes_no_file(tmp_path: Path) -> None:
    table = make(tmp_path, WRITING)
    with pytest.raises(FileNotFoundError, match="not there yet"):
        await table.start_reading()
    await table.prepare()
    await table.set("ann", "bob")
    reading = make(tmp_path, WRITING)
    await reading.start_reading()
    assert list(await reading.lookup("ann")) == ["bob"]
    with pytest.raises(MailError):
        await reading.set("ann", "carol")
    await reading.stop()
    await table.stop()
