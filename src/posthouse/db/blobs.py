"""Where bodies of messages lie: places in the blob log, and how a record of it looks.

A blob is a record in a segment, `DSN.blobs/NUMBER.seg`, or a file of its own, `DSN.blobs/large/XX/NAME`. The database
alone says which records are valid; their headers serve the check at each read, and tools.
"""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

MAGIC: Final = b"PhB1"
_HEADER: Final = struct.Struct("<4sIII")  # magic, length and CRC-32 of the body, number of the segment
RECORD_HEADER: Final = _HEADER.size  # octets before each body
PIECE: Final = 262_144  # octets of a large file that have a checksum of their own
LOG_BODY_MAX: Final = 1024 * 1024  # octets: larger bodies get their own file

# state: 0 open, 1 sealed. size: octets that rows may point into; dead: those that no row points to any more.
# Numbers of segments are never used twice. A blob with `file` has its own file (segment 0), `pieces` its checksums.
BLOBS_SCHEMA: Final = """
CREATE TABLE segment(id INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL DEFAULT 0,
    size INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE blob(id INTEGER PRIMARY KEY AUTOINCREMENT, segment INTEGER NOT NULL, offset INTEGER NOT NULL,
    length INTEGER NOT NULL, crc INTEGER NOT NULL, refs INTEGER NOT NULL, file TEXT, pieces BLOB) STRICT;
CREATE INDEX blob_place ON blob(segment, offset) WHERE segment > 0;
CREATE UNIQUE INDEX blob_file ON blob(file) WHERE file IS NOT NULL;
"""


class Damaged(Exception):
    """The octets of a blob are not there, or not those that were stored."""


@dataclass(frozen=True, slots=True)
class Place:
    """A record of the log. offset: where the record begins; length: octets of its body."""

    segment: int
    offset: int
    length: int
    crc: int

    @property
    def record_length(self) -> int:
        return RECORD_HEADER + self.length

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.offset + RECORD_HEADER + self.length


class Body(NamedTuple):
    """Octets for the log, with their CRC-32."""

    octets: bytes
    crc: int


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A blob in a file of its own. pieces: the CRC-32s of each PIECE octets, four octets each."""

    name: str
    length: int
    pieces: bytes


Blob = Place | OwnFile


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.seg"


def large_path(folder: Path, name: str) -> Path:
    return folder / "large" / name[:2] / name


def checked(octets: bytes) -> Body:
    return Body(octets, zlib.crc32(octets))


def record_header(body: Body, segment: int) -> bytes:
    return _HEADER.pack(MAGIC, len(body.octets), body.crc, segment)


def body_of(record: memoryview, place: Place) -> bytes:
    """The body in a record as it was read. Raises Damaged."""
    if record[:RECORD_HEADER] != _HEADER.pack(MAGIC, place.length, place.crc, place.segment):
        raise Damaged(f"segment {place.segment} has no such record at {place.offset}")
    body = bytes(record[RECORD_HEADER:])
    if len(body) != place.length or zlib.crc32(body) != place.crc:
        raise Damaged(f"wrong checksum in segment {place.segment} at {place.offset}")
    return body


def checksums(data: bytes) -> bytes:
    """The CRC-32 of each PIECE octets of `data`, which begins at such a piece."""
    return b"".join(
        zlib.crc32(data[at : at + PIECE]).to_bytes(4, "little") for at in range(0, len(data), PIECE)
    )
