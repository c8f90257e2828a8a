"""A database that is only read: nothing is written, no file is made."""

from pathlib import Path

import apsw
import pytest

from posthouse.db.dsn import parse_sqlite_dsn, to_read


def made(path: Path, mode: str) -> apsw.Connection:
    """A database with one row, open."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", mode)
    connection.wal_autocheckpoint(0)
    connection.execute("CREATE TABLE t(x); INSERT INTO t VALUES(1)")
    return connection


def read(path: Path) -> object:
    """The row; nothing beside the database may have changed."""
    files = sorted(path.parent.iterdir())
    uri = to_read(parse_sqlite_dsn(str(path), path.parent)).uri
    connection = apsw.Connection(
        uri, flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
    )
    with pytest.raises(apsw.ReadOnlyError):
        connection.execute("INSERT INTO t VALUES(2)")
    found = connection.execute("SELECT x FROM t").get
    connection.close()
    assert sorted(path.parent.iterdir()) == files
    return found


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_it_is_read_while_others_have_it_open_and_after(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "mail 1.db"
    connection = made(path, mode)
    assert read(path) == 1
    connection.close()
    assert read(path) == 1


def test_it_is_read_after_a_crash(tmp_path: Path) -> None:
    connection = made(tmp_path / "a.db", "wal")
    (tmp_path / "crashed").mkdir()
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        (tmp_path / "crashed" / name).write_bytes((tmp_path / name).read_bytes())
    connection.close()
    assert read(tmp_path / "crashed" / "a.db") == 1


def test_one_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.db is not there yet"):
        to_read(parse_sqlite_dsn("a.db", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_one_in_memory_stays_as_it_is(tmp_path: Path) -> None:
    dsn = parse_sqlite_dsn(":memory:", tmp_path)
    assert to_read(dsn) is dsn
