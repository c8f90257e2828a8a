"""The blob log, as its writer sees it: segments that are only appended to (storage.md §9, rules 3, 5 to 7).

A segment belongs to one process, which holds a lock on its file. Octets once written are never written over, nor cut
off, whether a row points to them or not: a refused transaction may come back in a crash and claim its own.
"""

import contextlib
import errno
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posthouse.db.blobs import Body, Place, record_header, segment_path
from posthouse.db.connection import WriteConnection
from posthouse.db.errors import Refused
from posthouse.db.files import Files
from posthouse.db.large import LargeBlobs

SEGMENT_MAX: Final = 64 * 1024 * 1024  # octets after which a new segment is begun
VECTORS_MAX: Final = 1000  # buffers of one write; the system takes 1024
FREE_SEGMENTS_MAX: Final = 4  # open segments without an owner that are left for others
_SEGMENT_NAME: Final = re.compile(r"(\d{8,})\.seg")
_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(slots=True)
class _Segment:
    """The segment that is ours."""

    number: int
    fd: int
    end: int  # where the next record goes
    committed: int  # as the database has it
    dead: int = 0  # octets to be counted as dead with the next commit
    broken: bool = False  # a write or a sync failed: never touched again


class BlobLog:
    """Appends bodies. Used by the writer thread only; its own transactions are under the write lock."""

    def __init__(self, folder: Path, files: Files, large: LargeBlobs) -> None:
        self._folder = folder
        self._files = files
        self._large = large
        self._own: _Segment | None = None
        self.missing: list[Path] = []  # segments that recovery did not find: their messages are broken

    def recover(self, db: WriteConnection) -> None:
        """At start: claim an open segment that nobody owns, and remove files that have no row.

        Raises Refused if a segment is shorter than the database knows it: acknowledged mail was lost.
        """
        if not self._folder.is_dir():
            self._files.make_folder(self._folder)
            self._files.fsync_folder(self._folder.parent)
        with db.transaction():
            self._claim(db)
            self._large.sweep(db)
            known = {number for (number,) in db.execute("SELECT id FROM segment")}
            for path in self._folder.iterdir():
                match = _SEGMENT_NAME.fullmatch(path.name)
                if match is not None and int(match[1]) not in known:
                    with contextlib.suppress(FileNotFoundError):  # a compaction elsewhere was faster
                        self._files.unlink(path)

    def append(self, db: WriteConnection, bodies: Sequence[Body]) -> list[Place]:
        """Write bodies and sync them: when this returns they are on the disk. Raises OSError, DatabaseError.

        A place is only valid once `record` was part of a transaction that committed.
        """
        segment = self._writable(db)
        places: list[Place] = []
        buffers: list[bytes] = []
        at = segment.end
        for body in bodies:
            place = Place(segment.number, at, len(body.octets), body.crc)
            places.append(place)
            buffers += (record_header(body, segment.number), body.octets)
            at += place.record_length
        self._write(segment, buffers)
        try:
            self._files.fdatasync(segment.fd)
        except (
            OSError
        ):  # never tried again: the system may have dropped the pages and call the next sync a success
            segment.broken = True
            raise
        return places

    def waste(self, places: Sequence[Place]) -> None:
        """No row will point to these."""
        if self._own is not None:
            self._own.dead += sum(p.record_length for p in places if p.segment == self._own.number)

    def record(self, db: WriteConnection) -> None:
        """Put the end of our segment into the running transaction."""
        own = self._own
        if own is not None and not own.broken and own.end != own.committed:
            db.execute(
                "UPDATE segment SET size = ?, dead = dead + ? WHERE id = ?", (own.end, own.dead, own.number)
            )

    def committed(self) -> None:
        """The transaction that `record` was part of has committed."""
        if self._own is not None and not self._own.broken:
            self._own.committed, self._own.dead = self._own.end, 0

    def close(self) -> None:
        """Let go of our segment: the next process claims it."""
        if self._own is not None:
            self._files.close(self._own.fd)
            self._own = None

    def _write(self, segment: _Segment, buffers: list[bytes]) -> None:
        begin = segment.end
        try:
            while buffers:
                written = self._files.pwritev(segment.fd, buffers[:VECTORS_MAX], segment.end)
                segment.end += written
                buffers = _after(buffers, written)
        except OSError as err:
            segment.broken = err.errno not in _NO_SPACE  # a full disk spoils nothing: we go on behind it
            segment.end = max(segment.end, self._files.size(segment.fd))
            segment.dead += segment.end - begin
            raise

    def _writable(self, db: WriteConnection) -> _Segment:
        own = self._own
        if own is None or own.broken or own.end >= SEGMENT_MAX:
            own = self._begin_segment(db, own)
        return own

    def _begin_segment(self, db: WriteConnection, old: _Segment | None) -> _Segment:
        """A new segment, on the disk with its name before its row is; the old one is sealed with what it has."""
        fd = -1
        try:
            with db.transaction():
                db.execute("INSERT INTO segment DEFAULT VALUES")
                number = db.sql.last_insert_rowid()
                if old is not None:
                    db.execute("UPDATE segment SET state = 1 WHERE id = ?", (old.number,))
                path = segment_path(self._folder, number)
                fd = self._files.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
                self._files.lock(fd)
                self._files.fdatasync(fd)
                self._files.fsync_folder(self._folder)
        except BaseException:
            if fd >= 0:
                self._files.close(fd)
            raise
        if old is not None:
            self._files.close(old.fd)
        self._own = _Segment(number, fd, 0, 0)
        return self._own

    def _claim(self, db: WriteConnection) -> None:
        free = 0
        open_segments = list(db.execute("SELECT id, size FROM segment WHERE state = 0 ORDER BY id"))
        for number, size in open_segments:
            fd = self._open_free(db, number)
            if fd is None:
                continue
            end = self._files.size(fd)
            if end < size:
                self._files.close(fd)
                raise self._lost(number, size, end)
            if end > size:
                db.execute(
                    "UPDATE segment SET size = ?, dead = dead + ? WHERE id = ?", (end, end - size, number)
                )
            if self._own is None and end < SEGMENT_MAX:
                self._own = _Segment(number, fd, end, end)
                continue
            free += 1
            if free > FREE_SEGMENTS_MAX or end >= SEGMENT_MAX:
                db.execute("UPDATE segment SET state = 1 WHERE id = ?", (number,))
            self._files.close(fd)

    def _open_free(self, db: WriteConnection, number: int) -> int | None:
        """A locked descriptor of a segment, or None if somebody owns it, or it is not there."""
        path = segment_path(self._folder, number)
        try:
            fd = self._files.open(path, os.O_RDWR)
        except FileNotFoundError:
            db.execute("UPDATE segment SET state = 1 WHERE id = ?", (number,))
            self.missing.append(path)
            return None
        if self._files.try_lock(fd):
            return fd
        self._files.close(fd)
        return None

    def _lost(self, number: int, size: int, end: int) -> Refused:
        path = segment_path(self._folder, number)
        return Refused(
            f"{path} has {end} octets, but {size} were written: mail was lost. Restore it from a backup;"
            " or move it away, then the messages in it are shown as damaged"
        )


def _after(buffers: list[bytes], written: int) -> list[bytes]:
    """What is left of buffers when so many octets were written."""
    for at, buffer in enumerate(buffers):
        if written < len(buffer):
            return [buffer[written:], *buffers[at + 1 :]]
        written -= len(buffer)
    return []
