"""A process that delivers, removes most of it again, and compacts all the time, until it is killed: `DATABASE PREFIX`.

It says what it does as kill_worker does. Segments are tiny, so that they come and go.
"""

import asyncio
import itertools
import os
import random
import sys
from functools import partial
from pathlib import Path

from posthouse.db import bloblog, checkpoint, lease
from posthouse.db.mail import upkeep
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import (
    DELETED,
    Deliver,
    Description,
    Expunge,
    FlagMode,
    Recipient,
    Stored,
    StoreFlags,
)
from posthouse.testing import crash
from posthouse.testing.world import SimulatedClock

WRITERS = 6
REMOVED = 0.85  # of the messages
WAITING = 5  # messages of a writer that wait to be removed


def report(step: crash.Step) -> None:
    os.write(1, ("%s %s %d\n" % step).encode())


async def deliver(db: MailDatabase, account: int, tag: str) -> Stored:
    octets = crash.message(tag)
    report(("begun", tag, 0))
    body = await db.store_large(partial(list, (octets,)), None, len(octets)) if "L" in tag else octets
    description = Description(len(octets), b"", b"NIL", b"NIL")
    (stored,) = await db.run(Deliver(body, description, (Recipient(account, b"", b""),), crash.NOW))
    report(("stored", tag, stored.uid))
    return stored


async def remove(db: MailDatabase, tag: str, stored: Stored) -> None:
    report(("removing", tag, stored.uid))
    await db.run(StoreFlags(stored.mailbox, (stored.uid,), FlagMode.ADD, DELETED, ()))
    await db.run(Expunge(stored.mailbox, (stored.uid,)))
    report(("removed", tag, stored.uid))


async def churn(db: MailDatabase, account: int, prefix: str) -> None:
    chance = random.Random(prefix)
    waiting: list[tuple[str, Stored]] = []
    for n in itertools.count():
        tag = f"{prefix}.{n}L" if n % 40 == 39 else f"{prefix}.{n}"
        stored = await deliver(db, account, tag)
        if chance.random() < REMOVED:
            waiting.append((tag, stored))
        if len(waiting) > WAITING:
            await remove(db, *waiting.pop(chance.randrange(WAITING)))


async def tidy(db: MailDatabase) -> None:
    """Whoever was killed with the lease holds nobody up: minutes pass in no time."""
    clock = SimulatedClock()
    keeper = db.upkeep(clock)
    while True:
        await keeper.round()
        clock.advance(lease.LEASE + 1)
        await asyncio.sleep(0.001)


async def main(path: Path, prefix: str) -> None:
    bloblog.SEGMENT_MAX = 128 * 1024  # type: ignore[misc]
    checkpoint.THREAD_PAGES = 200  # type: ignore[misc]
    upkeep.REST = 0.0  # type: ignore[misc]
    db = crash.open_database(path)
    await db.start()
    account = db.account(crash.ACCOUNT)
    assert account is not None
    await asyncio.gather(tidy(db), *(churn(db, account.id, f"{prefix}.{n}") for n in range(WRITERS)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
