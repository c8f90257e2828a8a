from pathlib import Path

import pytest

from posthouse.db.dsn import SqliteDsn, parse_sqlite_dsn

STATE = Path("/var/lib/posthouse")


@pytest.mark.parametrize(
    ("dsn", "uri", "path"),
    [
        pytest.param(
            "credentials.db",
            "file:/var/lib/posthouse/credentials.db",
            "/var/lib/posthouse/credentials.db",
            id="name",
        ),
        pytest.param("/srv/a b?.db", "file:/srv/a%20b", "/srv/a b", id="parameters of maddy's driver"),
        pytest.param("../x/./y.db", "file:/var/lib/x/y.db", "/var/lib/x/y.db", id="dots"),
        pytest.param(
            "file:c.db?cache=private&_busy=1#f",
            "file:/var/lib/posthouse/c.db?cache=private&_busy=1",
            "/var/lib/posthouse/c.db",
            id="relative URI",
        ),
        pytest.param("file:/srv/100%25.db", "file:/srv/100%25.db", "/srv/100%.db", id="escapes"),
        pytest.param("file:///srv/c.db", "file:/srv/c.db", "/srv/c.db", id="three slashes"),
        pytest.param("file://localhost/srv/c.db", "file:/srv/c.db", "/srv/c.db", id="localhost"),
    ],
)
def test_files_are_found(dsn: str, uri: str, path: str) -> None:
    assert parse_sqlite_dsn(dsn, STATE) == SqliteDsn(uri, Path(path))


@pytest.mark.parametrize(
    "dsn", [":memory:", "file::memory:", "file::memory:?cache=shared", "file:x?mode=memory&cache=shared"]
)
def test_a_database_in_memory_has_no_path(dsn: str) -> None:
    assert parse_sqlite_dsn(dsn, STATE).path is None


@pytest.mark.parametrize("dsn", ["", "  ", "file:", "?x", "file://other.example/c.db", "a\0b"])
def test_nonsense_is_refused(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"data source name|another host"):
        parse_sqlite_dsn(dsn, STATE)


def test_a_read_only_database_is_not_made() -> None:
    assert not parse_sqlite_dsn("file:c.db?mode=ro", STATE).creates
    assert parse_sqlite_dsn("file:c.db?mode=rwc", STATE).creates
