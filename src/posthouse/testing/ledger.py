"""Load with a ledger: which messages were acknowledged, which were only tried; and what a mailbox holds of them."""

import asyncio
import contextlib
import imaplib
import itertools
import re
from collections import Counter
from dataclasses import dataclass, field

BODY = b"A line of a message that must not be lost.\r\n" * 40
TAG = re.compile(rb"X-Ledger: (\d+)-(\d+)\r\n")


@dataclass(slots=True)
class Ledger:
    """tried: tags of all messages whose data was sent; acknowledged: those that the server took with 250."""

    tried: set[int] = field(default_factory=set)
    acknowledged: set[int] = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def next_tag(self) -> int:
        tag = next(self._numbers)
        self.tried.add(tag)
        return tag

    def check(self, found: Counter[int]) -> None:
        """Acknowledged is exactly one copy, tried none or one, and nothing else is there (R-001, R-002, R-003)."""
        lost = self.acknowledged - found.keys()
        double = {tag: count for tag, count in found.items() if count > 1}
        unknown = found.keys() - self.tried
        assert (lost, double, unknown) == (set(), {}, set())


def message(tag: int, body: bytes = BODY) -> bytes:
    """A message that says which it is, at its beginning and at its end."""
    head = b"From: <a@example.net>\r\nTo: <b@example.org>\r\nSubject: %d\r\nX-Ledger: %d-%d\r\n\r\n" % (
        tag,
        tag,
        tag,
    )
    return head + body + b"end of %d\r\n" % tag


async def deliver(port: int, ledger: Ledger, recipient: str) -> None:
    """Send message after message until the server is gone."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await _session(reader, writer, ledger, recipient.encode())
        finally:
            writer.transport.abort()


async def _session(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ledger: Ledger, recipient: bytes
) -> None:
    await _reply(reader)
    writer.write(b"EHLO client.example\r\n")
    await _reply(reader)
    while True:
        tag = ledger.next_tag()
        writer.write(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\nDATA\r\n" % recipient)
        for _ in range(3):
            await _reply(reader)
        writer.write(message(tag) + b".\r\n")
        if (await _reply(reader)).startswith(b"250"):
            ledger.acknowledged.add(tag)


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] != b"-":
            return line


def held(port: int, user: str, password: str) -> Counter[int]:
    """The tags of the messages in an INBOX, each message whole."""
    found: Counter[int] = Counter()
    with imaplib.IMAP4("127.0.0.1", port) as client:
        client.login(user, password)
        client.select("INBOX", readonly=True)
        _, answers = client.uid("FETCH", "1:*", "(BODY.PEEK[])")
        for answer in answers:
            if isinstance(answer, tuple):
                found[_tag(answer[1])] += 1
    return found


def tag_of(stored: bytes) -> int:
    """Which message its header says that it is."""
    match = TAG.search(stored)
    assert match is not None, "a message without its header"
    assert match[1] == match[2]
    return int(match[1])


def _tag(stored: bytes) -> int:
    tag = tag_of(stored)
    assert stored.endswith(message(tag)[message(tag).index(b"X-Ledger") :]), f"message {tag} is not whole"
    return tag
