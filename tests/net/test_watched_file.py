import os
from pathlib import Path

from posthouse.net.watched_file import CHECK_INTERVAL, WatchedFile
from posthouse.testing.world import SimulatedClock


async def test_a_changed_file_is_read_again_but_not_at_each_look(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    clock = SimulatedClock()
    watched = WatchedFile(path, str.upper, clock)
    path.write_text("two")
    os.utime(path, (1, 1))
    assert await watched.current() == "ONE"
    clock.advance(CHECK_INTERVAL)
    assert await watched.current() == "TWO"


async def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    clock = SimulatedClock()
    path = tmp_path / "hosts"
    watched = WatchedFile(path, str.upper, clock)
    assert await watched.current() == ""
    path.write_bytes(b"\xff new")
    clock.advance(CHECK_INTERVAL)
    assert await watched.current() == "\ufffd NEW"
    path.unlink()
    clock.advance(CHECK_INTERVAL)
    assert await watched.current() == ""
    path.mkdir()
    clock.advance(CHECK_INTERVAL)
    assert await watched.current() == ""


async def test_a_file_that_did_not_change_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("one")
    clock = SimulatedClock()
    read: list[str] = []
    watched = WatchedFile(path, read.append, clock)
    clock.advance(CHECK_INTERVAL)
    await watched.current()
    assert read == ["", "one"]
