"""What can go wrong with a database, in words of its own; each border above turns them into replies."""

import errno

import apsw


class DatabaseError(Exception):
    """The database or a file beside it failed. Nothing of the unit of work is left behind."""


class Busy(DatabaseError):
    """Tried for a bounded time: another process holds a lock, or too much waits already."""


class DiskFull(DatabaseError):
    """There is no space (or quota) left."""


class Refused(DatabaseError):
    """The database is not opened; the text says why, and what the operator can do."""


_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})


def translated(error: BaseException) -> DatabaseError:
    """A failure of SQLite or of a file, as one of ours."""
    if isinstance(error, DatabaseError):
        return error
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Busy(str(error))
    if isinstance(error, apsw.FullError) or (isinstance(error, OSError) and error.errno in _FULL_ERRNOS):
        return DiskFull(str(error))
    return DatabaseError(str(error) or type(error).__name__)
