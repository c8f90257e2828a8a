"""Bodies on their way in: in memory while they are small, then in a file that only this body knows."""

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

from posthouse.framework.buffer import CHUNK, Body, FileBody, MemoryBody

MEMORY: Final = 1_048_576  # octets from which on a body is in a file, unless it is said otherwise
WRITE_AT: Final = 262_144  # octets that gather before a thread writes them
HASH_AT_ONCE: Final = (
    65_536  # octets: canonical form and hash of more take over 0.3 ms, of less a thread is not worth it
)
NAME_OCTETS: Final = 32  # of the random name of a file

_NAME = re.compile(r"[0-9a-f]{64}")


class Spool:
    """A directory where bodies wait. Several may share one."""

    def __init__(
        self, directory: Path, random: Callable[[int], bytes], *, memory: int | None = MEMORY
    ) -> None:
        """random: gives that many unguessable octets. memory: octets from which on a body is in a file; None is never."""
        self.directory = directory
        self.memory = memory
        self._random = random

    def clean(self) -> None:
        """Remove what a crash has left. Files of bodies under way are locked, and stay. Raises OSError."""
        for path in self.directory.iterdir():
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
            path = self.directory / self._random(NAME_OCTETS).hex()
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

    def write(self, octets: bytes) -> None:
        """Raises OSError."""
        view = memoryview(octets)
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

    async def write(self, octets: bytes) -> None:
        """Raises OSError when the disk is full, or in other trouble."""
        self._chunks.append(octets)
        self._pending += len(octets)
        self._size += len(octets)
        memory = self._spool.memory
        if memory is not None and self._pending >= (WRITE_AT if self._file else memory):
            await _in_thread(self._write_out)

    async def finish(self) -> Body:
        """The whole body, valid until `discard`. Raises OSError."""
        if self._file is None and self._spool.memory != 0:
            return MemoryBody(self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks))
        if self._file is None or self._pending:
            await _in_thread(self._write_out)
        assert self._file is not None
        return FileBody(self._file.path, self._size)

    async def discard(self) -> None:
        """Forget the body, and remove its file."""
        self._chunks.clear()
        if self._file is not None:
            file, self._file = self._file, None
            await _in_thread(file.remove)

    def _write_out(self) -> None:
        if self._file is None:
            self._file = self._spool.create()
        self._file.write(b"".join(self._chunks))
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


async def read_chunks(body: Body) -> AsyncIterator[bytes]:
    """The body from its beginning; a spooled one is read in threads. Raises OSError."""
    chunks = body.chunks()
    if body.path is None:
        for chunk in chunks:
            yield chunk
    else:
        while chunk := await asyncio.to_thread(next, chunks, b""):
            yield chunk


async def hash_body(body: Body, update: Callable[[bytes], None]) -> None:
    """Give the body to a hash of it, piece by piece: a short one at once, any other in a thread. Raises OSError.

    After a cancellation the thread may still call `update`, which must touch nothing but what is given up with it.
    """
    if body.path is None and body.size <= HASH_AT_ONCE:
        _hash(body, update)
    else:
        await asyncio.to_thread(_hash, body, update)


def _hash(body: Body, update: Callable[[bytes], None]) -> None:
    for chunk in body.chunks():
        for at in range(0, len(chunk), CHUNK):  # one in memory may be long, and others want to run between
            update(chunk[at : at + CHUNK])
