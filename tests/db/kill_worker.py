"""A process that delivers and removes mail until it is killed: `kill_worker.py DATABASE PREFIX`.

Each step goes to standard output at once, as a line "WHAT TAG UID".
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from posthouse.db import bloblog, checkpoint
from posthouse.testing import crash

WRITERS = 10


def report(step: crash.Step) -> None:
    os.write(1, ("%s %s %d\n" % step).encode())


def tags(prefix: str) -> Iterator[str]:
    """Without end; every fiftieth message is large."""
    for n in itertools.count():
        yield f"{prefix}.{n}L" if n % 50 == 49 else f"{prefix}.{n}"


async def main(path: Path, prefix: str) -> None:
    bloblog.SEGMENT_MAX = 1024 * 1024  # type: ignore[misc]  # new segments come often
    checkpoint.THREAD_PAGES = 200  # type: ignore[misc]
    db = crash.open_database(path)
    await db.start()
    account = db.account(crash.ACCOUNT)
    assert account is not None
    await asyncio.gather(
        *(crash.deliver(db, account.id, tags(f"{prefix}.{n}"), report) for n in range(WRITERS))
    )


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
