"""Opening SQLite databases: pragmas, refusal of what is not ours, schema and its migrations."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from posthouse.db.dsn import in_file, to_read
from posthouse.db.errors import DatabaseError, Refused, translated
from posthouse.db.files import PRIVATE_FOLDER, Files
from posthouse.db.lock import WriteLock

SYNCHRONOUS: Final = "FULL"  # with WAL: each COMMIT is on the disk when it returns
WRITER_CACHE: Final = -16_384  # KiB, as SQLite has it: negative
READER_CACHE: Final = -4_096
BUSY_TIMEOUT: Final = 5.0  # seconds: a backstop behind the write lock, for writers that do not know it
READER_BUSY_TIMEOUT: Final = 0.1  # once connected, readers wait for nobody in WAL mode
CHECKED_AT_START: Final = 16 * 1024 * 1024  # octets: larger databases are not read through at each start
MADDY_TABLES: Final = frozenset({"mboxes", "schema_version"})


@dataclass(frozen=True, slots=True)
class Schema:
    """A kind of database. `migrations[n]` makes version n + 1 of version n; they are never changed, only added."""

    name: str
    application_id: int
    migrations: tuple[str, ...]

    @property
    def version(self) -> int:
        return len(self.migrations)


def connect(
    path: Path, files: Files, *, cache: int = READER_CACHE, busy_timeout: float = READER_BUSY_TIMEOUT
) -> apsw.Connection:
    """A connection to a database that exists. cache: pages, or KiB when negative; busy_timeout: seconds."""
    connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=files.vfs)
    connection.set_busy_timeout(round(BUSY_TIMEOUT * 1000))
    connection.wal_autocheckpoint(0)
    for name, value in (
        ("synchronous", SYNCHRONOUS),
        ("cache_size", cache),
        ("temp_store", "MEMORY"),
        ("mmap_size", 0),
    ):
        connection.pragma(name, value)
    connection.pragma(
        "user_version"
    )  # a process that closes the database, or recovers its log, is waited for here
    connection.set_busy_timeout(round(busy_timeout * 1000))
    return connection


def connect_to_read(path: Path, schema: Schema) -> apsw.Connection:
    """A connection that writes nothing and makes no file, whether others have the database open or not.

    Raises FileNotFoundError if it is not there, Refused for another version; DatabaseError.
    """
    uri = to_read(in_file(path)).uri
    try:
        connection = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        connection.set_busy_timeout(round(BUSY_TIMEOUT * 1000))
        require_version(connection, path, schema)
    except apsw.Error as err:
        raise _failure(path, err) from err
    return connection


def prepare(path: Path, schema: Schema, files: Files) -> None:
    """Make the database, or bring its schema to this version; safe in several processes at once.

    Raises Refused for a database that is not ours, of a newer version, or damaged; DatabaseError, OSError.
    """
    path.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    lock = WriteLock(path, files)
    try:
        with lock.held():
            _refuse_foreign(path, schema)
            _make_private(path, files)
            connection = connect(path, files, busy_timeout=BUSY_TIMEOUT)
            try:
                _migrate(connection, path, schema)
            finally:
                connection.close()
            files.fsync_folder(path.parent)
    except apsw.Error as err:
        raise _failure(path, err) from err
    finally:
        lock.close()


def check(path: Path, schema: Schema, files: Files) -> None:
    """See that a database can be worked with. Raises Refused for another version, and for damage; DatabaseError.

    Small databases are read through; damage in a large one shows when it is met, as a failure of that operation.
    """
    try:
        connection = connect(path, files, busy_timeout=BUSY_TIMEOUT)
        try:
            require_version(connection, path, schema)
            if path.stat().st_size <= CHECKED_AT_START:
                found = connection.execute("PRAGMA quick_check(1)").get
                if found != "ok":
                    raise _damaged(path, found)
        finally:
            connection.close()
    except apsw.Error as err:
        raise _failure(path, err) from err


def require_version(connection: apsw.Connection, path: Path, schema: Schema) -> None:
    """Raise Refused for a database of another version."""
    version = connection.pragma("user_version")
    if version != schema.version:
        raise _other_version(path, version, schema)


def _make_private(path: Path, files: Files) -> None:
    """A new file is for the service user only; SQLite's other files inherit that.

    One that exists is not touched: closing any descriptor of it would end all locks that this process has on it.
    """
    with contextlib.suppress(FileExistsError):
        files.close(files.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL))


def _migrate(connection: apsw.Connection, path: Path, schema: Schema) -> None:
    version = connection.pragma("user_version")
    if version > schema.version:
        raise _other_version(path, version, schema)
    if version == schema.version:
        return
    connection.pragma("journal_mode", "WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in schema.migrations[version:]:
            connection.execute(script)
        connection.pragma("application_id", schema.application_id)
        connection.pragma("user_version", schema.version)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _refuse_foreign(path: Path, schema: Schema) -> None:
    """Raise Refused for a database with tables of somebody else's; it is not written, not even its log."""
    wal = path.with_name(path.name + "-wal")
    has_wal = wal.exists() and wal.stat().st_size > 0
    if not path.exists() or (path.stat().st_size == 0 and not has_wal):
        return
    try:
        application_id, tables = _identity(path, "mode=ro" if has_wal else "immutable=1")
    except apsw.CantOpenError:  # the log went between our two looks: whoever had it has closed the database
        if not has_wal:
            raise
        application_id, tables = _identity(path, "immutable=1")
    if application_id == schema.application_id or not tables:
        return
    if tables >= MADDY_TABLES:
        raise Refused(
            f"{path} is a mailbox database of maddy: import it into a new one with `posthouse import maddy`"
        )
    raise Refused(f"{path} is a database of another program, not a {schema.name} of Posthouse")


def _identity(path: Path, mode: str) -> tuple[int, set[str]]:
    """The application id of a database, and its tables."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(f"file:{quote(os.fspath(path.absolute()))}?{mode}", flags=flags)
    try:
        connection.set_busy_timeout(round(BUSY_TIMEOUT * 1000))
        tables = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        return connection.pragma("application_id"), tables
    finally:
        connection.close()


def _other_version(path: Path, version: int, schema: Schema) -> Refused:
    if version > schema.version:
        text = f"{path} was made by a newer Posthouse (schema {version}; this one knows {schema.version})"
    else:
        text = f"{path} has schema {version}, but {schema.version} is needed: it was not prepared"
    return Refused(text)


def _failure(path: Path, error: apsw.Error) -> DatabaseError:
    if isinstance(error, apsw.NotADBError | apsw.CorruptError):
        return _damaged(path, error)
    known = translated(error)
    return type(known)(f"{path}: {known}")


def _damaged(path: Path, reason: object) -> Refused:
    return Refused(f"{path} is damaged ({reason}): restore it from a backup; it was not changed")
