"""The blob log: segments that only grow, and what each kind of crash leaves of them."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.db import bloblog, sqlite
from posthouse.db.bloblog import BlobLog
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, Place, checked, segment_path
from posthouse.db.connection import WriteConnection
from posthouse.db.errors import Refused
from posthouse.db.files import Files
from posthouse.db.large import LargeBlobs
from posthouse.db.mail.schema import MAIL_SCHEMA
from posthouse.testing.disk import FaultyDisk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mail.db.blobs"


@pytest.fixture
def connection(path: Path, disk: FaultyDisk) -> Iterator[WriteConnection]:
    sqlite.prepare(path, MAIL_SCHEMA, disk.files)
    db = WriteConnection(path, disk.files, cache=-1000, busy_timeout=1)
    yield db
    db.close()


def open_log(folder: Path, files: Files, db: WriteConnection) -> BlobLog:
    log = BlobLog(folder, files, LargeBlobs(folder, files))
    log.recover(db)
    return log


@pytest.fixture
def log(folder: Path, disk: FaultyDisk, connection: WriteConnection) -> Iterator[BlobLog]:
    log = open_log(folder, disk.files, connection)
    yield log
    log.close()


def commit(db: WriteConnection, log: BlobLog) -> None:
    with db.transaction():
        log.record(db)
    log.committed()


def segments(db: WriteConnection) -> list[tuple[int, int, int, int]]:
    """(number, state, size, dead) of each."""
    rows: list[tuple[int, int, int, int]] = db.sql.execute(
        "SELECT id, state, size, dead FROM segment ORDER BY id"
    ).fetchall()  # type: ignore[assignment]  # the schema says so
    return rows


def test_what_was_appended_is_read_back(folder: Path, connection: WriteConnection, log: BlobLog) -> None:
    bodies = [b"", b"one", b"x" * 100_000]
    places = log.append(connection, list(map(checked, bodies)))
    reader = BlobReader(folder, Files())
    assert [reader.body(place) for place in places] == bodies
    assert reader.bodies_now(places) == bodies
    assert [reader.bodies_now([place]) for place in places] == [[body] for body in bodies]
    reader.close()


def test_a_write_in_many_pieces_is_whole(
    folder: Path, connection: WriteConnection, disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ShortWrites(Files):
        def pwritev(self, fd: int, buffers: list[bytes], offset: int) -> int:  # type: ignore[override]
            return os.pwrite(fd, b"".join(buffers)[:7], offset)

    monkeypatch.setattr(bloblog, "VECTORS_MAX", 3)
    log = open_log(folder, ShortWrites(), connection)
    places = log.append(connection, [checked(b"first body"), checked(b"second body"), checked(b"third body")])
    log.close()
    reader = BlobReader(folder, Files())
    assert [reader.body(place) for place in places] == [b"first body", b"second body", b"third body"]
    reader.close()


def test_two_writers_have_segments_of_their_own(
    folder: Path, connection: WriteConnection, log: BlobLog
) -> None:
    (first,) = log.append(connection, [checked(b"a")])
    other = open_log(folder, Files(), connection)
    (second,) = other.append(connection, [checked(b"b")])
    assert first.segment != second.segment
    other.close()


def test_the_next_writer_claims_a_segment_and_goes_on_behind_it(
    folder: Path, connection: WriteConnection, log: BlobLog
) -> None:
    (first,) = log.append(connection, [checked(b"committed")])
    commit(connection, log)
    (lost,) = log.append(connection, [checked(b"not committed")])
    log.close()
    assert segments(connection) == [(1, 0, first.record_length, 0)]
    later = open_log(folder, Files(), connection)
    assert segments(connection) == [(1, 0, first.record_length + lost.record_length, lost.record_length)]
    (third,) = later.append(connection, [checked(b"third")])
    assert third.offset == first.record_length + lost.record_length
    later.close()


def test_a_full_segment_is_sealed(
    connection: WriteConnection, log: BlobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bloblog, "SEGMENT_MAX", 100)
    for _ in range(2):
        log.append(connection, [checked(b"x" * 100)])
        commit(connection, log)
    assert segments(connection) == [(1, 1, 116, 0), (2, 0, 116, 0)]


def test_files_without_a_row_are_removed_at_start(folder: Path, connection: WriteConnection) -> None:
    folder.mkdir()
    segment_path(folder, 77).write_bytes(b"left over")
    open_log(folder, Files(), connection).close()
    assert list(folder.iterdir()) == []


def test_a_segment_that_is_too_short_refuses_the_start(
    folder: Path, connection: WriteConnection, log: BlobLog
) -> None:
    log.append(connection, [checked(b"x" * 100)])
    commit(connection, log)
    log.close()
    os.truncate(segment_path(folder, 1), 50)
    with pytest.raises(Refused, match=r"00000001\.seg has 50 octets, but 116 were written"):
        open_log(folder, Files(), connection)


def test_a_segment_that_is_missing_is_sealed_and_told(
    folder: Path, connection: WriteConnection, log: BlobLog
) -> None:
    log.append(connection, [checked(b"x" * 100)])
    commit(connection, log)
    log.close()
    segment_path(folder, 1).unlink()
    later = open_log(folder, Files(), connection)
    assert later.missing == [segment_path(folder, 1)]
    assert segments(connection) == [(1, 1, 116, 0)]
    later.close()


@pytest.mark.parametrize("call", ["write", "sync"])
def test_R_007_after_a_failed_write_or_sync_a_segment_is_never_touched_again(
    folder: Path, connection: WriteConnection, disk: FaultyDisk, log: BlobLog, call: str
) -> None:
    (first,) = log.append(connection, [checked(b"first")])
    commit(connection, log)

    def broken(done: str, path: Path) -> None:
        if done == call and path.suffix == ".seg":
            raise OSError(errno.EIO, "broken")

    disk.fault = broken
    with pytest.raises(OSError, match="broken"):
        log.append(connection, [checked(b"second")])
    disk.fault = lambda done, path: None
    before = len(disk.log)
    (third,) = log.append(connection, [checked(b"third")])
    commit(connection, log)
    assert third.segment == 2
    assert segments(connection) == [(1, 1, first.record_length, 0), (2, 0, third.record_length, 0)]
    touched = {entry.path for entry in disk.log[before:] if hasattr(entry, "path")}
    assert segment_path(folder, 1) not in touched


def test_R_008_a_full_disk_spoils_no_segment(
    folder: Path, connection: WriteConnection, disk: FaultyDisk, log: BlobLog
) -> None:
    log.append(connection, [checked(b"first")])
    commit(connection, log)
    disk.fault = full
    with pytest.raises(OSError, match="full"):
        log.append(connection, [checked(b"second")])
    disk.fault = lambda done, path: None
    (third,) = log.append(connection, [checked(b"third")])
    assert third.segment == 1
    reader = BlobReader(folder, Files())
    assert reader.body(third) == b"third"
    reader.close()


def full(call: str, path: Path) -> None:
    if call == "write":
        raise OSError(errno.ENOSPC, "full")


@pytest.mark.parametrize(
    "at", [0, 4, 8, 12, 16, 20], ids=["magic", "length", "crc", "segment", "body", "body"]
)
def test_R_025_each_changed_octet_of_a_record_is_found(
    folder: Path, connection: WriteConnection, log: BlobLog, at: int
) -> None:
    (place,) = log.append(connection, [checked(b"some body")])
    path = segment_path(folder, place.segment)
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    reader = BlobReader(folder, Files())
    with pytest.raises(Damaged):
        reader.body(place)
    reader.close()


def test_reading_keeps_a_bounded_number_of_files_open(
    folder: Path, connection: WriteConnection, log: BlobLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bloblog, "SEGMENT_MAX", 1)
    monkeypatch.setattr("posthouse.db.blobread.OPEN_FILES", 2)
    places: list[Place] = []
    for n in range(5):
        places += log.append(connection, [checked(b"%d" % n)])
        commit(connection, log)
    counting = CountingFiles()
    reader = BlobReader(folder, counting)
    assert [reader.body(place) for place in places * 2] == [b"%d" % n for n in range(5)] * 2
    assert counting.open_now == 2
    reader.close()
    assert counting.open_now == 0


class CountingFiles(Files):
    open_now = 0

    def open(self, path: Path, flags: int) -> int:
        self.open_now += 1
        return super().open(path, flags)

    def close(self, fd: int) -> None:
        self.open_now -= 1
        super().close(fd)
