"""Large bodies: each in a file of its own, complete and synced before its unit of work is begun.

While its row is not committed, a file has a marker in `incoming`, which its maker holds a lock on: so what a crash left
behind is found at the next start without a look at all files.
"""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from posthouse.db.blobs import PIECE, OwnFile, checksums, large_path
from posthouse.db.connection import WriteConnection
from posthouse.db.files import Files

_INCOMING: Final = "incoming"
# Reasons for which a second name is not possible, where a copy may be.
_NO_LINK: Final = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
)


class LargeBlobs:
    """Makes large files. All calls block and may come from any thread."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder
        self._files = files
        self._markers: dict[str, int] = {}  # by name: descriptors, locked

    def adopt(self, path: Path, size: int) -> OwnFile | None:
        """Give a finished file a second name here, without copying it; None if the system cannot. Raises OSError."""
        name = self._begin()
        try:
            try:
                self._files.link(path, large_path(self._folder, name))
            except OSError as err:
                if err.errno not in _NO_LINK:
                    raise
                self.forget(name)
                return None
            fd = self._files.open(large_path(self._folder, name), os.O_RDWR)
            try:
                return self._finish(name, fd, self._checksums(fd, size), size)
            finally:
                self._files.close(fd)
        except BaseException:
            self.forget(name)
            raise

    def write(self, chunks: Iterable[bytes]) -> OwnFile:
        """A new file of these octets. Raises OSError; then nothing is left behind."""
        name = self._begin()
        try:
            fd = self._files.open(large_path(self._folder, name), os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                size, pieces = 0, b""
                for piece in _in_pieces(chunks):
                    self._write(fd, piece, size)
                    size, pieces = size + len(piece), pieces + checksums(piece)
                return self._finish(name, fd, pieces, size)
            finally:
                self._files.close(fd)
        except BaseException:
            self.forget(name)
            raise

    def keep(self, name: str) -> None:
        """The row of this file is committed."""
        self._marker(name).unlink(missing_ok=True)
        self.leave(name)

    def leave(self, name: str) -> None:
        """Nobody knows whether its row will be there after a crash: the next start will see."""
        fd = self._markers.pop(name, None)
        if fd is not None:
            self._files.close(fd)

    def forget(self, name: str) -> None:
        """There is no row, and will be none."""
        if name in self._markers:
            large_path(self._folder, name).unlink(missing_ok=True)
            self.keep(name)

    def sweep(self, db: WriteConnection) -> None:
        """At start: remove what was left behind without a row by processes that are no more."""
        incoming = self._folder / _INCOMING
        for marker in incoming.iterdir() if incoming.is_dir() else ():
            try:
                fd = self._files.open(marker, os.O_RDWR)
            except FileNotFoundError:  # its maker has committed, or given up, just now
                continue
            try:
                if self._files.try_lock(fd):
                    if not db.execute("SELECT 1 FROM blob WHERE file = ?", (marker.name,)).fetchall():
                        large_path(self._folder, marker.name).unlink(missing_ok=True)
                    marker.unlink(missing_ok=True)
            finally:
                self._files.close(fd)

    def close(self) -> None:
        for name in tuple(self._markers):
            self.leave(name)

    def _begin(self) -> str:
        """A new name, with its marker."""
        name = secrets.token_hex(16)
        path = large_path(self._folder, name)
        for folder in (self._folder / _INCOMING, path.parent.parent, path.parent):
            if not folder.is_dir():
                self._files.make_folder(folder)
                self._files.fsync_folder(folder.parent)
        fd = self._files.open(self._marker(name), os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._files.lock(fd)
        self._markers[name] = fd
        return name

    def _finish(self, name: str, fd: int, pieces: bytes, size: int) -> OwnFile:
        """File and name onto the disk."""
        self._files.fdatasync(fd)
        self._files.fsync_folder(large_path(self._folder, name).parent)
        return OwnFile(name, size, pieces)

    def _checksums(self, fd: int, size: int) -> bytes:
        pieces = b"".join(checksums(self._files.pread(fd, PIECE, at)) for at in range(0, size, PIECE))
        if self._files.size(fd) != size:
            raise OSError(errno.EIO, "the file has not the size that it should have")
        return pieces

    def _write(self, fd: int, data: bytes, offset: int) -> None:
        while data:
            written = self._files.pwritev(fd, [data], offset)
            offset, data = offset + written, data[written:]

    def _marker(self, name: str) -> Path:
        return self._folder / _INCOMING / name


def _in_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same octets, PIECE at a time."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)
