import asyncio
from pathlib import Path

import apsw
import pytest

from posthouse.core.errors import MailError
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.interfaces.table import MutableTable
from posthouse.modules.table.sql_table import SqlTable
from posthouse.testing.world import make_context

SETTINGS = SqlTable.Settings(
    driver="sqlite3", dsn="credentials.db", table_name="passwords", key_column="key", value_column="value"
)


def make(folder: Path, settings: SqlTable.Settings = SETTINGS) -> SqlTable:
    return SqlTable(settings, make_context(folder, "table.sql_table"))


async def test_it_is_a_mutable_table(tmp_path: Path) -> None:
    table = make(tmp_path)
    assert isinstance(table, MutableTable)
    await table.prepare()
    assert list(await table.lookup("ann")) == []
    await table.set("ann", "bcrypt:x")
    await table.set("ann", "bcrypt:y")
    assert list(await table.lookup("ann")) == ["bcrypt:y"]
    assert list(await table.keys()) == ["ann"]
    await table.remove("ann")
    assert list(await table.keys()) == []
    await table.stop()


async def test_of_two_that_add_a_key_one_does(tmp_path: Path) -> None:
    tables = [make(tmp_path), make(tmp_path)]
    for table in tables:
        await table.prepare()
    for key in map(str, range(10)):
        added = await asyncio.gather(*(table.add(key, f"of {n}") for n, table in enumerate(tables)))
        assert sorted(added) == [False, True]
        assert list(await tables[0].lookup(key)) == [f"of {added.index(True)}"]
    for table in tables:
        await table.stop()


async def test_configuring_touches_nothing(tmp_path: Path) -> None:
    table = make(tmp_path)
    assert list((tmp_path / "state").iterdir()) == []
    await table.stop()


async def test_a_table_that_maddy_made_serves(tmp_path: Path) -> None:
    table = make(tmp_path)
    connection = apsw.Connection(str(tmp_path / "state" / "credentials.db"))
    connection.execute(
        "CREATE TABLE IF NOT EXISTS passwords (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)"
    )
    connection.execute("INSERT INTO passwords VALUES ('ann@example.org', 'bcrypt:x')")
    connection.close()
    await table.prepare()
    assert list(await table.lookup("ann@example.org")) == ["bcrypt:x"]
    await table.stop()


async def test_a_lookup_that_cannot_tell_is_transient(tmp_path: Path) -> None:
    table = make(tmp_path)
    with pytest.raises(MailError) as caught:  # not prepared: no such table
        await table.lookup("ann")
    assert caught.value.is_transient
    assert caught.value.reply.text == "Internal server error"
    assert "passwords" in str(caught.value.log_fields()["reason"])
    await table.stop()


async def test_R_011_a_locked_database_is_a_busy_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.db.own_thread.BUSY_TIMEOUT", 0.05)
    table = make(tmp_path)
    await table.prepare()
    blocker = apsw.Connection(str(tmp_path / "state" / "credentials.db"))
    blocker.execute("BEGIN EXCLUSIVE")
    results = await asyncio.gather(table.lookup("ann"), table.set("ann", "x"), return_exceptions=True)
    blocker.execute("COMMIT")
    blocker.close()
    assert [result.reply.code for result in results if isinstance(result, MailError)] == [453, 453]
    await table.set("ann", "x")
    assert list(await table.lookup("ann")) == ["x"]
    await table.stop()


async def test_a_database_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    table = make(
        tmp_path,
        SqlTable.Settings(
            driver="sqlite3", dsn="none/x.db", table_name="t", key_column="k", value_column="v"
        ),
    )
    with pytest.raises(OSError, match=r"none/x.db"):
        await table.prepare()
    await table.stop()


@pytest.mark.parametrize(("driver", "text"), [("postgres", "not available"), ("mysql", "valid values are")])
def test_other_drivers_are_refused(driver: str, text: str) -> None:
    declared = SqlTable.Settings.__dataclass_fields__["driver"].metadata["posthouse"]
    with pytest.raises(ConfigError, match=text):
        declared.kind.parse(Node("driver", (driver,), None, "x.conf", 1), None)


async def test_one_that_only_reads_makes_no_file(tmp_path: Path) -> None:
    table = make(tmp_path)
    with pytest.raises(FileNotFoundError, match="not there yet"):
        await table.start_reading()
    await table.prepare()
    await table.set("ann", "bcrypt:x")
    reading = make(tmp_path)
    await reading.start_reading()
    assert list(await reading.lookup("ann")) == ["bcrypt:x"]
    with pytest.raises(MailError):
        await reading.set("ann", "bcrypt:y")
    await reading.stop()
    await table.stop()
