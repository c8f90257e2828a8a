"""Are the bodies there, and what they were? Each octet of the blob log and of large files is read."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw

from posthouse.db import compact
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, OwnFile, segment_path
from posthouse.db.compact import Live
from posthouse.db.doomed import Doomed
from posthouse.db.files import Files
from posthouse.db.lock import WriteLock
from posthouse.db.mail import repair
from posthouse.db.mail.findings import Finding, messages_of

CHUNK: Final = 64  # rows of large files, looked at in one statement
READ: Final = 4 * 1024 * 1024  # octets of a large file read at a time
_SEGMENT_NAME: Final = re.compile(r"(\d{8,})\.seg")


class FileCheck:
    """The blob log and the large files, against the rows of `segment` and `blob`."""

    def __init__(self, connection: apsw.Connection, path: Path, files: Files) -> None:
        self._connection = connection
        self._path = path
        self._folder = path.with_name(path.name + ".blobs")
        self._files = files
        self._reader = BlobReader(self._folder, files)

    def findings(self) -> Iterator[Finding]:
        try:
            for (number,) in self._rows("SELECT id FROM segment ORDER BY id"):
                yield from self._segment(number)
                yield from self._bodies(number)
            yield from self._large_files()
            yield from self._strays()
        finally:
            self._reader.close()

    def _rows(self, sql: str, *bindings: object) -> list[Any]:
        execute: Any = self._connection.execute
        rows: list[Any] = execute(sql, bindings).fetchall()
        return rows

    def _segment(self, number: int) -> Iterator[Finding]:
        path = segment_path(self._folder, number)
        rows = self._rows(
            "SELECT state, size, dead, (SELECT coalesce(sum(length + 16), 0) FROM blob WHERE segment = segment.id)"
            " FROM segment WHERE id = ?",
            number,
        )
        octets = path.stat().st_size if path.exists() else -1
        if not rows or (octets < 0 and not self._rows("SELECT 1 FROM segment WHERE id = ?", number)):
            return  # given up meanwhile
        state, size, dead, alive = rows[0]
        if octets < 0:
            yield Finding(f"{path.name}: the file is missing")
        elif octets < size:
            yield Finding(f"{path.name}: the file has {octets} octets, but {size} were written")
        if state not in (0, 1):
            yield Finding(f"{path.name}: nobody knows state {state}")
        if dead != size - alive:
            text = f"{path.name}: {dead} octets are said to be dead, {size - alive} are"
            yield Finding(text, "count them anew", repair.RecountSegment(number) if size >= alive else None)

    def _bodies(self, segment: int) -> Iterator[Finding]:
        after, end = -1, 0
        while found := compact.live(self._connection, segment, after):
            after = found[-1].place.offset
            for one in found:
                if one.place.offset < end and self._is_there(one):
                    yield Finding(
                        f"{messages_of(self._connection, one.blob)}: its body overlaps with another"
                    )
                end = max(end, one.place.offset + one.place.record_length)
                yield from self._body(one)

    def _body(self, one: Live) -> Iterator[Finding]:
        try:
            self._reader.body(one.place)
        except (Damaged, OSError) as err:
            if self._is_there(one):
                yield Finding(f"{messages_of(self._connection, one.blob)}: {_reason(err)}")

    def _is_there(self, one: Live) -> bool:
        """Whether a body has not been moved or removed meanwhile."""
        place = one.place
        return bool(
            self._rows(
                "SELECT 1 FROM blob WHERE id = ? AND segment = ? AND offset = ?",
                one.blob,
                place.segment,
                place.offset,
            )
        )

    def _large_files(self) -> Iterator[Finding]:
        after = 0
        while rows := self._rows(
            "SELECT id, file, length, pieces FROM blob WHERE file IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
            after,
            CHUNK,
        ):
            for number, name, length, pieces in rows:
                after = number
                try:
                    for offset in range(0, length, READ):
                        self._reader.part(OwnFile(name, length, pieces), offset, READ)
                except (Damaged, OSError) as err:
                    if self._rows("SELECT 1 FROM blob WHERE id = ?", number):
                        yield Finding(f"{messages_of(self._connection, number)}: {_reason(err)}")

    def _strays(self) -> Iterator[Finding]:
        """Files that no row knows. A new segment has its row when the write lock is free again."""
        segments = [Doomed(int(match[1]), "") for path in self._listed("") if (match := _match(path))]
        large = [Doomed(0, path.name) for path in self._listed("large/*/")]
        lock = WriteLock(self._path, self._files)
        try:
            with lock.held():
                segments = [one for one in segments if self._is_stray(one)]
        finally:
            lock.close()
        for one in segments + [one for one in large if self._is_stray(one)]:
            path = one.path(self._folder)
            yield Finding(
                f"{path.relative_to(self._folder)}: nothing refers to this file",
                "remove it",
                repair.DoomFile(one),
            )

    def _listed(self, below: str) -> list[Path]:
        return sorted(self._folder.glob(f"{below}*"))

    def _is_stray(self, one: Doomed) -> bool:
        """Whether a file has no row, and will have none. In this order: marker, row, file (see db/large.py)."""
        if one.file and (self._folder / "incoming" / one.file).exists():
            return False
        known = self._rows(
            "SELECT 1 FROM doomed WHERE segment = ?1 AND file = ?2 UNION ALL SELECT 1 FROM segment WHERE id = ?1"
            " UNION ALL SELECT 1 FROM blob WHERE file = ?2",
            *one,
        )
        return not known and one.path(self._folder).exists()


def _match(path: Path) -> "re.Match[str] | None":
    return _SEGMENT_NAME.fullmatch(path.name)


def _reason(error: Exception) -> str:
    return "its body is missing" if isinstance(error, FileNotFoundError) else f"its body is damaged: {error}"
