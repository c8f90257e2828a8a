"""The file calls that durability rests on, in one object: crash tests replace it and see, or spoil, every one."""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class Files:
    """Calls of the operating system on files beside a database. Each raises OSError as the system says it.

    vfs: the name of the SQLite VFS that databases are opened with; None is SQLite's own.
    """

    vfs: str | None = None

    def open(self, path: Path, flags: int) -> int:
        """A descriptor of a file, private to the service user when it is made; closed over exec."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)

    def close(self, fd: int) -> None:
        os.close(fd)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def is_unlinked(self, fd: int) -> bool:
        """Whether a file has no name any more."""
        return os.fstat(fd).st_nlink == 0

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        """How many octets were written, which may be fewer than given."""
        return os.pwritev(fd, buffers, offset)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return os.pread(fd, length, offset)

    def pread_now(self, fd: int, length: int, offset: int) -> bytearray:
        """Like `pread`, but only what the system has in memory. Raises OSError when that is nothing, or cannot be told."""
        buffer = bytearray(length)
        del buffer[os.preadv(fd, (buffer,), offset, os.RWF_NOWAIT) :]
        return buffer

    def fdatasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def fsync_folder(self, path: Path) -> None:
        """Make the names in a folder durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def make_folder(self, path: Path) -> None:
        """Make a private folder if it is not there."""
        path.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)

    def link(self, source: Path, path: Path) -> None:
        """A second name for a file, on the same file system."""
        os.link(source, path, follow_symlinks=False)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def lock(self, fd: int) -> None:
        """Wait until the lock on an open file is ours."""
        fcntl.flock(fd, fcntl.LOCK_EX)

    def try_lock(self, fd: int) -> bool:
        """Take the lock on an open file if nobody has it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(self, fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)
