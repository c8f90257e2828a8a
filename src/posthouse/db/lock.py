"""The file lock that the writers of a database queue on: fair where SQLite's own busy wait is not (storage.md §3)."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from posthouse.db.files import Files


class WriteLock:
    """`DATABASE.lock`, held around each writing transaction. One object a thread; the file is never removed."""

    def __init__(self, database: Path, files: Files) -> None:
        self._files = files
        self._fd = files.open(database.with_name(database.name + ".lock"), os.O_RDWR | os.O_CREAT)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock, without limit: whoever waits for the work bounds his own wait."""
        self._files.lock(self._fd)
        try:
            yield
        finally:
            self._files.unlock(self._fd)

    def close(self) -> None:
        self._files.close(self._fd)
