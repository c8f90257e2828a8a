"""Lines reach their targets in order; a target that fails or stalls delays nobody."""

import os
import re
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from posthouse.core import logsink
from posthouse.core.logsink import BadLogTarget, DescriptorTarget, Line, LogSink, open_targets


class Gate:
    """A target that writes nothing until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.lines: list[bytes] = []

    def write(self, lines: Sequence[Line]) -> None:
        self.open.wait()
        self.lines += [text for _, text, _ in lines]

    def reopen(self) -> None:
        return None

    def close(self) -> None:
        return None


def test_lines_are_written_to_a_file_with_utc_times(tmp_path: Path) -> None:
    sink = LogSink(open_targets(["mail.log"], tmp_path, "posthouse"))
    for number in range(1000):
        sink(b"line %d" % number, False)
    sink.close()
    lines = (tmp_path / "mail.log").read_text().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [f"line {n}" for n in range(1000)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0].partition(" ")[0])


def test_stderr_has_no_times_and_lines_are_whole() -> None:
    read_end, write_end = os.pipe()
    sink = LogSink([DescriptorTarget(write_end, stamped=False)])
    sink(b"server started\t{}", False)
    sink.close()
    assert os.read(read_end, 1000) == b"server started\t{}\n"
    os.close(read_end)
    os.close(write_end)


def test_a_stalled_target_delays_nobody_and_drops_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logsink, "RING_LINES", 10)
    gate = Gate()
    sink = LogSink([gate])
    sink(b"first", False)
    while sink._ring:  # the thread has taken it and stands before the gate
        threading.Event().wait(0.001)
    for number in range(25):
        sink(b"line %d" % number, False)
    gate.open.set()
    sink.close()
    assert gate.lines == [b"first", *(b"line %d" % n for n in range(10)), b'log lines dropped\t{"count":15}']


def test_R_008_a_full_log_disk_stops_nothing(tmp_path: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    good = open_targets(["good.log"], tmp_path, "posthouse")
    sink = LogSink([DescriptorTarget(full, stamped=False), *good])
    sink(b"still here", False)
    sink.close()
    os.close(full)
    assert "still here" in (tmp_path / "good.log").read_text()


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    sink = LogSink(open_targets(["mail.log"], tmp_path, "posthouse"))
    sink(b"before", False)
    sink.flush()
    (tmp_path / "mail.log").rename(tmp_path / "mail.log.1")
    sink.reopen()
    sink(b"after", False)
    sink.close()
    assert "before" in (tmp_path / "mail.log.1").read_text()
    assert (tmp_path / "mail.log").read_text().endswith(" after\n")


def test_replaced_targets_take_what_comes_later(tmp_path: Path) -> None:
    sink = LogSink(open_targets(["one.log"], tmp_path, "posthouse"))
    sink(b"one", False)
    sink.replace(open_targets(["two.log"], tmp_path, "posthouse"))
    sink(b"two", False)
    sink.close()
    assert (tmp_path / "one.log").read_text().endswith("one\n")
    assert (tmp_path / "two.log").read_text().endswith("two\n")


@pytest.mark.parametrize(
    ("targets", "text"),
    [
        (["off", "stderr"], "'off' can't be combined"),
        ([""], "empty log target"),
        (["no/such/directory/mail.log"], "cannot open log file"),
    ],
)
def test_a_bad_target_is_refused_with_a_reason(targets: list[str], text: str, tmp_path: Path) -> None:
    with pytest.raises(BadLogTarget, match=text):
        open_targets(targets, tmp_path, "posthouse")


def test_off_is_no_target(tmp_path: Path) -> None:
    assert open_targets(["off"], tmp_path, "posthouse") == []
