import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.modules.table.file import SETTLE_TIME, FileTable, parse_entries
from posthouse.testing.world import FakeWorld


def make(fake: FakeWorld, *args: str, file: Path | None = None) -> FileTable:
    return FileTable(FileTable.Settings(args=args, file=file), fake.context("table.file"))


def write(fake: FakeWorld, text: str, *, age: float = 60) -> Path:
    """Write the file as it would be if that had happened `age` seconds ago."""
    path = fake.paths.state / "aliases"
    path.write_text(text)
    modified = fake.clock.time() - age
    os.utime(path, (modified, modified))
    return path


@pytest.fixture
def fake(tmp_path: Path) -> FakeWorld:
    return FakeWorld(tmp_path)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        pytest.param("a: b", {"a": ["b"]}, id="one"),
        pytest.param(" a :b,  c ,\td\r\n", {"a": ["b", "c", "d"]}, id="trimmed"),
        pytest.param("a", {"a": [""]}, id="no colon"),
        pytest.param("a:", {"a": [""]}, id="no value"),
        pytest.param("a: b:c", {"a": ["b:c"]}, id="only the first colon splits"),
        pytest.param("a: 1\nb: 2\na: 3", {"a": ["1", "3"], "b": ["2"]}, id="repeated keys accumulate"),
        pytest.param("# x: y\n\n   \n#\n", {}, id="comments and blank lines"),
        pytest.param(" # x: y", {"# x": ["y"]}, id="a comment begins its line"),
        pytest.param("a: b # c", {"a": ["b # c"]}, id="no comment behind a value"),
        pytest.param("a: b\u2028c", {"a": ["b\u2028c"]}, id="only LF ends a line"),
    ],
)
def test_lines_are_read_as_maddy_does(text: str, entries: dict[str, list[str]]) -> None:
    assert parse_entries(text, Path("x")) == entries


def test_an_empty_key_is_an_error_with_its_line() -> None:
    with pytest.raises(ValueError, match=r"^/x:3: empty address before colon$"):
        parse_entries("a: b\n\n : c", Path("/x"))


@given(st.text(alphabet="a:,# \n\r\t", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert all(parse_entries(text, Path("x")).values())


async def test_the_file_is_an_argument_or_a_directive(fake: FakeWorld) -> None:
    path = write(fake, "a: b")
    for table in (make(fake, "aliases"), make(fake, str(path)), make(fake, file=path)):
        assert list(await table.lookup("a")) == ["b"]
        assert list(await table.lookup("b")) == []


def test_both_or_several_or_no_paths_are_an_error(fake: FakeWorld) -> None:
    for args, file in (("a", "b"), None), (("a",), Path("/b")), ((), None):
        with pytest.raises(ValueError, match="exactly one file"):
            make(fake, *args, file=file)


async def test_a_missing_file_is_an_empty_table_and_a_log_line(fake: FakeWorld) -> None:
    table = make(fake, "aliases")
    assert list(await table.lookup("a")) == []
    assert fake.log.lines == [f"file: ignoring non-existent file: {fake.paths.state}/aliases\t"]
    await table.refresh()
    assert len(fake.log.lines) == 1


@pytest.mark.parametrize(
    ("content", "text"), [(b"a: b\n: c", ":2: empty"), (b"a: b\nc: \xff", ":2: not UTF-8")]
)
def test_a_broken_file_is_an_error_at_configuration(fake: FakeWorld, content: bytes, text: str) -> None:
    (fake.paths.state / "aliases").write_bytes(content)
    with pytest.raises(ValueError, match=text):
        make(fake, "aliases")


async def test_a_changed_file_is_read_again_when_it_has_settled(fake: FakeWorld) -> None:
    write(fake, "a: 1")
    table = make(fake, "aliases")
    write(fake, "a: 2", age=SETTLE_TIME - 1)
    await table.refresh()
    assert list(await table.lookup("a")) == ["1"]
    fake.clock.advance(1)
    await table.refresh()
    assert list(await table.lookup("a")) == ["2"]


async def test_a_file_of_the_future_is_read(fake: FakeWorld) -> None:
    write(fake, "a: 1")
    table = make(fake, "aliases")
    write(fake, "a: 2", age=-86_400)
    await table.refresh()
    assert list(await table.lookup("a")) == ["2"]


async def test_a_removed_file_empties_the_table(fake: FakeWorld) -> None:
    path = write(fake, "a: 1")
    table = make(fake, "aliases")
    path.unlink()
    await table.refresh()
    assert list(await table.lookup("a")) == []
    assert "ignoring non-existent file" in fake.log.lines[-1]


async def test_a_broken_file_leaves_the_old_content_until_it_changes_again(fake: FakeWorld) -> None:
    write(fake, "a: 1")
    table = make(fake, "aliases")
    write(fake, ": broken")
    with pytest.raises(ValueError, match="empty address"):
        await table.refresh()
    await table.refresh()
    assert list(await table.lookup("a")) == ["1"]
    write(fake, "a: 3")
    await table.refresh()
    assert list(await table.lookup("a")) == ["3"]


async def test_the_reload_hook_reads_the_file_at_once_and_survives_errors(fake: FakeWorld) -> None:
    write(fake, "a: 1")
    table = make(fake, "aliases")
    await table.start()
    async with asyncio.timeout(5):
        write(fake, ": broken", age=0)
        fake.hooks.reload[0]()
        while not fake.log.fields_of("file", "reload failed, the old content stays"):
            await asyncio.sleep(0)
        write(fake, "a: 2", age=0)
        fake.hooks.reload[0]()
        while list(await table.lookup("a")) != ["2"]:
            await asyncio.sleep(0)
    await table.stop()
    assert fake.hooks.reload == []


async def test_the_file_is_polled(fake: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.modules.table.file.POLL_INTERVAL", 0.01)
    write(fake, "a: 1")
    table = make(fake, "aliases")
    await table.start()
    write(fake, "a: 2")
    async with asyncio.timeout(5):
        while list(await table.lookup("a")) != ["2"]:
            await asyncio.sleep(0)
    await table.stop()
