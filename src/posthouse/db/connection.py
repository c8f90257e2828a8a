"""The connection that writes: its transactions, and what must happen after one failed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from posthouse.db.files import Files
from posthouse.db.lock import WriteLock
from posthouse.db.sqlite import connect

# Values that only grow. Every schema with a blob log has this table.
COUNTERS_SCHEMA: Final = """
CREATE TABLE counter(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counter VALUES('barrier', 0);
"""


class WriteConnection:
    """A connection and the write lock of its database, used by one thread."""

    def __init__(self, path: Path, files: Files, *, cache: int, busy_timeout: float) -> None:
        self.lock = WriteLock(path, files)
        try:
            self.sql = connect(path, files, cache=cache, busy_timeout=busy_timeout)
        except BaseException:
            self.lock.close()
            raise
        self.execute = self.sql.execute
        self._doubtful = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction under the write lock: committed on leaving, rolled back for an exception."""
        with self.lock.held(), self.begun():
            yield

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """A transaction whose caller holds the write lock."""
        if self.sql.in_transaction:  # of which even the ROLLBACK failed
            self.execute("ROLLBACK")
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException as err:
            self._doubtful |= isinstance(err, apsw.Error)
            if self.sql.in_transaction:
                self.execute("ROLLBACK")
            raise

    def settle(self) -> None:
        """After a failed commit: write over what the log may hold of it.

        Until then a crash could bring the refused transaction back, for its frames may be whole in the log. So
        nothing is taken before a transaction that changes a value has committed; an empty one writes no frame.
        """
        if self._doubtful:
            with self.transaction():
                self.execute("UPDATE counter SET value = value + 1 WHERE name = 'barrier'")
            self._doubtful = False

    def close(self) -> None:
        self.sql.close()
        self.lock.close()
