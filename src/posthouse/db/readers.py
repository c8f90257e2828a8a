"""Connections that read: one for short reads on the event loop, some for long ones in threads (storage.md §8)."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import apsw

from posthouse.db.errors import translated
from posthouse.db.files import Files
from posthouse.db.sqlite import Schema, connect, connect_to_read

THREADS: Final = 4
INLINE_ROWS: Final = 256  # rows that may be read by key on the event loop

T = TypeVar("T")


@contextlib.contextmanager
def snapshot(connection: apsw.Connection) -> Iterator[None]:
    """Several statements that see the same state. Never held over an `await`: the log cannot be emptied meanwhile."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")


class Readers:
    """The reading side of one database in one process."""

    def __init__(self, path: Path, files: Files) -> None:
        self._path = path
        self._files = files
        self._inline: apsw.Connection | None = None
        self._free: deque[apsw.Connection] = deque()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="database")

    def open(self) -> None:
        """Raises DatabaseError."""
        try:
            self._inline = connect(self._path, self._files)
        except apsw.Error as err:
            raise translated(err) from err

    def open_to_read(self, schema: Schema) -> None:
        """Instead of `open`, for `now` alone: see `connect_to_read`, also for what is raised."""
        self._inline = connect_to_read(self._path, schema)

    async def aclose(self) -> None:
        """Wait for what runs in threads, and close all connections."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._inline is not None:
            self._inline.close()
        while self._free:
            self._free.popleft().close()

    def now(self, read: Callable[[apsw.Connection], T]) -> T:
        """Read on the event loop: at most INLINE_ROWS rows, by key. Raises DatabaseError."""
        assert self._inline is not None, "reading from a database that is not open"
        try:
            return read(self._inline)
        except apsw.Error as err:
            raise translated(err) from err

    async def in_thread(self, read: Callable[[apsw.Connection], T]) -> T:
        """Read in a thread. Raises DatabaseError."""
        return await self.call(lambda: self._read(read))

    async def call(self, function: Callable[[], T]) -> T:
        """Call what blocks in a thread. Raises FileNotFoundError as it is, DatabaseError for all else of SQLite and files."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        except FileNotFoundError:
            raise
        except (apsw.Error, OSError) as err:
            raise translated(err) from err

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call what blocks in a thread, and wait for nothing; it must not matter if we are closing."""
        with contextlib.suppress(RuntimeError):
            self._threads.submit(function)

    def _read(self, read: Callable[[apsw.Connection], T]) -> T:
        try:
            connection = self._free.popleft()
        except IndexError:
            connection = connect(self._path, self._files)
        try:
            return read(connection)
        finally:
            self._free.append(connection)
