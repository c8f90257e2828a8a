"""R-001, R-002, R-003: whatever is killed at whatever moment, acknowledged mail is there once, and no other is there twice.

POSTHOUSE_CRASH_ROUNDS says how many kills (100 before a release); each falls at a random moment under full load.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from pathlib import Path

from posthouse.testing.ledger import Ledger, deliver, held
from posthouse.testing.server import CLEARTEXT, Server

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "4"))
SESSIONS = 20
USERS = ("ann@example.test", "bob@example.test")
PASSWORD = "secret"
KILL_WITHIN = 0.6  # seconds of load before the kill


def test_R_001_R_002_R_003_kill_9_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("POSTHOUSE_CRASH_SEED", "1"))
    server = Server(tmp_path, CLEARTEXT, log=str(tmp_path / "mail.log") + ",stderr")
    ledger = Ledger()
    for user in USERS:
        assert server.command("creds", "create", "-p", PASSWORD, user).returncode == 0
        assert server.command("imap-acct", "create", user).returncode == 0
    server.start()
    try:
        for number in range(ROUNDS):
            at = len(server.lines)
            asyncio.run(_load_until_killed(server, ledger, chance, whole_tree=number % 2 == 0))
            if number % 2 == 0:
                server.start()
            else:
                server.wait_for("worker started", at)
            ledger.check(_found(server))
    finally:
        server.kill()
    assert len(ledger.acknowledged) > ROUNDS * 10, "the load was no load"


async def _load_until_killed(
    server: Server, ledger: Ledger, chance: random.Random, *, whole_tree: bool
) -> None:
    port = server.ports["smtp"]
    [worker] = server.workers()
    load = [asyncio.create_task(deliver(port, ledger, USERS[n % len(USERS)])) for n in range(SESSIONS)]
    await asyncio.sleep(0.05 + KILL_WITHIN * chance.random())
    if whole_tree:
        await asyncio.to_thread(server.kill)
    else:
        os.kill(worker, signal.SIGKILL)
    await asyncio.wait(load, timeout=10)


def _found(server: Server) -> Counter[int]:
    found: Counter[int] = Counter()
    for user in USERS:
        found += held(server.ports["imap"], user, PASSWORD)
    return found
