"""Checkpoints: what the write-ahead log holds moves into the database, mostly in a thread of its own (storage.md §6)."""

import threading
from pathlib import Path
from typing import Final

import apsw

from posthouse.core.log import Logger
from posthouse.db.files import Files
from posthouse.db.sqlite import connect

THREAD_PAGES: Final = 1_000  # pages in the log that wake the thread
WRITER_PAGES: Final = (
    4_000  # pages from which on the writer helps: a passive run alone never meets the end of the log
)
IDLE: Final = 10.0  # seconds without a commit
LONG_LOG: Final = 64 * 1024 * 1024  # octets: a longer log file is cut off when idle


class Checkpointer:
    """Keeps the log of one database short. `start` and `stop` by the thread that writes."""

    def __init__(self, path: Path, files: Files, log: Logger) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._files = files
        self._log = log
        self._wake = threading.Event()
        self._running = threading.Lock()  # one checkpoint at a time: the writer waits for the thread's
        self._stopping = False
        self._thread = threading.Thread(target=self._main, name="checkpoint", daemon=True)
        self._connection: apsw.Connection | None = None
        self._pages = 0  # in the log after the last commit
        self._thread_bound = THREAD_PAGES
        self._writer_bound = WRITER_PAGES

    def start(self, writer: apsw.Connection) -> None:
        self._connection = connect(self._path, self._files)
        writer.set_wal_hook(self._committed)
        self._thread.start()

    def stop(self) -> None:
        if self._connection is not None:
            self._stopping = True
            self._wake.set()
            self._thread.join()
            self._connection.close()

    def help(self, writer: apsw.Connection) -> None:
        """After a commit, by the writer: move the last pages, so that the next commit begins the log anew."""
        if self._pages >= self._writer_bound:
            self._writer_bound = self._pages + THREAD_PAGES
            self._checkpoint(writer, apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _committed(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        """Called in each COMMIT. After a try that was in vain (a reader holds on) we wait for as many pages again."""
        if pages < self._pages:
            self._thread_bound, self._writer_bound = THREAD_PAGES, WRITER_PAGES
        self._pages = pages
        if pages >= self._thread_bound:
            self._thread_bound = pages + THREAD_PAGES
            self._wake.set()
        return apsw.SQLITE_OK

    def _main(self) -> None:
        assert self._connection is not None
        while not self._stopping:
            woken = self._wake.wait(IDLE)
            self._wake.clear()
            if self._stopping:
                return
            if woken:
                self._checkpoint(self._connection, apsw.SQLITE_CHECKPOINT_PASSIVE)
            elif self._wal.exists() and self._wal.stat().st_size > LONG_LOG:
                self._checkpoint(self._connection, apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def _checkpoint(self, connection: apsw.Connection, mode: int) -> None:
        try:
            with self._running:
                connection.wal_checkpoint(mode=mode)
        except apsw.BusyError:
            pass  # another process runs one
        except apsw.Error as err:  # the log keeps everything; the next run tries again
            self._log.error("checkpoint failed", err, database=self._path.name)
