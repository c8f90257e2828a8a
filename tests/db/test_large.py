"""Large bodies in files of their own: whole before their unit begins, and gone if it comes to nothing."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.db import sqlite
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import PIECE, Damaged, OwnFile, large_path
from posthouse.db.connection import WriteConnection
from posthouse.db.files import Files
from posthouse.db.large import LargeBlobs
from posthouse.db.mail.schema import MAIL_SCHEMA
from posthouse.testing.disk import FaultyDisk, Sync

OCTETS = bytes(range(256)) * 2500  # 640,000: two pieces and a half


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder


@pytest.fixture
def large(folder: Path, disk: FaultyDisk) -> Iterator[LargeBlobs]:
    large = LargeBlobs(folder, disk.files)
    yield large
    large.close()


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def read(folder: Path, own: OwnFile, offset: int = 0, length: int = 2**40) -> bytes:
    reader = BlobReader(folder, Files())
    try:
        return reader.part(own, offset, length)
    finally:
        reader.close()


def test_what_was_written_is_read_back(folder: Path, large: LargeBlobs) -> None:
    own = large.write([OCTETS[:7], OCTETS[7:300_000], OCTETS[300_000:]])
    large.keep(own.name)
    assert files_in(folder) == [large_path(folder, own.name)]
    assert read(folder, own) == OCTETS


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        (0, 1),
        (PIECE - 1, 2),
        (PIECE, PIECE),
        (PIECE + 1, 2 * PIECE),
        (len(OCTETS) - 1, 5),
        (len(OCTETS), 5),
        (0, 0),
    ],
)
def test_any_part_can_be_read(folder: Path, large: LargeBlobs, offset: int, length: int) -> None:
    own = large.write([OCTETS])
    assert read(folder, own, offset, length) == OCTETS[offset : offset + length]


def test_a_finished_file_is_taken_over_without_a_copy(
    folder: Path, large: LargeBlobs, tmp_path: Path
) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(OCTETS)
    own = large.adopt(spool, len(OCTETS))
    assert own is not None
    assert large_path(folder, own.name).samefile(spool)
    spool.unlink()
    assert read(folder, own) == OCTETS


def test_from_another_file_system_nothing_is_taken_over(folder: Path, tmp_path: Path) -> None:
    class OtherFileSystem(Files):
        def link(self, source: Path, path: Path) -> None:
            raise OSError(errno.EXDEV, "cross-device link")

    spool = tmp_path / "spool"
    spool.write_bytes(OCTETS)
    assert LargeBlobs(folder, OtherFileSystem()).adopt(spool, len(OCTETS)) is None
    assert files_in(folder) == []


def test_a_file_is_synced_before_anybody_may_point_to_it(large: LargeBlobs, disk: FaultyDisk) -> None:
    own = large.write([OCTETS])
    last = disk.log[-1]
    assert isinstance(last, Sync)
    assert last.path.name == own.name


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_R_008_a_file_that_cannot_be_written_leaves_nothing(
    folder: Path, large: LargeBlobs, disk: FaultyDisk, call: str, code: int
) -> None:
    def fault(done: str, path: Path) -> None:
        if done == call:
            raise OSError(code, "fault")

    disk.fault = fault
    with pytest.raises(OSError, match="fault"):
        large.write([OCTETS])
    assert files_in(folder) == []


def test_a_file_of_the_wrong_size_is_not_taken_over(folder: Path, large: LargeBlobs, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.write_bytes(OCTETS)
    with pytest.raises(OSError, match="size"):
        large.adopt(spool, len(OCTETS) + 1)
    assert files_in(folder) == []


def test_R_025_each_changed_octet_is_found_when_it_is_read(folder: Path, large: LargeBlobs) -> None:
    own = large.write([OCTETS])
    fd = os.open(large_path(folder, own.name), os.O_RDWR)
    os.pwrite(fd, b"!", PIECE + 5)
    os.close(fd)
    assert read(folder, own, 0, PIECE) == OCTETS[:PIECE]
    with pytest.raises(Damaged):
        read(folder, own, PIECE - 1, 2)


def test_R_025_a_truncated_file_is_found(folder: Path, large: LargeBlobs) -> None:
    own = large.write([OCTETS])
    os.truncate(large_path(folder, own.name), PIECE)
    with pytest.raises(Damaged):
        read(folder, own)


def test_what_a_crash_left_is_removed_at_the_next_start(
    tmp_path: Path, folder: Path, large: LargeBlobs
) -> None:
    db_path = tmp_path / "mail.db"
    sqlite.prepare(db_path, MAIL_SCHEMA, Files())
    db = WriteConnection(db_path, Files(), cache=-100, busy_timeout=1)
    with_row, without_row, in_flight = (large.write([OCTETS]) for _ in range(3))
    db.execute(
        "INSERT INTO blob(segment, offset, length, crc, refs, file, pieces) VALUES(0, 0, ?, 0, 1, ?, ?)",
        (with_row.length, with_row.name, with_row.pieces),
    )
    large.leave(with_row.name)
    large.leave(without_row.name)
    LargeBlobs(folder, Files()).sweep(db)
    db.close()
    assert set(files_in(folder)) == {
        large_path(folder, with_row.name),
        large_path(folder, in_flight.name),
        folder / "incoming" / in_flight.name,
    }
