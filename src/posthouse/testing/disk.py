"""Disks that fail: every call that durability rests on is seen, and may be refused or forgotten.

A FaultyDisk stands behind `Files` and behind a SQLite VFS of its own. It refuses calls as it is told, and writes down what
reached the disk in which order, so that a power cut at any moment can be played (storage.md §1).
"""

import errno
import os
import random
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import apsw

from posthouse.db.files import Files

BLOCKS: Final = (512, 4096)  # octets that a disk writes as a whole
SURVIVING: Final = 0.6  # of the blocks that were written, but not synced, when the power goes


@dataclass(frozen=True, slots=True)
class Write:
    path: Path
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Sync:
    path: Path


@dataclass(frozen=True, slots=True)
class Delete:
    path: Path


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that the test wants to know the moment of."""

    what: Any


Entry = Write | Truncate | Sync | Delete | Mark

# Called before a write or a sync, with "write" or "sync" and the file: it may raise OSError.
Fault = Callable[[str, Path], None]


def no_fault(_call: str, _path: Path) -> None:
    """All is well."""


class FaultyDisk:
    """One disk. `files` is for the code that is tested; `fault` may be set at any time.

    forgets: the files whose syncs do nothing, though nobody is told.
    """

    def __init__(self, *, forgets: Callable[[Path], bool] = lambda path: False) -> None:
        self.fault: Fault = no_fault
        self.log: list[Entry] = []
        self._forgets = forgets
        name = f"faulty-{secrets.token_hex(8)}"
        self._vfs = _Vfs(self, name)
        self.files: Files = _FaultyFiles(self, name)

    def mark(self, what: object) -> None:
        """Note a moment, such as an answer to a client."""
        self.log.append(Mark(what))

    def sync(self, path: Path) -> None:
        """What is on the disk is noted; files whose syncs are forgotten are left out."""
        if not self._forgets(path):
            self.log.append(Sync(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vfs.unregister()


class _FaultyFiles(Files):
    def __init__(self, disk: FaultyDisk, vfs: str) -> None:
        self.vfs = vfs
        self._disk = disk
        self._paths: dict[int, Path] = {}

    def open(self, path: Path, flags: int) -> int:
        is_new = not path.exists()
        fd = super().open(path, flags)
        self._paths[fd] = path
        if is_new or flags & os.O_TRUNC:
            self._disk.log.append(Truncate(path, 0))
            self._disk.log.append(Sync(path))  # names and empty files are there at once
        return fd

    def pwritev(self, fd: int, buffers: Sequence[bytes], offset: int) -> int:
        path = self._paths[fd]
        self._disk.fault("write", path)
        written = super().pwritev(fd, buffers, offset)
        self._disk.log.append(Write(path, offset, b"".join(buffers)[:written]))
        return written

    def fdatasync(self, fd: int) -> None:
        self._disk.fault("sync", self._paths[fd])
        super().fdatasync(fd)
        self._disk.sync(self._paths[fd])

    def link(self, source: Path, path: Path) -> None:
        super().link(source, path)
        self._disk.log.append(Write(path, 0, source.read_bytes()))

    def unlink(self, path: Path) -> None:
        super().unlink(path)
        self._disk.log.append(Delete(path))


class _Vfs(apsw.VFS):
    """SQLite's own VFS with the disk's eyes on it."""

    def __init__(self, disk: FaultyDisk, name: str) -> None:
        self._disk = disk
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> "_VfsFile":  # noqa: N802 - apsw's names, here and below
        return _VfsFile(self._disk, name, flags)

    def xDelete(self, name: str, syncdir: bool) -> None:  # noqa: N802
        super().xDelete(name, syncdir)
        self._disk.log.append(Delete(Path(name)))


class _VfsFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        named = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._path = Path(named or "/unnamed")
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._ask("write", apsw.SQLITE_IOERR_WRITE)
        super().xWrite(data, offset)
        self._disk.log.append(Write(self._path, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._disk.log.append(Truncate(self._path, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._ask("sync", apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)
        self._disk.sync(self._path)

    def _ask(self, call: str, code: int) -> None:
        """The disk's faults, as SQLite's own VFS tells them."""
        try:
            self._disk.fault(call, self._path)
        except OSError as err:
            if err.errno == errno.ENOSPC and call == "write":
                raise apsw.FullError(str(err)) from err
            raise apsw.exception_for(code) from err


def after_power_cut(log: Sequence[Entry], moment: int, chance: random.Random) -> dict[Path, bytes]:
    """What is on the disk when the power goes before entry `moment`: contents of files by name.

    What was synced is there, and of the blocks that were written later some, in any order. Names come and go at once.
    """
    contents: dict[Path, bytearray] = {}
    waiting: dict[Path, list[Write | Truncate]] = {}
    for entry in log[:moment]:
        match entry:
            case Write(path) | Truncate(path):
                contents.setdefault(path, bytearray())
                waiting.setdefault(path, []).append(entry)
            case Sync(path):
                for change in waiting.pop(path, ()):
                    _apply(contents[path], change)
            case Delete(path):
                contents.pop(path, None)
                waiting.pop(path, None)
    block = chance.choice(BLOCKS)
    for path, changes in waiting.items():
        for change in changes:
            for part in _in_blocks(change, block):
                if chance.random() < SURVIVING:
                    _apply(contents[path], part)
    return {path: bytes(content) for path, content in contents.items()}


def _in_blocks(change: Write | Truncate, block: int) -> Iterator[Write | Truncate]:
    if isinstance(change, Truncate):
        yield change
        return
    at = 0
    while at < len(change.data):
        length = block - (change.offset + at) % block
        yield Write(change.path, change.offset + at, change.data[at : at + length])
        at += length


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.size :]
        content.extend(bytes(change.size - len(content)))
        return
    content.extend(bytes(max(change.offset - len(content), 0)))
    content[change.offset : change.offset + len(change.data)] = change.data
