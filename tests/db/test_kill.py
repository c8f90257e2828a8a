"""R-001 to R-003, R-021, R-022: processes are killed at any moment; what was answered is there once, the rest at most once.

POSTHOUSE_CRASH_ROUNDS says how many rounds are played; two processes work on one database in each.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

from posthouse.testing import crash
from posthouse.testing.crash import Step

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "3"))
PROCESSES = 2
WORKER = Path(__file__).with_name("kill_worker.py")


async def killed_at(lines: int, database: Path, prefix: str) -> list[Step]:
    """Start a worker, kill it when it has said so much (and a little later); gives all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WORKER), str(database), prefix, stdout=asyncio.subprocess.PIPE
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


async def test_R_002_what_was_answered_is_there_once_after_each_kill(tmp_path: Path) -> None:
    database = tmp_path / "mail.db"
    db = crash.open_database(database)
    await db.prepare()
    await db.start()
    await crash.create_account(db)
    await db.stop()
    chance = random.Random(ROUNDS)
    steps: list[Step] = []
    known: dict[int, str] = {}
    for number in range(ROUNDS):
        killed = (
            killed_at(chance.randrange(50, 1000), database, f"{number}.{process}")
            for process in range(PROCESSES)
        )
        for said in await asyncio.gather(*killed):
            steps += said
        findings = await crash.check(database, steps, known)
        assert findings.broken_promises == [], f"round {number}"
    assert (await crash.check(database, steps)).broken_promises == []
    stored = sorted(uid for what, _, uid in steps if what == "stored")
    assert len(set(stored)) == len(stored) > 10 * ROUNDS, "a UID was given twice"
