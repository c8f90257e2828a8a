"""Files that nothing points to any more: unlinked for good, then forgotten.

A file is unlinked after the commit that made it useless, by anybody: its row stays until it is gone for good, so a crash
in between leaves no garbage.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from posthouse.db.blobs import large_path, segment_path
from posthouse.db.files import Files
from posthouse.db.lease import BACKUP, is_held
from posthouse.db.readers import Readers
from posthouse.db.units import Executors, Unit, Work

AT_ONCE: Final = 64  # files

# Files that no blob or segment points to any more, yet to be unlinked. As in `blob`, segment 0 is for large files.
DOOMED_SCHEMA: Final = """
CREATE TABLE doomed(segment INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY(segment, file)) STRICT, WITHOUT ROWID;
"""


class Doomed(NamedTuple):
    """A segment, or (segment 0) a large file."""

    segment: int
    file: str

    def path(self, folder: Path) -> Path:
        return segment_path(folder, self.segment) if self.segment else large_path(folder, self.file)


@dataclass(frozen=True, slots=True)
class ForgetFiles(Unit[None]):
    """These files are gone."""

    files: Sequence[Doomed]

    @property
    def rows(self) -> int:
        return len(self.files)

    @property
    def gives_way(self) -> bool:
        return True


def forget_files(work: Work, unit: ForgetFiles, _blob: Any) -> None:
    for segment, file in unit.files:
        work.execute("DELETE FROM doomed WHERE segment = ? AND file = ?", (segment, file))


def doomed(connection: apsw.Connection, now: int) -> list[Doomed]:
    """Some of the files that can go; none while a backup runs, which may have seen them in use."""
    if is_held(connection, BACKUP, now):
        return []
    rows: Any = connection.execute("SELECT segment, file FROM doomed LIMIT ?", (AT_ONCE,))
    return [Doomed(*row) for row in rows.fetchall()]


def unlink(found: Sequence[Doomed], folder: Path, files: Files) -> None:
    """Remove the files, so that they stay removed. Blocks. Raises OSError."""
    paths = [one.path(folder) for one in found]
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            files.unlink(path)
    for parent in {path.parent for path in paths}:
        with contextlib.suppress(FileNotFoundError):
            files.fsync_folder(parent)


async def remove_doomed(
    readers: Readers, run: Callable[[Unit[Any]], Awaitable[Any]], folder: Path, files: Files, now: int
) -> None:
    """Remove all files that can go. Raises DatabaseError."""
    while found := await readers.in_thread(partial(doomed, now=now)):
        await readers.call(partial(unlink, found, folder, files))
        await run(ForgetFiles(found))


DOOMED_EXECUTORS: Final[Executors] = {ForgetFiles: forget_files}
