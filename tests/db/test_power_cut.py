"""R-004 to R-006: the power goes at any moment; what was answered is there, and what is there is whole.

POSTHOUSE_CRASH_ROUNDS says how many cuts are played.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from posthouse.db import bloblog, checkpoint, sqlite
from posthouse.db.errors import Refused
from posthouse.testing import crash
from posthouse.testing.crash import Findings, Step
from posthouse.testing.disk import FaultyDisk, Mark, after_power_cut

CUTS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "10"))
CUTS_A_RUN = 10
WRITERS = 5
MESSAGES = 16  # a writer and run


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """New segments and checkpoints come often."""
    monkeypatch.setattr(bloblog, "SEGMENT_MAX", 256 * 1024)
    monkeypatch.setattr(checkpoint, "THREAD_PAGES", 40)
    monkeypatch.setattr(checkpoint, "WRITER_PAGES", 120)


async def run_workload(folder: Path, disk: FaultyDisk, seed: int) -> None:
    db = crash.open_database(folder / "mail.db", disk.files)
    await db.prepare()
    await db.start()
    account = await crash.create_account(db)
    chance = random.Random(seed)
    tags = [
        [f"{seed}.{writer}.{n}{'L' * (chance.random() < 0.05)}" for n in range(MESSAGES)]
        for writer in range(WRITERS)
    ]
    await asyncio.gather(*(crash.deliver(db, account, own, disk.mark) for own in tags))
    await db.stop()


async def cut(run: Path, disk: FaultyDisk, moment: int, folder: Path, chance: random.Random) -> Findings:
    """The power goes, comes back, and somebody looks."""
    for path, content in after_power_cut(disk.log, moment, chance).items():
        copy = folder / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(content)
    steps: list[Step] = [entry.what for entry in disk.log[:moment] if isinstance(entry, Mark)]
    return await crash.check(folder / "mail.db", steps)


async def play(tmp_path: Path, cuts: int, *, forgets: str = "") -> list[Findings | Refused]:
    """Runs, each with several cuts. `forgets`: how the names of files end whose syncs do nothing."""
    outcomes: list[Findings | Refused] = []
    for number in range(0, cuts, CUTS_A_RUN):
        chance = random.Random(number)
        run = tmp_path / f"run{number}"
        run.mkdir()
        with FaultyDisk(forgets=lambda path: bool(forgets) and path.name.endswith(forgets)) as disk:
            await run_workload(run, disk, number)
        for n in range(min(CUTS_A_RUN, cuts - number)):
            moment = chance.randrange(len(disk.log))
            try:
                outcomes.append(await cut(run, disk, moment, tmp_path / f"cut{number}.{n}", chance))
            except Refused as err:
                outcomes.append(err)
    return outcomes


async def test_R_005_a_power_cut_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    outcomes = await play(tmp_path, CUTS)
    found = [outcome for outcome in outcomes if isinstance(outcome, Findings)]
    assert len(found) == len(outcomes) == CUTS
    assert [findings.broken_promises for findings in found] == [[]] * CUTS
    assert sum(findings.kept for findings in found) > CUTS


async def test_R_006_with_lowered_synchronous_the_simulation_finds_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "SYNCHRONOUS", "NORMAL")
    outcomes = await play(tmp_path, max(CUTS, 10))
    assert any(isinstance(outcome, Findings) and outcome.lost for outcome in outcomes)


async def test_R_006_with_segments_that_are_not_synced_the_simulation_finds_damage(tmp_path: Path) -> None:
    outcomes = await play(tmp_path, max(CUTS, 10), forgets=".seg")
    assert any(isinstance(outcome, Refused) or outcome.damaged for outcome in outcomes)
