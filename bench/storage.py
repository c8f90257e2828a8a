"""How fast storage.imapsql takes deliveries, without SMTP: `python -m bench.storage [--messages 6000] [--size 10240]`.

Each deliverer waits for its delivery before the next one. The time of the scan is told apart: the rest of the time on the
event loop is what the storage itself costs there.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from posthouse.core.events import MessageLog
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.storage import SEEN, FlagChange
from posthouse.message.header import Header
from posthouse.message.structure import scan
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.world import FakeWorld

DELIVERERS = (1, 10, 50)
ACCOUNTS = 10
LINE = b"The quick brown fox jumps over the lazy dog, and writes a line about it.\r\n"
HEADER = (
    b"Received: from a.example.net (a.example.net [192.0.2.1]) by mx.example.org with ESMTP;\r\n"
    b" Sun, 22 Nov 2026 17:00:00 +0000\r\nFrom: Ann <ann@example.net>\r\nTo: Bob <bob@example.org>\r\n"
    b"Subject: A message like many others\r\nDate: Sun, 22 Nov 2026 17:00:00 +0000\r\n"
    b"Message-ID: <20261122170000.1@example.net>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
)


def make_storage(fake: FakeWorld) -> ImapSql:
    block = Node("storage.imapsql", ("sqlite3", "imapsql.db"), (), "bench", 1)
    registry: Any = None  # nothing in this block is a module
    parsed = parse_settings(ImapSql.Settings, block, Scope({}, fake.paths, registry))
    return ImapSql(parsed, fake.context("storage.imapsql"))


async def deliver(
    storage: ImapSql, envelope: Envelope, body: bytes, count: int, latencies: list[float]
) -> None:
    header = Header.parse(HEADER)
    for n in range(count):
        begun = time.perf_counter()
        delivery = await storage.start_delivery(envelope, "ann@example.net")
        await delivery.add_recipient(f"user{n % ACCOUNTS}@example.org")
        await delivery.body(header, MemoryBody(body))
        await delivery.commit()
        latencies.append(time.perf_counter() - begun)


def scan_time(body: bytes) -> float:
    """Seconds that the scan of one message takes."""
    begun = time.perf_counter()
    for _ in range(1000):
        scan(body, HEADER + b"\r\n")
    return (time.perf_counter() - begun) / 1000


async def measure(storage: ImapSql, envelope: Envelope, body: bytes, deliverers: int, messages: int) -> None:
    latencies: list[float] = []
    each = messages // deliverers
    begun, on_loop = time.perf_counter(), time.thread_time()
    await asyncio.gather(*(deliver(storage, envelope, body, each, latencies) for _ in range(deliverers)))
    took, on_loop = time.perf_counter() - begun, time.thread_time() - on_loop
    count = each * deliverers
    latencies.sort()
    print(
        f"{deliverers:3} deliverers: {count / took:7.0f} deliveries/s,"
        f" p50 {latencies[count // 2] * 1e3:6.2f} ms, p99 {latencies[count * 99 // 100] * 1e3:6.2f} ms,"
        f" on the loop {on_loop / count * 1e6:4.0f} µs a delivery"
    )


async def measure_store(storage: ImapSql) -> None:
    account = await storage.account("user0@example.org")
    assert account is not None
    inbox = await account.open("INBOX")
    begun = time.perf_counter()
    snapshot = await inbox.snapshot()
    read = time.perf_counter() - begun
    begun = time.perf_counter()
    await inbox.store(snapshot.uids, FlagChange.ADD, SEEN, ())
    stored = time.perf_counter() - begun
    print(f"{len(snapshot.uids)} messages: snapshot {read * 1e3:.1f} ms, STORE 1:* {stored * 1e3:.1f} ms")


async def main(messages: int, size: int, folder: Path) -> None:
    fake = FakeWorld(folder)
    storage = make_storage(fake)
    await storage.prepare()
    await storage.start()
    for n in range(ACCOUNTS):
        await storage.create_account(f"user{n}@example.org")
    log = MessageLog(fake.context("bench").log, "00000000", fake.events)
    body = (LINE * (size // len(LINE) + 1))[:size]
    print(f"messages of {size} octets; a scan takes {scan_time(body) * 1e6:.0f} µs")
    for deliverers in DELIVERERS:
        await measure(storage, Envelope("00000000", "", None, log), body, deliverers, messages)
    await measure_store(storage)
    await storage.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--size", type=int, default=10_240, help="octets of a body")
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(main(arguments.messages, arguments.size, Path(folder)))
