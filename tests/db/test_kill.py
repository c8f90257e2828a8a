"""R-001 to R-003, R-021, R-022, R-025: processes are killed at any moment; what was answered is there once, the rest at most once.

POSTHOUSE_CRASH_ROUNDS says how many rounds are played; two processes work on one database in each.
"""

import asyncio
import logging
import os
import random
import sys
from pathlib import Path
from typing import Any

from posthouse.db import lease
from posthouse.db.files import Files
from posthouse.db.sqlite import connect
from posthouse.testing import crash
from posthouse.testing.crash import Step
from posthouse.testing.world import SimulatedClock

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "3"))
PROCESSES = 2
HERE = Path(__file__).parent


async def killed_at(worker: str, lines: int, database: Path, prefix: str) -> list[Step]:
    """Start a worker, kill it when it has said so much (and a little later); gives all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(HERE / worker), str(database), prefix, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    steps: list[Step] = []
    while line := await process.stdout.readline():
        if line.endswith(b"\n"):
            what, tag, uid = line.decode().split()
            steps.append((what, tag, int(uid)))
        if len(steps) == lines:
            process.kill()
    await process.wait()
    return steps


async def play(worker: str, database: Path, *, known: dict[int, str] | None) -> list[Step]:
    """Rounds of several workers that are killed, each followed by a look; gives what they said. known: see crash.check."""
    db = crash.open_database(database)
    await db.prepare()
    await db.start()
    await crash.create_account(db)
    await db.stop()
    chance = random.Random(ROUNDS)
    steps: list[Step] = []
    for number in range(ROUNDS):
        killed = (
            killed_at(worker, chance.randrange(50, 1000), database, f"{number}.{process}")
            for process in range(PROCESSES)
        )
        for said in await asyncio.gather(*killed):
            steps += said
        findings = await crash.check(database, steps, known)
        assert findings.broken_promises == [], f"round {number}"
    assert (await crash.check(database, steps)).broken_promises == []
    return steps


async def test_R_002_what_was_answered_is_there_once_after_each_kill(tmp_path: Path) -> None:
    steps = await play("kill_worker.py", tmp_path / "mail.db", known={})
    stored = sorted(uid for what, _, uid in steps if what == "stored")
    assert len(set(stored)) == len(stored) > 10 * ROUNDS, "a UID was given twice"


async def test_R_025_segments_come_and_go_under_kills_and_nothing_is_left_behind(tmp_path: Path) -> None:
    database = tmp_path / "mail.db"
    steps = await play("churn_worker.py", database, known=None)
    db = crash.open_database(database)
    await db.start()
    clock = SimulatedClock()
    upkeep = db.upkeep(clock)
    for _ in range(4):
        await upkeep.round()
        clock.advance(lease.LEASE)
    assert list(db.check()) == []
    await upkeep.stop()
    await db.stop()
    dropped = look_at_files(database)
    counts = [sum(step[0] == what for step in steps) for what in ("stored", "removed")]
    logging.getLogger(__name__).info(
        "%d rounds: %d stored, %d removed, %d segments gone", ROUNDS, *counts, dropped
    )
    assert dropped > ROUNDS


def look_at_files(database: Path) -> int:
    """There are just the files that have rows; gives how many segments have gone."""
    folder = database.with_name(database.name + ".blobs")
    connection = connect(database, Files())
    rows: Any = connection.execute(
        "SELECT (SELECT count(*) FROM segment), (SELECT max(id) FROM segment), count(*), count(file),"
        " (SELECT count(*) FROM message) FROM blob"
    ).fetchall()
    segments, last, blobs, large, messages = map(int, rows[0])
    connection.close()
    assert len(list(folder.glob("*.seg"))) == segments
    assert len(list((folder / "large").glob("*/*"))) == large
    assert blobs == messages
    return last - segments
