"""Where a SQLite database is, as the configuration says it (`dsn`; spec/modules §4)."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, unquote

MEMORY: Final = ":memory:"
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


def _uri_path(uri: str) -> str:
    """The path of a `file:` URI without its query, decoded."""
    rest = uri.removeprefix("file:").partition("#")[0]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in _LOCAL_HOSTS:
            raise ValueError(f"a database file on another host: {host}")
        rest = slash + path
    return unquote(rest)
