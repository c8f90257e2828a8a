"""Reading blobs: open files are kept, each read is checked."""

import os
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from posthouse.db.blobs import PIECE, Damaged, OwnFile, Place, body_of, large_path, segment_path
from posthouse.db.files import Files

OPEN_FILES: Final = 64


class _Descriptor:
    """An open file, closed when the last who reads from it lets go."""

    __slots__ = ("_files", "fd")

    def __init__(self, files: Files, path: Path) -> None:
        self._files = files
        self.fd = files.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            self._files.close(self.fd)


class BlobReader:
    """Reads from segments and large files, on the event loop and in threads."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._folder = folder
        self._files = files
        # By the number of a segment, or the name of a large file; the one used last at the end.
        self._open: OrderedDict[int | str, _Descriptor] = OrderedDict()
        self._mutex = threading.Lock()

    def close(self) -> None:
        self._open.clear()

    def close_unlinked(self) -> None:
        """Let go of files that were removed meanwhile: their space comes free. Blocks."""
        with self._mutex:
            for name, file in tuple(self._open.items()):
                if self._files.is_unlinked(file.fd):
                    del self._open[name]

    def bodies_now(self, places: Sequence[Place]) -> list[bytes] | None:
        """Bodies of the log that stand side by side, if the system has them in memory. Raises Damaged, and FileNotFoundError."""
        start, end = places[0].offset, places[-1].end
        file = self._descriptor(places[0].segment)
        try:
            octets = self._files.pread_now(file.fd, end - start, start)
        except OSError:
            return None
        if len(octets) < end - start:
            return None
        records = memoryview(octets)
        return [body_of(records[place.offset - start : place.end - start], place) for place in places]

    def body(self, place: Place) -> bytes:
        """A body of the log. Blocks. Raises Damaged, OSError, and FileNotFoundError: look the row up again."""
        file = self._descriptor(place.segment)
        record = self._files.pread(file.fd, place.record_length, place.offset)
        return body_of(memoryview(record), place)

    def part(self, own: OwnFile, offset: int, length: int) -> bytes:
        """At most `length` octets of a large file. Blocks. Raises Damaged, OSError, FileNotFoundError."""
        end = min(offset + length, own.length)
        if offset >= end:
            return b""
        first = offset // PIECE * PIECE
        last = min(-(-end // PIECE) * PIECE, own.length)
        file = self._descriptor(own.name)
        data = self._files.pread(file.fd, last - first, first)
        if len(data) != last - first:
            raise Damaged(f"large file {own.name} is too short")
        for at in range(0, len(data), PIECE):
            number = (first + at) // PIECE
            if (
                zlib.crc32(data[at : at + PIECE]).to_bytes(4, "little")
                != own.pieces[4 * number : 4 * number + 4]
            ):
                raise Damaged(f"wrong checksum in large file {own.name} at {first + at}")
        return data[offset - first : end - first]

    def _descriptor(self, name: int | str) -> _Descriptor:
        with self._mutex:
            file = self._open.get(name)
            if file is None:
                file = self._open[name] = _Descriptor(self._files, self._path(name))
                if len(self._open) > OPEN_FILES:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(name)
            return file

    def _path(self, name: int | str) -> Path:
        return segment_path(self._folder, name) if isinstance(name, int) else large_path(self._folder, name)
