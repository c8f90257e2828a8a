import errno
import os
import threading
from pathlib import Path

import pytest

from posthouse.framework.buffer import CHUNK, FileBody, MemoryBody
from posthouse.framework.spool import HASH_AT_ONCE, BodyBuffer, Spool, SpoolFile, hash_body


def spool(directory: Path, memory: int | None) -> Spool:
    return Spool(directory, os.urandom, memory=memory)


async def stored(buffer: BodyBuffer, chunks: list[bytes]) -> MemoryBody | FileBody:
    for chunk in chunks:
        await buffer.write(chunk)
    body = await buffer.finish()
    assert isinstance(body, MemoryBody | FileBody)
    assert b"".join(body.chunks()) == b"".join(chunks)
    assert body.size == sum(map(len, chunks))
    return body


@pytest.mark.parametrize("chunks", [[], [b"a"], [b"ab", b"cd"], [b"0123456789"] * 100])
@pytest.mark.parametrize("memory", [None, 0, 1, 3, 4, 5, 10_000])
async def test_a_body_is_in_a_file_from_its_size_on(
    tmp_path: Path, memory: int | None, chunks: list[bytes]
) -> None:
    buffer = BodyBuffer(spool(tmp_path, memory))
    body = await stored(buffer, chunks)
    is_large = memory is not None and sum(map(len, chunks)) >= memory
    assert isinstance(body, FileBody if is_large else MemoryBody)
    await buffer.discard()
    assert list(tmp_path.iterdir()) == []


async def test_a_file_is_private_and_its_name_is_random(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        buffer = BodyBuffer(spool(tmp_path, 0))
        body = await stored(buffer, [b"secret"])
    finally:
        os.umask(umask)
    assert body.path is not None
    assert body.path.stat().st_mode & 0o777 == 0o600
    assert len(body.path.name) == 64
    assert int(body.path.name, 16)
    await buffer.discard()


async def test_large_bodies_are_written_as_they_come(tmp_path: Path) -> None:
    buffer = BodyBuffer(spool(tmp_path, 1000))
    chunk = bytes(range(256)) * 256
    body = await stored(buffer, [chunk] * 40)
    assert isinstance(body, FileBody)
    await buffer.discard()


async def test_a_file_that_somebody_took_over_stays(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    buffer = BodyBuffer(spool(tmp_path / "spool", 0))
    body = await stored(buffer, [b"text"])
    assert body.path is not None
    body.path.rename(tmp_path / "blob")
    await buffer.discard()
    assert (tmp_path / "blob").read_bytes() == b"text"


async def test_what_a_crash_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / ("0a" * 32)
    left.write_text("left")
    foreign = tmp_path / "notes"
    foreign.write_text("keep")
    place = spool(tmp_path, 0)
    buffer = BodyBuffer(place)
    body = await stored(buffer, [b"under way"])
    place.clean()
    assert body.path is not None
    assert sorted(tmp_path.iterdir()) == sorted([foreign, body.path])
    await buffer.discard()
    assert list(tmp_path.iterdir()) == [foreign]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("keep")
    link = tmp_path / ("0b" * 32)
    link.symlink_to(tmp_path / "target")
    spool(tmp_path, 0).clean()
    assert (tmp_path / "target").read_text() == "keep"


def test_a_taken_name_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / ("00" * 32)).write_text("taken")
    with pytest.raises(FileExistsError):
        Spool(tmp_path, bytes, memory=0).create()


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> list[OSError]:
    """Errors in this list are raised by writes to spool files."""
    errors: list[OSError] = []
    write = SpoolFile.write

    def failing(self: SpoolFile, octets: bytes) -> None:
        if errors:
            raise errors[0]
        write(self, octets)

    monkeypatch.setattr(SpoolFile, "write", failing)
    return errors


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
async def test_R_008_R_010_trouble_with_the_disk_is_raised_and_leaves_nothing(
    tmp_path: Path, failing_disk: list[OSError], number: int
) -> None:
    failing_disk.append(OSError(number, "trouble"))
    buffer = BodyBuffer(spool(tmp_path, 0))
    with pytest.raises(OSError, match="trouble"):
        await buffer.write(b"text")
    await buffer.discard()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, HASH_AT_ONCE, HASH_AT_ONCE + 1, 2 * CHUNK + 1])
@pytest.mark.parametrize("is_spooled", [False, True], ids=["in memory", "in a file"])
async def test_only_short_bodies_in_memory_are_hashed_on_the_event_loop(
    tmp_path: Path, size: int, is_spooled: bool
) -> None:
    data = os.urandom(size)
    (tmp_path / "body").write_bytes(data)
    chunks: list[bytes] = []
    threads: set[int] = set()

    def update(chunk: bytes) -> None:
        chunks.append(chunk)
        threads.add(threading.get_ident())

    await hash_body(FileBody(tmp_path / "body", size) if is_spooled else MemoryBody(data), update)
    assert b"".join(chunks) == data
    assert all(len(chunk) <= CHUNK for chunk in chunks)
    if size:
        assert (threads == {threading.get_ident()}) is (not is_spooled and size <= HASH_AT_ONCE)
