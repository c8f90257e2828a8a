"""How long answers to FETCH take to make: `python -m bench.imap_format [MESSAGES]`. In this process, over storage.imapsql.

No socket, no client: rows, texts and octets only. Best of several repetitions, in microseconds a message.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

from bench.parse import plain
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.modules.endpoint.imap.books import Shelf
from posthouse.modules.endpoint.imap.fetch import respond
from posthouse.modules.endpoint.imap.fetch_run import Answers
from posthouse.modules.endpoint.imap.output import Output
from posthouse.modules.endpoint.imap.selected import Selected, select
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.net.connection import Stream
from posthouse.testing.world import FakeWorld
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.fetch import parse_fetch

REPEATS = 5
AT_ONCE = 500  # messages that are stored together
ITEMS = (
    "FLAGS",
    "UID",
    "(UID FLAGS)",
    "(INTERNALDATE RFC822.SIZE)",
    "(ENVELOPE INTERNALDATE RFC822.SIZE)",
    "BODYSTRUCTURE",
    "FULL",
    "BODY.PEEK[HEADER.FIELDS (From To Subject Date)]",
    "BODY.PEEK[]",
)


class Nowhere:
    """A connection whose peer takes everything at once."""

    is_lost = False
    is_full = False

    def write(self, octets: bytes) -> None:
        return None


async def filled(storage: ImapSql, count: int) -> Selected:
    """A mailbox with so many messages of 10 KiB."""
    account = await storage.create_account("ann")
    message = plain()
    for start in range(0, count, AT_ONCE):
        bodies = (
            MemoryBody(b"X-Number: %d\r\n" % n + message) for n in range(start, min(start + AT_ONCE, count))
        )
        await asyncio.gather(*(account.append("INBOX", body, 1, (), None) for body in bodies))
    return await select(await account.open("INBOX"), Shelf(), read_only=False)


async def measured(selected: Selected, items: str) -> float:
    """Seconds for all messages."""
    request = parse_fetch(Cursor(f" 1:* {items}".encode()))
    best = float("inf")
    for _ in range(REPEATS):
        out = Output(cast("Stream", Nowhere()), 1.0)
        start = time.perf_counter()
        await respond(out, selected, request, Answers(out))
        await out.send()
        best = min(best, time.perf_counter() - start)
    return best


async def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        fake = FakeWorld(Path(directory))
        scope = Scope({}, fake.paths, cast("Any", None))  # nothing in this block is a module
        block = Node("storage.imapsql", ("sqlite3", "mail.db"), (), "", 1)
        storage = ImapSql(parse_settings(ImapSql.Settings, block, scope), fake.context("storage.imapsql"))
        await storage.prepare()
        await storage.start()
        selected = await filled(storage, count)
        for items in ITEMS:
            seconds = await measured(selected, items)
            print(f"{items:50}{seconds / count * 1e6:8.2f}")
        await storage.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
