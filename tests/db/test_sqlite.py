"""Opening databases: ours, nobody's, somebody else's, damaged ones."""

import asyncio
import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from posthouse.db import sqlite
from posthouse.db.errors import DatabaseError, Refused
from posthouse.db.files import Files
from posthouse.db.sqlite import Schema, check, connect, prepare

FIRST = Schema("test database", 0x7E57, ("CREATE TABLE a(x INTEGER) STRICT; INSERT INTO a VALUES(1)",))
SECOND = Schema(FIRST.name, FIRST.application_id, (*FIRST.migrations, "ALTER TABLE a ADD COLUMN y INTEGER"))
FILES = Files()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


def test_a_database_is_made_once_and_found_again(path: Path) -> None:
    for _ in range(2):
        prepare(path, FIRST, FILES)
        check(path, FIRST, FILES)
    assert connect(path, FILES).execute("SELECT x FROM a").fetchall() == [(1,)]


def test_databases_are_private_and_durable(path: Path) -> None:
    prepare(path, FIRST, FILES)
    connection = connect(path, FILES)
    connection.execute("UPDATE a SET x = 2")
    pragmas = {
        name: connection.pragma(name)
        for name in ("journal_mode", "synchronous", "mmap_size", "page_size", "temp_store")
    }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "mmap_size": 0,
        "page_size": 4096,
        "temp_store": 2,
    }
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    connection.close()


def test_migrations_run_from_each_earlier_version(path: Path) -> None:
    prepare(path, FIRST, FILES)
    prepare(path, SECOND, FILES)
    assert connect(path, FILES).execute("SELECT x, y FROM a").fetchall() == [(1, None)]
    check(path, SECOND, FILES)


def test_a_failed_migration_changes_nothing(path: Path) -> None:
    prepare(path, FIRST, FILES)
    broken = Schema(FIRST.name, FIRST.application_id, (*FIRST.migrations, "DROP TABLE a; SELECT nonsense"))
    with pytest.raises(DatabaseError, match="no such column"):
        prepare(path, broken, FILES)
    check(path, FIRST, FILES)


def test_a_newer_schema_is_refused(path: Path) -> None:
    prepare(path, SECOND, FILES)
    with pytest.raises(Refused, match="newer Posthouse"):
        prepare(path, FIRST, FILES)
    with pytest.raises(Refused, match="newer Posthouse"):
        check(path, FIRST, FILES)


def test_a_schema_that_was_not_prepared_is_refused_at_start(path: Path) -> None:
    prepare(path, FIRST, FILES)
    with pytest.raises(Refused, match="not prepared"):
        check(path, SECOND, FILES)


@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "in use"])
def test_a_database_of_maddy_is_refused_and_not_written(path: Path, is_open: bool) -> None:
    maddy = apsw.Connection(str(path))
    maddy.pragma("journal_mode", "WAL")
    maddy.execute("CREATE TABLE mboxes(id); CREATE TABLE schema_version(version)")
    if not is_open:
        maddy.close()
    files = [file for file in path.parent.iterdir() if not file.name.endswith("-shm")]
    before = {file: file.read_bytes() for file in files}
    with pytest.raises(Refused, match="posthouse import maddy"):
        prepare(path, FIRST, FILES)
    assert {file: file.read_bytes() for file in files} == before
    maddy.close()


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    with apsw.Connection(str(path)) as other:
        other.execute("CREATE TABLE bookmarks(id)")
    other.close()
    with pytest.raises(Refused, match="another program"):
        prepare(path, FIRST, FILES)


def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    prepare(path, FIRST, FILES)
    check(path, FIRST, FILES)


def test_R_012_what_is_no_database_is_refused_and_not_written(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(Refused, match="damaged"):
        prepare(path, FIRST, FILES)
    assert path.read_bytes() == b"not a database" * 1000


def test_R_012_a_damaged_page_is_found_at_start(path: Path) -> None:
    prepare(path, FIRST, FILES)
    with connect(path, FILES) as connection:
        connection.execute("CREATE TABLE b(x BLOB)")
        connection.executemany("INSERT INTO b VALUES(?)", [(b"x" * 1000,)] * 50)
    connection.close()
    data = bytearray(path.read_bytes())
    data[3 * 4096 : 3 * 4096 + 100] = b"\xff" * 100
    path.write_bytes(data)
    with pytest.raises(Refused, match="damaged"):
        check(path, FIRST, FILES)
    assert path.read_bytes() == data


def test_R_012_a_damaged_header_is_refused(path: Path) -> None:
    prepare(path, FIRST, FILES)
    data = bytearray(path.read_bytes())
    data[:16] = b"\0" * 16
    path.write_bytes(data)
    for step in (prepare, check):
        with pytest.raises(Refused, match="damaged"):
            step(path, FIRST, FILES)


async def test_six_processes_make_one_database_at_once(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from posthouse.db.mail.schema import MAIL_SCHEMA as schema;"
        " from posthouse.db.sqlite import check, prepare; from posthouse.db.files import Files;"
        " path = Path(sys.argv[1]); prepare(path, schema, Files()); check(path, schema, Files())"
    )
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, str(path)) for _ in range(6)
    ]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0] * 6


def test_large_databases_are_not_read_through_at_start(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(path, FIRST, FILES)
    monkeypatch.setattr(sqlite, "CHECKED_AT_START", 0)
    check(path, FIRST, FILES)


OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from posthouse.db.files import Files
from posthouse.db.sqlite import BUSY_TIMEOUT, check, connect, prepare
from tests.db.test_sqlite import FIRST

path, files = Path(sys.argv[1]), Files()
for _ in range(40):
    prepare(path, FIRST, files)
    check(path, FIRST, files)
    reader, writer = connect(path, files), connect(path, files, busy_timeout=BUSY_TIMEOUT)
    reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
    writer.pragma("user_version", FIRST.version)
    reader.close()
    writer.close()  # the last one to close empties the log and removes it
"""


def test_processes_that_open_and_close_a_database_wait_for_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN_AND_CLOSE, str(tmp_path / "some.db")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(5)]
    assert [process.communicate()[1] for process in processes] == [""] * 5
