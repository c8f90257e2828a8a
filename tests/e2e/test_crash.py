"""R-001, R-002, R-003, R-021: whatever is killed at whatever moment, what was answered is there once, and nothing by halves.

POSTHOUSE_CRASH_ROUNDS says how many kills (100 before a release); each falls at a random moment under full load.
"""

import asyncio
import itertools
import logging
import os
import random
import signal
from collections import Counter
from pathlib import Path

from posthouse.testing import imap_load
from posthouse.testing.imap_load import Account
from posthouse.testing.ledger import Ledger, deliver, held
from posthouse.testing.mailbox_ledger import PairLedger
from posthouse.testing.server import CLEARTEXT, Server

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "4"))
SESSIONS = 20  # that deliver
WRITERS = 3  # that change mailboxes by IMAP, for each user
USERS = ("ann@example.test", "bob@example.test")
PASSWORD = "secret"
KILL_WITHIN = 0.6  # seconds of load before the kill


def test_R_001_R_002_R_003_R_021_kill_9_under_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    chance = random.Random(os.environ.get("POSTHOUSE_CRASH_SEED", "1"))
    server = Server(tmp_path, CLEARTEXT, log=str(tmp_path / "mail.log") + ",stderr")
    for user in USERS:
        assert server.command("creds", "create", "-bcrypt-cost=4", "-p", PASSWORD, user).returncode == 0
        assert server.command("imap-acct", "create", user).returncode == 0
    server.start()
    try:
        load = Load(server, chance)
        for number in range(ROUNDS):
            at = len(server.lines)
            asyncio.run(load.until_killed(whole_tree=number % 2 == 0))
            if number % 2 == 0:
                server.start()
            else:
                server.wait_for("worker started", at)
            asyncio.run(load.check())
        checked = server.command("check")
    finally:
        if server.is_running:
            server.kill()
    assert (checked.returncode, checked.stdout) == (0, "")
    load.was_enough()


class Load:
    """Sessions that deliver, and others that change mailboxes of the same accounts, with what they were answered."""

    def __init__(self, server: Server, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self._delivered = Ledger()
        self._tags = itertools.count()
        self._pairs = [
            (Account(server.ports["imap"], user, PASSWORD), PairLedger(f"Work{n}", f"Done{n}"))
            for user in USERS
            for n in range(WRITERS)
        ]
        asyncio.run(self._create())

    async def _create(self) -> None:
        for account, pair in self._pairs:
            await imap_load.create(account, pair)

    async def until_killed(self, *, whole_tree: bool) -> None:
        port = self._server.ports["smtp"]
        [worker] = self._server.workers()
        async with asyncio.timeout(30), asyncio.TaskGroup() as sessions:
            for n in range(SESSIONS):
                sessions.create_task(deliver(port, self._delivered, USERS[n % len(USERS)]))
            for account, pair in self._pairs:
                sessions.create_task(imap_load.change(account, pair, self._tags, self._chance))
            await asyncio.sleep(0.05 + KILL_WITHIN * self._chance.random())
            if whole_tree:
                await asyncio.to_thread(self._server.kill)
            else:
                os.kill(worker, signal.SIGKILL)

    async def check(self) -> None:
        """Compare all ledgers with what is there."""
        for account, pair in self._pairs:
            await imap_load.look(account, pair)
        found: Counter[int] = Counter()
        for user in USERS:
            found += held(self._server.ports["imap"], user, PASSWORD)
        self._delivered.check(found)

    def was_enough(self) -> None:
        """Enough was answered for the kills to fall among much that is under way."""
        answered: Counter[str] = Counter()
        for _, pair in self._pairs:
            answered += Counter(pair.answered)
        cut = Counter(what for _, pair in self._pairs for what in pair.cut)
        logging.getLogger(__name__).info(
            "%d rounds: %d deliveries, %s, cut off: %s",
            *(ROUNDS, len(self._delivered.acknowledged), dict(answered), dict(cut)),
        )
        assert len(self._delivered.acknowledged) > ROUNDS * 10, "the load was no load"
        assert answered.keys() == {"APPEND", "STORE", "COPY", "MOVE", "EXPUNGE"}
        assert answered.total() > ROUNDS * 10, "the load by IMAP was no load"
