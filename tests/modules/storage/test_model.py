"""storage.imapsql against a model of it in dicts: whatever is done, in whichever order.

POSTHOUSE_MODEL_EXAMPLES says how many runs are tried.
"""

import asyncio
import os
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from posthouse.framework.buffer import MemoryBody
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.storage import (
    KEYWORD_SHIFT,
    RECENT,
    SYSTEM_FLAGS,
    Account,
    CannotChange,
    FlagChange,
    Mailbox,
    MailboxExists,
    NoSuchMailbox,
    Snapshot,
)
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.world import FakeWorld

EXAMPLES = int(os.environ.get("POSTHOUSE_MODEL_EXAMPLES", "8"))
NAMES = st.sampled_from(["INBOX", "inbox", "a", "a.b", "a.b.c", "b", "INBOX.x"])
KEYWORDS = st.lists(st.sampled_from(["k1", "k2", "k3"]), max_size=2, unique=True)
SYSTEM = st.integers(0, 31)
POSITIONS = st.lists(st.integers(0, 30), max_size=8, unique=True)

T = TypeVar("T")


@dataclass
class ModelMessage:
    octets: bytes
    flags: frozenset[str]
    received: int


@dataclass
class ModelMailbox:
    uidvalidity: int
    uidnext: int = 1
    messages: dict[int, ModelMessage] = field(default_factory=dict)

    def add(self, message: ModelMessage) -> int:
        self.messages[self.uidnext] = message
        self.uidnext += 1
        return self.uidnext - 1

    def flags(self) -> dict[int, frozenset[str]]:
        return {uid: message.flags for uid, message in self.messages.items()}


def named(name: str) -> str:
    return "INBOX" + name[5:] if name.upper().split(".")[0] == "INBOX" else name


def words(bits: int, keywords: tuple[str, ...]) -> frozenset[str]:
    """Flags as text; \\Recent is left out."""
    system = {name for bit, name in enumerate(SYSTEM_FLAGS) if bits >> bit & 1}
    return frozenset(system | {name for bit, name in enumerate(keywords, KEYWORD_SHIFT) if bits >> bit & 1})


def system_words(bits: int, keywords: list[str]) -> frozenset[str]:
    return words(bits, ()) | frozenset(keywords)


class Session:
    """What a client knows of a mailbox that it selected."""

    def __init__(self, mailbox: Mailbox, snapshot: Snapshot) -> None:
        self.mailbox = mailbox
        self.modseq = snapshot.modseq
        self.flags = {
            uid: words(bits, snapshot.keywords)
            for uid, bits in zip(snapshot.uids, snapshot.flags, strict=True)
        }

    async def catch_up(self) -> None:
        changes = await self.mailbox.changes(self.modseq)
        assert changes.modseq >= self.modseq
        self.modseq = changes.modseq
        for uid in changes.vanished:
            del self.flags[uid]
        for uid, bits in changes.changed:
            assert uid in self.flags
            self.flags[uid] = words(bits, changes.keywords)
        for uid, bits in changes.added:
            assert uid not in self.flags
            assert all(uid > known for known in self.flags)
            self.flags[uid] = words(bits, changes.keywords)


class StorageMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.fake = FakeWorld(Path(self.folder.name))
        self.model: dict[str, ModelMailbox] = {}
        self.subscribed = {"INBOX"}
        self.sessions: list[tuple[str, Session]] = []
        self.uidvalidity = 0
        self.counter = 0

    def run(self, call: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await call

        return self.loop.run_until_complete(awaited())

    async def open(self) -> None:
        block = Node("storage.imapsql", ("sqlite3", "mail.db"), (), "", 1)
        registry: Any = None
        parsed = parse_settings(ImapSql.Settings, block, Scope({}, self.fake.paths, registry))
        self.storage = ImapSql(parsed, self.fake.context("storage.imapsql"))
        await self.storage.prepare()
        await self.storage.start()

    def teardown(self) -> None:
        self.run(self.storage.stop())
        self.loop.close()
        self.folder.cleanup()

    def made(self, uidvalidity: int) -> ModelMailbox:
        """A new mailbox of the model, with the UIDVALIDITY that the storage gave it."""
        assert uidvalidity > self.uidvalidity
        self.uidvalidity = uidvalidity
        return ModelMailbox(uidvalidity)

    @initialize()
    def begin(self) -> None:
        self.run(self.open())
        self.account: Account = self.run(self.storage.create_account("ann"))
        self.model["INBOX"] = self.made(self.run(self.account.status("INBOX")).uidvalidity)

    def some_uids(self, name: str, positions: list[int]) -> list[int]:
        """UIDs that are there, were there, or never were."""
        uidnext = self.model[name].uidnext
        return sorted({1 + position % (uidnext + 1) for position in positions})

    @rule(name=NAMES, system=SYSTEM, keywords=KEYWORDS)
    def append(self, name: str, system: int, keywords: list[str]) -> None:
        self.counter += 1
        octets = b"Subject: %d\r\n\r\n" % self.counter
        call = self.account.append(name, MemoryBody(octets), system, keywords, self.counter)
        if named(name) not in self.model:
            self.fails(NoSuchMailbox, call)
            return
        box = self.model[named(name)]
        done = self.run(call)
        uid = box.add(ModelMessage(octets, system_words(system, keywords), self.counter))
        assert (done.uid, done.uidvalidity) == (uid, box.uidvalidity)

    @rule(
        name=NAMES, positions=POSITIONS, change=st.sampled_from(FlagChange), system=SYSTEM, keywords=KEYWORDS
    )
    def store(
        self, name: str, positions: list[int], change: FlagChange, system: int, keywords: list[str]
    ) -> None:
        name = named(name)
        if name not in self.model:
            return
        uids, given = self.some_uids(name, positions), system_words(system, keywords)
        mailbox = self.run(self.account.open(name))
        done = self.run(mailbox.store(uids, change, system, keywords))
        there = [uid for uid in uids if uid in self.model[name].messages]
        for uid in there:
            message = self.model[name].messages[uid]
            message.flags = {
                FlagChange.REPLACE: given,
                FlagChange.ADD: message.flags | given,
                FlagChange.REMOVE: message.flags - given,
            }[change]
        flags = self.model[name].flags()
        assert [(uid, words(bits, done.keywords)) for uid, bits in done.flags] == [
            (uid, flags[uid]) for uid in there
        ]

    @rule(name=NAMES, positions=POSITIONS)
    def expunge(self, name: str, positions: list[int]) -> None:
        name = named(name)
        if name not in self.model:
            return
        mailbox = self.run(self.account.open(name))
        uids = self.some_uids(name, positions)
        messages = self.model[name].messages
        gone = [uid for uid in uids if uid in messages and "\\Deleted" in messages[uid].flags]
        assert self.run(mailbox.expunge(uids)) == gone
        for uid in gone:
            del messages[uid]

    @rule(name=NAMES, positions=POSITIONS, to=NAMES, moves=st.booleans())
    def copy_or_move(self, name: str, positions: list[int], to: str, moves: bool) -> None:
        name = named(name)
        if name not in self.model:
            return
        mailbox = self.run(self.account.open(name))
        uids = self.some_uids(name, positions)
        call = mailbox.move(uids, to) if moves else mailbox.copy(uids, to)
        if named(to) not in self.model:
            self.fails(NoSuchMailbox, call)
            return
        source, destination = self.model[name], self.model[named(to)]
        there = [uid for uid in uids if uid in source.messages]
        done = self.run(call)
        copies = [destination.add(ModelMessage(**vars(source.messages[uid]))) for uid in there]
        assert (done.uidvalidity, list(done.sources), list(done.uids)) == (
            destination.uidvalidity,
            there,
            copies,
        )
        for uid in there if moves else ():
            del source.messages[uid]

    @rule(name=NAMES)
    def create(self, name: str) -> None:
        call = self.account.create_mailbox(name)
        if named(name) in self.model:
            self.fails(MailboxExists, call)
            return
        self.run(call)
        self.find_new()

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        call = self.account.delete_mailbox(name)
        if named(name) not in self.model:
            self.fails(NoSuchMailbox, call)
        elif named(name) == "INBOX":
            self.fails(CannotChange, call)
        else:
            self.run(call)
            del self.model[named(name)]
            self.sessions = [(at, session) for at, session in self.sessions if at != named(name)]

    @rule(name=NAMES, to=NAMES)
    def rename(self, name: str, to: str) -> None:
        old, new = named(name), named(to)
        call = self.account.rename_mailbox(name, to)
        if old not in self.model:
            self.fails(NoSuchMailbox, call)
            return
        if old == "INBOX":
            self.rename_inbox(new, call)
            return
        below = [at for at in self.model if at.startswith(old + ".")]
        renamed = {at: new + at[len(old) :] for at in [old, *below]}
        if new.startswith(old + "."):
            self.fails(CannotChange, call)
        elif any(at in self.model for at in renamed.values()):
            self.fails(MailboxExists, call)
        else:
            self.run(call)
            self.model = {renamed.get(at, at): box for at, box in self.model.items()}
            self.sessions = [(renamed.get(at, at), session) for at, session in self.sessions]
            self.subscribed = {renamed.get(at, at) for at in self.subscribed}
            self.find_new()

    def rename_inbox(self, new: str, call: Awaitable[None]) -> None:
        """It stays what it was, and its messages go."""
        if new in self.model:
            self.fails(MailboxExists, call)
            return
        self.run(call)
        self.find_new()
        for message in self.model["INBOX"].messages.values():
            self.model[new].add(message)
        self.model["INBOX"].messages.clear()

    def find_new(self) -> None:
        """Mailboxes that came into being beside the one that was asked for."""
        listed = self.run(self.account.mailboxes())
        for info in sorted(listed, key=lambda info: info.id):
            if info.name not in self.model:
                self.model[info.name] = self.made(self.run(self.account.status(info.name)).uidvalidity)
                self.subscribed.add(info.name)

    @rule(name=NAMES, subscribed=st.booleans())
    def subscribe(self, name: str, subscribed: bool) -> None:
        call = self.account.set_subscribed(name, subscribed)
        if subscribed and named(name) not in self.model:
            self.fails(NoSuchMailbox, call)
            return
        self.run(call)
        (self.subscribed.add if subscribed else self.subscribed.discard)(named(name))

    @rule(name=NAMES)
    def select(self, name: str) -> None:
        if named(name) in self.model:
            mailbox = self.run(self.account.open(name))
            session = Session(mailbox, self.run(mailbox.snapshot()))
            self.sessions.append((named(name), session))
            assert session.flags == self.model[named(name)].flags()

    @rule()
    def catch_up(self) -> None:
        for name, session in self.sessions:
            self.run(session.catch_up())
            assert session.flags == self.model[name].flags()

    @rule()
    def restart(self) -> None:
        self.run(self.storage.stop())
        self.run(self.open())
        account = self.run(self.storage.account("ann"))
        assert account is not None
        self.account, self.sessions = account, []

    def fails(self, kind: type[Exception], call: Awaitable[object]) -> None:
        try:
            self.run(call)
        except kind:
            return
        raise AssertionError(f"{kind.__name__} was not raised")

    @invariant()
    def all_is_as_in_the_model(self) -> None:
        listed = self.run(self.account.mailboxes())
        assert {info.name for info in listed} == self.model.keys()
        assert set(self.run(self.account.subscriptions())) == self.subscribed
        for name, box in self.model.items():
            self.run(self.check(name, box))

    async def check(self, name: str, box: ModelMailbox) -> None:
        status = await self.account.status(name)
        unseen = sum("\\Seen" not in message.flags for message in box.messages.values())
        assert (status.messages, status.unseen, status.uidnext, status.uidvalidity) == (
            len(box.messages),
            unseen,
            box.uidnext,
            box.uidvalidity,
        )
        mailbox = await self.account.open(name)
        snapshot = await mailbox.snapshot()
        recent = [uid for uid, bits in zip(snapshot.uids, snapshot.flags, strict=True) if bits & RECENT]
        assert (status.recent, recent) == (len(recent), list(snapshot.recent))
        flags = {
            uid: words(bits, snapshot.keywords)
            for uid, bits in zip(snapshot.uids, snapshot.flags, strict=True)
        }
        assert flags == box.flags()
        async for rows in mailbox.rows(snapshot.uids):
            for row in rows:
                content = await mailbox.content(row.email)
                message = box.messages[row.uid]
                assert await content.read(0, content.size) == message.octets
                assert row.received == message.received


StorageMachine.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestStorage = StorageMachine.TestCase
