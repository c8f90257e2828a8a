"""What modules on SQL databases have in common: directives, and what a failure of the database means to a peer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from posthouse.core.errors import BUSY, DISK_FULL, INTERNAL, MailError
from posthouse.db.errors import Busy, DatabaseError, DiskFull
from posthouse.framework.config.values import Several, Single


def _driver(name: str) -> str:
    if name == "postgres":
        raise ValueError("driver postgres is not available in this version")
    if name != "sqlite3":
        raise ValueError("invalid argument, valid values are: [sqlite3 postgres]")
    return name


driver: Final = Single("sqlite3 | postgres", _driver)
dsn: Final = Several("strings", " ".join)
DSN_HELP: Final = "file name, relative to state_dir; or a file: URI, or :memory:"


@contextmanager
def as_mail_errors(module: str) -> Iterator[None]:
    """A database that cannot tell now is a transient failure (design §5)."""
    try:
        yield
    except Busy as err:
        raise MailError(BUSY, module=module) from err
    except DiskFull as err:
        raise MailError(DISK_FULL, module=module) from err
    except DatabaseError as err:
        raise MailError(INTERNAL, module=module) from err


@contextmanager
def as_start_errors(where: str) -> Iterator[None]:
    """A database that cannot be prepared ends the start. where: its URI."""
    try:
        yield
    except DatabaseError as err:
        raise OSError(f"unable to prepare the database {where}: {err}") from err
