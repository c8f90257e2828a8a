"""Sessions that change mailboxes by IMAP until the server is gone, and what a client finds there afterwards (R-021)."""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from posthouse.testing import mailbox_ledger
from posthouse.testing.imap import PASSWORD, BadResponse, ImapClient, Reply, parse
from posthouse.testing.ledger import BODY, message, tag_of
from posthouse.testing.mailbox_ledger import DELETED, Contents, Message, PairLedger, State
from posthouse.wire.imap.sequence import format_set

LARGE: Final = b"0123456789abcdef" * 70_000  # octets of a body that gets a file of its own
LARGE_EVERY: Final = 40
FEW: Final = 5  # messages: with fewer there is nothing to copy
MANY: Final = 40  # messages: with more some are expunged
FLAGS: Final = ("\\Seen", "\\Flagged", "\\Answered", "$label1", "work")  # keywords come back in small letters

_UIDS = re.compile(rb"\[(?:APPENDUID|COPYUID) \d+ (?:([0-9:,]+) )?([0-9:,]+)\]")
_GONE = (OSError, BadResponse, asyncio.IncompleteReadError)


@dataclass(frozen=True, slots=True)
class Account:
    """Where a client logs in."""

    port: int
    user: str
    password: str = PASSWORD

    @asynccontextmanager
    async def client(self) -> AsyncIterator[ImapClient]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        client = ImapClient(reader, writer)
        try:
            await client.line()
            _ok(await client.run(f'LOGIN "{self.user}" "{self.password}"'))
            _ok(await client.run("ENABLE CONDSTORE"))
            yield client
        finally:
            client.close()


async def create(account: Account, pair: PairLedger) -> None:
    """Make the mailboxes of a ledger."""
    async with account.client() as client:
        for mailbox in (pair.home, pair.other):
            _ok(await client.run(f"CREATE {mailbox.name}"))


async def look(account: Account, pair: PairLedger) -> None:
    """Compare the ledger with what is there."""
    async with account.client() as client:
        pair.check(await _state(client, pair.home.name), await _state(client, pair.other.name))


async def change(account: Account, pair: PairLedger, tags: Iterator[int], chance: random.Random) -> None:
    """Command after command, until the server is gone."""
    with contextlib.suppress(*_GONE):
        async with account.client() as client:
            session = _Session(client, pair, tags, chance)
            await session.select()
            while True:
                await session.step()


async def _state(client: ImapClient, mailbox: str) -> State:
    (said,) = _ok(await client.run(f"STATUS {mailbox} (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ UNSEEN)"))
    counters = _pairs(parse(said)[2])
    _ok(await client.run(f"EXAMINE {mailbox}"))
    fetched = await client.fetch("UID FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[])")
    messages = [_pairs(items) for items in fetched.values()]
    contents = {items["UID"]: Message(_tag(items["BODY[]"]), _flags(items)) for items in messages}
    unseen = sum("\\Seen" not in found.flags for found in contents.values())
    assert (counters["MESSAGES"], counters["UNSEEN"]) == (len(messages), unseen), mailbox
    modseqs = {items["UID"]: items["MODSEQ"][0] for items in messages}
    return State(counters["UIDVALIDITY"], counters["UIDNEXT"], counters["HIGHESTMODSEQ"], contents, modseqs)


class _Session:
    """One connection, at the home of a ledger."""

    def __init__(
        self, client: ImapClient, pair: PairLedger, tags: Iterator[int], chance: random.Random
    ) -> None:
        self._client = client
        self._pair = pair
        self._tags = tags
        self._chance = chance

    async def select(self) -> None:
        _ok(await self._client.run(f"SELECT {self._pair.home.name}"))

    async def step(self) -> None:
        """One command, as it suits what is there."""
        count = len(self._pair.home.contents)
        if count < FEW:
            return await self._append()
        if count > MANY:
            return await self._expunge()
        steps = (self._append, self._store, self._copy, self._move, self._expunge, self._swap)
        return await self._chance.choice(steps)()

    async def _append(self) -> None:
        home, flag = self._pair.home, self._chance.choice(FLAGS)
        new = Message(next(self._tags), frozenset({flag}))
        self._pair.ask("APPEND", mailbox_ledger.appends(new))
        reply = await self._client.append(home.name, _octets(new.tag), f"({flag}) ")
        _ok(reply)
        home.take(_uids(reply.tagged)[1][0], new)
        self._pair.answer()

    async def _store(self) -> None:
        await self._set_flag("STORE", self._chance.choice(FLAGS), self._some())

    async def _set_flag(self, kind: str, flag: str, uids: list[int]) -> None:
        home = self._pair.home
        wanted = {uid: home.contents[uid].with_flag(flag) for uid in uids}
        self._pair.ask(kind, mailbox_ledger.stores(wanted))
        told = _ok(await self._client.run(f"UID STORE {format_set(uids)} +FLAGS ({flag})"))
        home.contents.update(wanted)
        for items in (_pairs(parse(line)[2]) for line in told if b" FETCH (" in line):
            assert _flags(items) == home.contents[items["UID"]].flags, (items, home.contents[items["UID"]])
            home.hear_modseq(items["UID"], items["MODSEQ"][0])
        self._pair.answer()

    async def _copy(self) -> None:
        uids = self._some()
        copied = [self._pair.home.contents[uid] for uid in uids]
        self._pair.ask("COPY", mailbox_ledger.copies(copied))
        reply = await self._client.run(f"UID COPY {format_set(uids)} {self._pair.other.name}")
        _ok(reply)
        self._arrived(uids, reply.tagged)
        self._pair.answer()

    async def _move(self) -> None:
        home, uids = self._pair.home, self._some()
        self._pair.ask("MOVE", mailbox_ledger.moves({uid: home.contents[uid] for uid in uids}))
        told = _ok(await self._client.run(f"UID MOVE {format_set(uids)} {self._pair.other.name}"))
        for line in told:
            if b"COPYUID" in line:
                self._arrived(uids, line)
        for uid in uids:
            del home.contents[uid]
        self._pair.answer()

    async def _expunge(self) -> None:
        home, uids = self._pair.home, self._some()
        await self._set_flag("STORE", DELETED, uids)
        deleted: Contents = {uid: found for uid, found in home.contents.items() if DELETED in found.flags}
        self._pair.ask("EXPUNGE", mailbox_ledger.expunges(deleted))
        _ok(await self._client.run("EXPUNGE"))
        for uid in deleted:
            del home.contents[uid]
        self._pair.answer()

    async def _swap(self) -> None:
        self._pair.swap()
        await self.select()

    def _some(self) -> list[int]:
        """UIDs, ascending."""
        here = sorted(self._pair.home.contents)
        return sorted(self._chance.sample(here, self._chance.randint(1, min(len(here), MANY // 2))))

    def _arrived(self, uids: list[int], response: bytes) -> None:
        """Messages are in the other mailbox, with the UIDs that the response says."""
        sources, targets = _uids(response)
        assert sources == uids, response
        for source, target in zip(sources, targets, strict=True):
            self._pair.other.take(target, self._pair.home.contents[source])


def _ok(reply: Reply) -> list[bytes]:
    """The untagged responses of a command that succeeds."""
    assert reply.is_ok, reply.tagged
    return reply.untagged


def _pairs(items: "list[Any]") -> "dict[str, Any]":
    return dict(zip(items[::2], items[1::2], strict=True))


def _flags(items: "dict[str, Any]") -> frozenset[str]:
    return frozenset(items["FLAGS"]) - {"\\Recent"}


def _uids(response: bytes) -> tuple[list[int], list[int]]:
    """Of a response code of UIDPLUS (RFC 4315 §3): the UIDs there were, and those there are."""
    match = _UIDS.search(response)
    assert match is not None, response
    return _numbers(match[1] or b""), _numbers(match[2])


def _numbers(text: bytes) -> list[int]:
    found: list[int] = []
    for part in filter(None, text.split(b",")):
        first, _, last = part.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


def _octets(tag: int) -> bytes:
    return message(tag, LARGE if tag % LARGE_EVERY == 0 else BODY)


def _tag(octets: bytes) -> int:
    tag = tag_of(octets)
    assert octets == _octets(tag), f"message {tag} is not whole"
    return tag
