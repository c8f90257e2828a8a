"""Where a SQLite database is, as the configuration says it (`dsn`; spec/modules §4)."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote

MEMORY: Final = ":memory:"
_WAL_VERSION: Final = (
    2  # at octet 18 of a database that has a write-ahead log (https://www.sqlite.org/fileformat.html §1.3)
)
_LOCAL_HOSTS: Final = ("", "localhost")


@dataclass(frozen=True, slots=True)
class SqliteDsn:
    """A database file, or one in memory that lives as long as its connection."""

    uri: str  # for SQLite's open with URI names on; its path is absolute
    path: Path | None  # absolute; None for a database in memory
    creates: bool = True  # whether opening may make the file: no `mode=ro` or `mode=rw`


def parse_sqlite_dsn(dsn: str, state: Path) -> SqliteDsn:
    """Read a file name, or a `file:` URI, or `:memory:`. Relative names are below `state`, which is absolute.

    As in maddy, a plain name ends at a `?`: what follows are parameters of its driver. Raises ValueError.
    """
    text = dsn.strip()
    is_uri = text.startswith("file:")
    before, _, query = text.partition("?")
    name = _uri_path(before) if is_uri else before
    if not name or "\0" in name:
        raise ValueError(f"invalid SQLite data source name: {dsn!r}")
    query = query.partition("#")[0] if is_uri else ""
    modes = parse_qs(query).get("mode", [""])
    if name == MEMORY or "memory" in modes:
        return SqliteDsn("file::memory:", None)
    path = Path(os.path.normpath(state / name))
    uri = f"file:{quote(os.fspath(path))}" + (f"?{query}" if query else "")
    return SqliteDsn(uri, path, creates=not {"ro", "rw"} & set(modes))


def in_file(path: Path) -> SqliteDsn:
    """The database in this file."""
    return SqliteDsn(f"file:{quote(os.fspath(path))}", path)


def to_read(dsn: SqliteDsn) -> SqliteDsn:
    """The same database for one who only reads: nothing is written, and no file is made, whether others have it open or not.

    Raises FileNotFoundError if it is not there; OSError.
    """
    if dsn.path is None:
        return dsn
    try:
        with dsn.path.open("rb") as file:
            has_log = file.read(20)[18:19] == bytes([_WAL_VERSION])
    except FileNotFoundError as err:
        raise FileNotFoundError(f"{dsn.path} is not there yet") from err
    if not has_log:
        mode = "mode=ro"
    elif dsn.path.with_name(f"{dsn.path.name}-wal").exists():
        mode = "mode=ro&readonly_shm=1"
    else:  # nobody has it open; mode=ro would make the log
        mode = "immutable=1"
    return replace(dsn, uri=f"file:{quote(os.fspath(dsn.path))}?{mode}", creates=False)


def _uri_path(uri: str) -> str:
    """The path of a `file:` URI without its query, decoded."""
    rest = uri.removeprefix("file:").partition("#")[0]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in _LOCAL_HOSTS:
            raise ValueError(f"a database file on another host: {host}")
        rest = slash + path
    return unquote(rest)
