"""The file of spans is whole JSON after each write, private, and never mail's trouble."""

import fcntl
import json
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.core import logsink, span_file
from posthouse.core.log import Logger
from posthouse.core.logsink import BadLogTarget
from posthouse.core.span_file import Losses, SpanFile, SpanSink
from posthouse.testing.world import LogLines

HEAD = ["process_name", "clock"]


def lines(*names: str) -> list[logsink.Line]:
    return [(0.0, b'{"name":"%b"}' % name.encode(), False) for name in names]


def ignored(count: int, reason: str) -> None:
    raise AssertionError(f"{count} events were lost: {reason}")


def names_in(path: Path) -> list[str]:
    return [event["name"] for event in json.loads(path.read_bytes())]


def write(path: Path, *names: str) -> None:
    file = SpanFile(path, ignored)
    file.write(lines(*names))
    file.close()


def test_the_file_is_an_array_after_each_write(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    file = SpanFile(path, ignored)
    for count in range(1, 5):
        file.write(lines("MAIL FROM"))
        assert names_in(path) == HEAD + ["MAIL FROM"] * count
    file.close()


def test_the_clock_of_a_file_is_said_once_in_both_clocks(tmp_path: Path) -> None:
    write(tmp_path / "trace.json", "DATA")
    clock = json.loads((tmp_path / "trace.json").read_bytes())[1]
    assert clock["ts"] > 0
    assert clock["args"]["utc"].endswith("+00:00")


def test_a_file_is_private_even_if_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.touch(mode=0o666)
    write(path, "DATA")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_later_start_goes_on_in_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    write(path, "one")
    write(path, "two")
    assert names_in(path) == [*HEAD, "one", *HEAD, "two"]


@pytest.mark.parametrize("cut", range(1, 40))
def test_what_a_kill_left_half_written_is_taken_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "trace.json"
    write(path, "one", "two", "three")
    os.truncate(path, path.stat().st_size - cut)
    write(path, "four")
    found = names_in(path)
    assert found[:2] == HEAD
    assert found[-3:] == [*HEAD, "four"]


WRITE_OFTEN = """
import sys
from pathlib import Path
from posthouse.core.span_file import SpanFile

file = SpanFile(Path(sys.argv[1]), print)
for _ in range(100):
    file.write([(0.0, b'{"name":"DATA"}', False)])
"""


def test_several_processes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    processes = [subprocess.Popen([sys.executable, "-c", WRITE_OFTEN, path]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert names_in(path).count("DATA") == 200


def test_a_file_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "aliases"
    path.write_text("postmaster: ann\n")
    with pytest.raises(BadLogTarget, match=r"cannot use trace file .*aliases: there is something else in it"):
        SpanFile(path, ignored)
    assert path.read_text() == "postmaster: ann\n"


@pytest.mark.parametrize("name", ["/dev/null", "missing/trace.json"])
def test_what_cannot_be_a_trace_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadLogTarget, match=name):
        SpanFile(tmp_path / name, ignored)


def limited(octets: int, action: Callable[[], None]) -> None:
    """Do something while the system lets no file grow beyond some octets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        action()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_R_008_a_full_disk_costs_events_and_the_file_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    lost: list[int] = []
    file = SpanFile(path, lambda count, reason: lost.append(count))
    limited(0, lambda: file.write(lines("lost from the very first")))
    file.write(lines("one"))
    limited(path.stat().st_size + 10, lambda: file.write(lines("two", "three")))
    assert names_in(path) == [*HEAD, "one"]
    file.write(lines("four"))
    file.close()
    assert lost == [1, 2]
    assert names_in(path) == [*HEAD, "one", "four"]


def test_a_forgotten_trace_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(span_file, "FILE_MAX", 1000)
    path = tmp_path / "trace.json"
    lost: list[str] = []
    file = SpanFile(path, lambda count, reason: lost.append(reason))
    for _ in range(100):
        file.write(lines("DATA"))
    file.close()
    assert path.stat().st_size <= 1000
    assert set(lost) == {"the file has its 1000 octets"}
    assert "DATA" in names_in(path)


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    sink = SpanSink(path, Logger(LogLines()))
    sink(b'{"name":"before"}')
    _wait_for(path, "before")
    path.rename(tmp_path / "trace.1")
    sink.reopen()
    while not path.exists():
        threading.Event().wait(0.001)
    sink(b'{"name":"after"}')
    sink.close()
    assert names_in(tmp_path / "trace.1") == [*HEAD, "before"]
    assert names_in(path) == [*HEAD, "after"]


def test_a_file_that_cannot_be_opened_anew_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "there" / "trace.json"
    path.parent.mkdir()
    lost: list[tuple[int, str]] = []
    file = SpanFile(path, lambda count, reason: lost.append((count, reason)))
    path.parent.rename(tmp_path / "away")
    file.reopen()
    file.write(lines("still here"))
    file.close()
    assert lost == [(0, f"cannot open trace file {path}: No such file or directory")]
    assert names_in(tmp_path / "away" / "trace.json") == [*HEAD, "still here"]


def test_a_stalled_disk_delays_nobody_and_drops_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logsink, "RING_LINES", 10)
    path, log = tmp_path / "trace.json", LogLines()
    sink = SpanSink(path, Logger(log))
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        sink(b'{"name":"first"}')
        while sink._sink._ring:  # the thread has taken it and waits for the file
            threading.Event().wait(0.001)
        for _ in range(25):
            sink(b'{"name":"DATA"}')
    sink.close()
    assert names_in(path) == [*HEAD, "first", *["DATA"] * 10]
    assert log.fields_of("", "trace events dropped") == [{"count": 15, "reason": "more than the disk takes"}]


def test_losses_are_logged_at_once_and_then_once_in_a_while() -> None:
    log, now = LogLines(), [0.0]
    losses = Losses(Logger(log), lambda: now[0])
    for count in (1, 2, 3):
        losses.add(count, "No space left on device")
    now[0] += span_file.TELL_AGAIN
    losses.add(4, "No space left on device")
    losses.tell()
    assert [line["count"] for line in log.fields_of("", "trace events dropped")] == [1, 9]


def _wait_for(path: Path, name: str) -> None:
    while not path.read_bytes().count(name.encode()):
        threading.Event().wait(0.001)
