import os
from pathlib import Path

import pytest

from posthouse.framework.buffer import FileBody, MemoryBody
from posthouse.framework.spool import WRITE_AT, BodyBuffer, Spool


async def filled(spool: Spool, *pieces: bytes) -> BodyBuffer:
    buffer = BodyBuffer(spool)
    for piece in pieces:
        await buffer.write(piece)
    return buffer


async def test_a_small_body_stays_in_memory(tmp_path: Path) -> None:
    buffer = await filled(Spool(tmp_path, os.urandom, memory=10), b"abc", b"def")
    body = await buffer.finish()
    assert body == MemoryBody(b"abcdef")
    assert not list(tmp_path.iterdir())
    await buffer.discard()


async def test_nothing_at_all_is_a_body(tmp_path: Path) -> None:
    buffer = BodyBuffer(Spool(tmp_path, os.urandom))
    assert await buffer.finish() == MemoryBody(b"")
    await buffer.discard()


async def test_a_large_body_is_in_a_file_until_it_is_discarded(tmp_path: Path) -> None:
    pieces = [bytes([number]) * (WRITE_AT // 3) for number in range(10)]
    buffer = await filled(Spool(tmp_path, os.urandom, memory=1000), *pieces)
    body = await buffer.finish()
    assert isinstance(body, FileBody)
    assert b"".join(body.chunks()) == b"".join(pieces)
    assert body.size == len(b"".join(pieces))
    assert body.path.stat().st_mode & 0o777 == 0o600
    await buffer.discard()
    assert not list(tmp_path.iterdir())


async def test_a_file_that_was_taken_over_is_left_alone(tmp_path: Path) -> None:
    buffer = await filled(Spool(tmp_path, os.urandom, memory=0), b"abc")
    body = await buffer.finish()
    assert body.path is not None
    taken = body.path.rename(tmp_path / "taken")
    await buffer.discard()
    assert taken.read_bytes() == b"abc"


async def test_cleaning_removes_only_what_a_crash_has_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, os.urandom, memory=0)
    (tmp_path / ("0" * 64)).write_bytes(b"left")
    (tmp_path / "other").write_bytes(b"not ours")
    buffer = await filled(spool, b"abc")
    spool.clean()
    body = await buffer.finish()
    assert b"".join(body.chunks()) == b"abc"
    assert body.path is not None
    assert {path.name for path in tmp_path.iterdir()} == {"other", body.path.name}
    await buffer.discard()


async def test_trouble_with_the_disk_is_an_oserror(tmp_path: Path) -> None:
    buffer = BodyBuffer(Spool(tmp_path / "missing", os.urandom, memory=0))
    with pytest.raises(FileNotFoundError):
        await buffer.write(b"abc")
    await buffer.discard()
