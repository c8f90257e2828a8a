"""The directories that the server lives in, and the lock that keeps a second server out."""

import fcntl
import os
from pathlib import Path


class DirectoryError(Exception):
    """A directory cannot be used; the text names it, the reason, and what to do."""


def ensure_directory(path: Path, directive: str) -> None:
    """Make a private directory (0700) if it is missing, and see that we can write in it.

    directive: the configuration's word for it, for the error.
    """
    probe = path / "writeable-test"
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise DirectoryError(
            f"cannot write in {directive} {path}: {reason}; make it writable for the user that runs the server,"
            f" or name another one with the directive {directive}"
        ) from err


class DirectoryLock:
    """An exclusive lock on a directory, held as long as the process lives: a kill frees it (R-017)."""

    def __init__(self, directory: Path) -> None:
        """Raises DirectoryError when another process holds it."""
        path = directory / "server.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            holder = os.read(self._descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise DirectoryError(
                f"another server already runs on {directory} (process {holder}); stop it first, or give this one"
                " a state_dir of its own"
            ) from err
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
