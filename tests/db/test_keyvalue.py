import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from posthouse.db import own_thread
from posthouse.db.dsn import parse_sqlite_dsn
from posthouse.db.errors import Busy, DatabaseError
from posthouse.db.keyvalue import Columns, KeyValueTable, quoted
from posthouse.db.own_thread import WAITING_MAX


def open_table(folder: Path, dsn: str = "kv.db", columns: Columns | None = None) -> KeyValueTable:
    return KeyValueTable(parse_sqlite_dsn(dsn, folder), columns or Columns("passwords"))


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[KeyValueTable]:
    made = open_table(tmp_path)
    await made.prepare()
    yield made
    await made.aclose()


async def test_what_is_set_is_found(table: KeyValueTable) -> None:
    assert await table.get("ann") is None
    await table.set("ann", "1")
    await table.set("ann", "2")
    await table.set("bob", "3")
    assert (await table.get("ann"), await table.keys()) == ("2", ["ann", "bob"])
    await table.remove("ann")
    await table.remove("ann")
    assert await table.keys() == ["bob"]


async def test_a_write_is_seen_by_others_at_once_and_the_file_is_private(
    table: KeyValueTable, tmp_path: Path
) -> None:
    await table.set("ann", "1")
    other = open_table(tmp_path)
    await other.prepare()
    assert await other.get("ann") == "1"
    await other.aclose()
    assert (tmp_path / "kv.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE passwords; --", '"', "%", "_", "a\0b", "ä\u2028", "", "x" * 100_000]
)
async def test_R_086_keys_and_values_are_never_sql(table: KeyValueTable, text: str) -> None:
    await table.set("ann", "1")
    assert await table.get(text) is None
    await table.set(text, text)
    assert await table.get(text) == text
    assert await table.get("ann") == "1"


@pytest.mark.parametrize("name", ["order", 'a"b', "x; DROP TABLE y", "täble", "a.b", "'"])
async def test_R_086_names_are_quoted(tmp_path: Path, name: str) -> None:
    table = open_table(tmp_path, columns=Columns(name, name + "_k", name + "_v"))
    await table.prepare()
    await table.set("ann", "1")
    assert await table.get("ann") == "1"
    await table.aclose()


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_cannot_be_quoted_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invalid name"):
        quoted(name)


async def test_a_column_that_is_not_there_is_an_error_and_not_its_own_name(
    table: KeyValueTable, tmp_path: Path
) -> None:
    await table.set("ann", "1")
    wrong = open_table(tmp_path, columns=Columns("passwords", "nokey"))
    with pytest.raises(DatabaseError, match="nokey"):
        await wrong.get("nokey")
    await wrong.aclose()


async def test_tables_made_by_hand_serve_too(tmp_path: Path) -> None:
    connection = apsw.Connection(str(tmp_path / "kv.db"))
    connection.execute("CREATE TABLE Passwords (key, value)")
    connection.execute(
        "INSERT INTO Passwords VALUES ('num', 7), ('null', NULL), ('blob', x'616263'), ('bad', x'ff')"
    )
    connection.close()
    table = open_table(tmp_path)
    await table.prepare()
    assert [await table.get(key) for key in ("num", "null", "blob")] == ["7", None, "abc"]
    with pytest.raises(DatabaseError):
        await table.get("bad")
    await table.set("num", "8")
    assert await table.get("num") == "8"
    await table.aclose()


async def test_a_database_in_memory_needs_no_preparation(tmp_path: Path) -> None:
    table = open_table(tmp_path, ":memory:")
    await table.set("ann", "1")
    assert await table.get("ann") == "1"
    await table.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_no_lookup_blocks_the_loop_or_waits_for_ever(
    table: KeyValueTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_thread, "LOOKUP_TIMEOUT", 0.05)
    blocker = apsw.Connection(str(tmp_path / "kv.db"))
    blocker.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Busy):
        await table.get("ann")
    blocker.execute("COMMIT")
    blocker.close()
    monkeypatch.undo()
    assert await table.get("ann") is None


async def test_calls_that_wait_are_bounded(table: KeyValueTable) -> None:
    calls = (table.get("ann") for _ in range(WAITING_MAX + 5))
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [Busy] * 5


async def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    table = open_table(tmp_path / "missing")
    with pytest.raises(DatabaseError, match="No such file"):
        await table.prepare()
    await table.aclose()


async def test_a_file_that_is_no_database_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "kv.db").write_text("something else entirely, long enough to be read as a header" * 20)
    table = open_table(tmp_path)
    with pytest.raises(DatabaseError, match="not a database"):
        await table.prepare()
    await table.aclose()
    assert (tmp_path / "kv.db").read_text().startswith("something else")


PROCESS = """
import asyncio, sys
from pathlib import Path
from posthouse.db.dsn import parse_sqlite_dsn
from posthouse.db.keyvalue import Columns, KeyValueTable

async def main(folder, name):
    table = KeyValueTable(parse_sqlite_dsn("kv.db", Path(folder)), Columns("passwords"))
    sys.stdin.readline()
    await table.prepare()
    for number in range(5):
        await table.set(f"{name}-{number}", "1")
    await table.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_six_processes_make_and_fill_one_fresh_file(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, tmp_path, str(n)], stdin=subprocess.PIPE)
        for n in range(6)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 6
    table = open_table(tmp_path)
    assert len(await table.keys()) == 30
    await table.aclose()
