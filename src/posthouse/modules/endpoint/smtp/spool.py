"""Bodies on their way in: in memory while they are small, then in a file that only this message knows."""

import asyncio
import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from posthouse.core.errors import DISK_FULL, MailError
from posthouse.framework.buffer import Body, FileBody, MemoryBody

WRITE_AT: Final = 262_144  # octets that gather before a thread writes them
NAME_OCTETS: Final = 32  # of the random name of a file
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

_NAME = re.compile(r"[0-9a-f]{64}")


class Spool:
    """Where the bodies of an endpoint wait."""

    def __init__(self, memory: int | None, directory: Path, random: Callable[[int], bytes]) -> None:
        """memory: octets from which on a body is in a file; None is never. random: gives that many octets."""
        self.memory = memory
        self._directory = directory
        self._random = random

    def clean(self) -> None:
        """Remove what a crash has left. Files of messages under way are locked, and stay."""
        for path in self._directory.iterdir():
            if not _NAME.fullmatch(path.name):
                continue
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)

    def create(self) -> "SpoolFile":
        """A new file, locked. Blocks. Raises OSError."""
        while True:
            path = self._directory / self._random(NAME_OCTETS).hex()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else it was cleaned away before it was locked
                return SpoolFile(path, descriptor)
            os.close(descriptor)


class SpoolFile:
    """An open file. Its methods block."""

    __slots__ = ("_descriptor", "path")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def write(self, chunks: list[bytes]) -> None:
        """Raises OSError."""
        view = memoryview(b"".join(chunks))
        while view:
            view = view[os.write(self._descriptor, view) :]

    def remove(self) -> None:
        """Close and remove it, if nobody took it away."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)


class BodyBuffer:
    """One body as it comes in. `finish` gives it out; `discard` ends it in every case."""

    __slots__ = ("_chunks", "_file", "_pending", "_size", "_spool")

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._chunks: list[bytes] = []
        self._pending = 0  # octets in `_chunks`
        self._size = 0
        self._file: SpoolFile | None = None

    async def write(self, data: bytes) -> None:
        """Raises MailError when the disk is full, OSError for other trouble with it."""
        self._chunks.append(data)
        self._pending += len(data)
        self._size += len(data)
        memory = self._spool.memory
        if memory is not None and self._pending >= (WRITE_AT if self._file else memory):
            await self._write_out()

    async def finish(self) -> Body:
        """The whole body, valid until `discard`. Raises like `write`."""
        if self._file is None and self._spool.memory != 0:
            return MemoryBody(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))
        if self._file is None or self._pending:
            await self._write_out()
        assert self._file is not None
        return FileBody(self._file.path, self._size)

    async def discard(self) -> None:
        """Forget the body, and remove its file."""
        self._chunks.clear()
        if self._file is not None:
            file, self._file = self._file, None
            await _in_thread(file.remove)

    async def _write_out(self) -> None:
        try:
            await _in_thread(self._write_chunks)
        except OSError as err:
            if err.errno in FULL:
                raise MailError(DISK_FULL, module="smtp") from err
            raise

    def _write_chunks(self) -> None:
        if self._file is None:
            self._file = self._spool.create()
        self._file.write(self._chunks)
        self._chunks.clear()
        self._pending = 0


async def _in_thread(function: Callable[[], None]) -> None:
    """Run what blocks. A cancellation waits until it is done, so that nothing is left behind unseen."""
    work = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise
