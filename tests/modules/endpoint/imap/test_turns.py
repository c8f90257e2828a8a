"""Long commands let other sessions have their turn: counted in turns of the event loop, not in seconds."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from posthouse.db.mail import reads
from posthouse.db.mail.database import MailDatabase
from posthouse.modules.endpoint.imap.mailbox_tree import NAMES_IN_A_ROW
from posthouse.modules.endpoint.imap.output import Output
from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage
from posthouse.wire.imap.list import Pattern


class Turns:
    """How many turns the event loop has taken, and at which of them some function was called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.calls: list[int] = []
        self._monkeypatch = monkeypatch

    def watch(self, owner: type, name: str) -> None:
        """Note the calls of a method."""
        function: Callable[..., Any] = getattr(owner, name)

        def noted(*args: Any) -> Any:
            self.calls.append(self.count)
            return function(*args)

        self._monkeypatch.setattr(owner, name, noted)

    async def take(self) -> None:
        while True:
            self.count += 1
            await asyncio.sleep(0)

    def most_calls(self) -> int:
        """In one turn."""
        return max(map(self.calls.count, set(self.calls)))


@pytest.fixture
async def turns(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Turns]:
    turns = Turns(monkeypatch)
    task = asyncio.create_task(turns.take())
    yield turns
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("items", "read"), [("ENVELOPE", "rows"), ("BODY.PEEK[HEADER]", "whole_rows"), ("BODY[]", "whole_rows")]
)
@pytest.mark.parametrize("storage", ["imapsql"], indirect=True)
async def test_others_have_their_turn_between_rows_that_are_large(
    server: ImapServer, turns: Turns, monkeypatch: pytest.MonkeyPatch, items: str, read: str
) -> None:
    for _ in range(20):
        await server.add("ann", b"Subject: hello\r\n\r\nHi!\r\n")
    client = await server.login("ann", "INBOX")
    monkeypatch.setattr(reads, "ROWS_OCTETS", 0)  # each row is large now
    turns.watch(MailDatabase, read)
    assert len(await client.fetch(f"FETCH 1:* {items}")) == 20
    assert len(turns.calls) >= 20
    assert turns.most_calls() == 1


@pytest.mark.parametrize("items", ["FLAGS", "UID", "(UID FLAGS MODSEQ)", "ENVELOPE"])
async def test_others_have_their_turn_between_pieces_of_output(
    in_memory: ImapServer, memory: FakeStorage, turns: Turns, items: str
) -> None:
    client = await in_memory.login("ann", "INBOX")
    account = memory.accounts["ann"]
    first = account.add("INBOX", b"Subject: hello\r\n\r\n")
    for _ in range(9999):
        account.put(account.boxes["INBOX"], first.data, first.structure, 0, 0)
    assert (await client.run("NOOP")).is_ok
    turns.watch(Output, "send")
    reply = await client.run(f"FETCH 1:* {items}")
    assert len(reply.untagged) >= 10_000
    assert len(turns.calls) > 3
    assert turns.most_calls() == 1


@pytest.mark.parametrize("command", ["LIST", "LSUB"])
@pytest.mark.parametrize("pattern", ["*x", "*", "%"])
async def test_others_have_their_turn_between_names_of_mailboxes(
    in_memory: ImapServer, memory: FakeStorage, turns: Turns, command: str, pattern: str
) -> None:
    client = await in_memory.login("ann")
    for number in range(500):
        memory.accounts["ann"].add_mailbox(f"box{number}.y")
    turns.watch(Pattern, "matches")
    assert (await client.run(f'{command} "" {pattern}')).is_ok
    assert len(turns.calls) > 500
    assert turns.most_calls() <= NAMES_IN_A_ROW
