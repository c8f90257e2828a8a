import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from posthouse.core.log import Logger
from posthouse.modules.endpoint.smtp.reserve import DiskReserve
from posthouse.testing.world import LogLines, SimulatedClock


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What is free, in blocks of 10 octets, and how often somebody looked."""
    free = SimpleNamespace(f_bavail=100, f_frsize=10, looks=0)

    def statvfs(path: Path) -> SimpleNamespace:
        free.looks += 1
        return free

    monkeypatch.setattr(os, "statvfs", statvfs)
    return free


def test_R_009_a_message_needs_room_and_leaves_the_reserve(tmp_path: Path, disk: SimpleNamespace) -> None:
    clock, lines = SimulatedClock(), LogLines()
    reserve = DiskReserve(tmp_path, 500, clock, Logger(lines, "smtp"))
    assert reserve.has_room(0)
    assert reserve.has_room(1000)
    assert not reserve.has_room(1001)
    disk.f_bavail = 49
    assert reserve.has_room(0)  # as of a moment ago
    clock.advance(1)
    assert not reserve.has_room(0)
    assert not reserve.has_room(10)
    disk.f_bavail = 50
    clock.advance(1)
    assert reserve.has_room(0)
    assert [line.partition("\t")[0] for line in lines.lines] == [
        "smtp: disk space is low, mail is refused",
        "smtp: disk space is enough again, mail is taken",
    ]


def test_R_009_looking_is_cheap(tmp_path: Path, disk: SimpleNamespace) -> None:
    reserve = DiskReserve(tmp_path, 500, SimulatedClock(), Logger(LogLines(), "smtp"))
    for _ in range(1000):
        assert reserve.has_room(0)
    assert disk.looks == 1


def test_R_010_a_disk_that_does_not_answer_takes_no_mail(tmp_path: Path) -> None:
    reserve = DiskReserve(tmp_path / "gone", 500, SimulatedClock(), Logger(LogLines(), "smtp"))
    assert not reserve.has_room(0)
