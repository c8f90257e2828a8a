"""R-114: random commands of several sessions, against a model of what each of them must see.

The model knows the mailboxes; a session's view is what it was told, number by number. After every command what was told must
fit to the view, and at the end all views are the mailbox. What the model leaves open is only when news are told.
"""

import asyncio
import os
import random
from dataclasses import dataclass, field

import pytest

from posthouse.testing.imap import ImapClient, ImapServer, parse

ROUNDS = int(os.environ.get("POSTHOUSE_MODEL_ROUNDS", "6"))
COMMANDS = 120  # in a round
SESSIONS = 5
BOXES = ("INBOX", "box", "other")
FLAGS = ("\\Seen", "\\Flagged", "\\Deleted", "work")


@dataclass
class Box:
    """By UID: what it is, and its flags."""

    uidnext: int = 1
    messages: dict[int, tuple[str, frozenset[str]]] = field(default_factory=dict)

    def add(self, subject: str, flags: frozenset[str]) -> int:
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages[uid] = (subject, flags)
        return uid


@dataclass
class View:
    """A session: what it was told of its mailbox. 0 is a UID that it does not know yet, None flags likewise."""

    client: ImapClient
    condstore: bool
    box: Box = field(default_factory=Box)
    name: str = ""
    uids: list[int] = field(default_factory=list)
    flags: list[frozenset[str] | None] = field(default_factory=list)
    modseqs: list[int] = field(default_factory=list)

    def follow(self, untagged: list[bytes], *, keeps_numbers: bool) -> None:
        for line in untagged:
            number, word, *rest = parse(line) if not line.startswith(b"OK ") else (0, "OK")
            if word == "EXPUNGE":
                assert not keeps_numbers, line
                for column in (self.uids, self.flags, self.modseqs):
                    del column[number - 1]
            elif word == "EXISTS":
                assert number >= len(self.uids)
                more = number - len(self.uids)
                self.uids += [0] * more
                self.flags += [None] * more
                self.modseqs += [0] * more
            elif word == "FETCH":
                self._learn(number - 1, dict(zip(rest[0][::2], rest[0][1::2], strict=True)))

    def _learn(self, at: int, told: "dict[str, object]") -> None:
        if "UID" in told:
            assert self.uids[at] in (0, told["UID"])
            uid = told["UID"]
            assert isinstance(uid, int)
            self.uids[at] = uid
        if "FLAGS" in told:
            flags = told["FLAGS"]
            assert isinstance(flags, list)
            self.flags[at] = frozenset(flags) - {"\\Recent"}
        if self.condstore:
            modseq = told["MODSEQ"]
            assert isinstance(modseq, list)
            assert modseq[0] >= self.modseqs[at]
            self.modseqs[at] = modseq[0]
        if "BODY[HEADER.FIELDS (SUBJECT)]" in told and self.uids[at] in self.box.messages:
            subject = self.box.messages[self.uids[at]][0]
            assert told["BODY[HEADER.FIELDS (SUBJECT)]"] == b"Subject: %b\r\n\r\n" % subject.encode()

    def some(self, chance: random.Random) -> list[int]:
        """Places of messages whose UID is known, ascending."""
        known = [at for at, uid in enumerate(self.uids) if uid]
        return sorted(chance.sample(known, chance.randint(1, min(4, len(known))))) if known else []


class Play:
    def __init__(self, server: ImapServer, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._boxes = {name: Box() for name in BOXES}
        self._views: list[View] = []
        self._count = 0

    async def run(self) -> None:
        for number in range(SESSIONS):
            view = View(await self._server.login("ann"), condstore=number % 2 == 1)
            if view.condstore:
                assert (await view.client.run("ENABLE CONDSTORE")).is_ok
            self._views.append(view)
        for name in BOXES[1:]:
            assert (await self._views[0].client.run(f"CREATE {name}")).is_ok
        for _ in range(12):
            await self._append(self._views[0])
        for view in self._views:
            await self._select(view)
        for _ in range(COMMANDS):
            view = self._chance.choice(self._views)
            await self._chance.choice(self._ACTIONS)(self, view)
        await self._settle()

    async def _do(self, view: View, command: str, *, keeps_numbers: bool = False) -> bytes:
        reply = await view.client.run(command)
        assert reply.is_ok, (command, reply.tagged)
        view.follow(reply.untagged, keeps_numbers=keeps_numbers)
        return reply.tagged

    # --- commands

    async def _append(self, view: View) -> None:
        name, flags = self._chance.choice(BOXES), self._some_flags()
        self._count += 1
        uid = self._boxes[name].add(str(self._count), flags)
        message = f"Subject: {self._count}\r\n\r\nx\r\n".encode()
        reply = await view.client.append(name, message, f"({' '.join(flags)}) ")
        assert b" %d] APPEND completed" % uid in reply.tagged
        view.follow(reply.untagged, keeps_numbers=False)

    async def _select(self, view: View) -> None:
        view.name = self._chance.choice(BOXES)
        view.box = self._boxes[view.name]
        view.uids, view.flags, view.modseqs = [], [], []
        reply = await view.client.run(f"SELECT {view.name}")
        assert b"%d EXISTS" % len(view.box.messages) in reply.untagged
        view.uids = [0] * len(view.box.messages)
        view.flags, view.modseqs = [None] * len(view.uids), [0] * len(view.uids)
        await self._do(view, "FETCH 1:* (UID FLAGS)", keeps_numbers=True)
        assert view.uids == list(view.box.messages)

    async def _noop(self, view: View) -> None:
        await self._do(view, self._chance.choice(["NOOP", "CHECK"]))
        await self._do(view, "FETCH 1:* UID", keeps_numbers=True)
        assert view.uids == list(view.box.messages)
        known = {uid: flags for uid, flags in zip(view.uids, view.flags, strict=True) if flags is not None}
        assert all(view.box.messages[uid][1] == flags for uid, flags in known.items())

    async def _fetch(self, view: View) -> None:
        if places := view.some(self._chance):
            numbers = ",".join(str(at + 1) for at in places)
            items = self._chance.choice(["UID", "(UID FLAGS)", "(UID BODY.PEEK[HEADER.FIELDS (Subject)])"])
            await self._do(view, f"FETCH {numbers} {items}", keeps_numbers=True)

    async def _uid_fetch(self, view: View) -> None:
        uids = f"{self._chance.randint(1, view.box.uidnext)}:{self._chance.choice(['*', view.box.uidnext])}"
        await self._do(view, f"UID FETCH {uids} (FLAGS BODY.PEEK[HEADER.FIELDS (Subject)])")

    async def _store(self, view: View) -> None:
        places, flags = view.some(self._chance), self._some_flags()
        if not places:
            return
        change, silent = self._chance.choice(["FLAGS", "+FLAGS", "-FLAGS"]), self._chance.random() < 0.5
        numbers = ",".join(str(at + 1) for at in places)
        for at in places:
            uid = view.uids[at]
            if uid in view.box.messages:
                subject, old = view.box.messages[uid]
                view.box.messages[uid] = (subject, _changed(change, old, flags))
            if silent:
                known = view.flags[at]
                view.flags[at] = None if known is None else _changed(change, known, flags)
        item = change + ".SILENT" * silent
        await self._do(view, f"STORE {numbers} {item} ({' '.join(flags)})", keeps_numbers=True)
        await self._do(view, "FETCH 1:* UID", keeps_numbers=True)

    async def _expunge(self, view: View) -> None:
        uids = sorted(self._chance.sample(range(1, view.box.uidnext + 1), min(view.box.uidnext, 5)))
        only = self._chance.random() < 0.5
        for uid, (_, flags) in list(view.box.messages.items()):
            if "\\Deleted" in flags and (uid in uids or not only):
                del view.box.messages[uid]
        await self._do(view, f"UID EXPUNGE {','.join(map(str, uids))}" if only else "EXPUNGE")
        await self._check_all(view)

    async def _copy(self, view: View) -> None:
        await self._transfer(view, "COPY")

    async def _move(self, view: View) -> None:
        await self._transfer(view, "MOVE")
        await self._check_all(view)

    async def _transfer(self, view: View, command: str) -> None:
        name, places = self._chance.choice(BOXES), view.some(self._chance)
        if not places:
            return
        by_uid = self._chance.random() < 0.5
        numbers = ",".join(str(view.uids[at] if by_uid else at + 1) for at in places)
        there = [view.uids[at] for at in places if view.uids[at] in view.box.messages]
        for uid in there:
            self._boxes[name].add(*view.box.messages[uid])
        if command == "MOVE":
            for uid in there:
                del view.box.messages[uid]
        await self._do(view, f"{'UID ' * by_uid}{command} {numbers} {name}")
        await self._do(view, "FETCH 1:* UID", keeps_numbers=True)

    async def _check_all(self, view: View) -> None:
        await self._do(view, "NOOP")
        await self._do(view, "FETCH 1:* UID", keeps_numbers=True)
        assert view.uids == list(view.box.messages)

    async def _settle(self) -> None:
        """All views are the mailboxes, and so is what a new session sees."""
        for view in self._views:
            await self._noop(view)
            await self._do(view, "FETCH 1:* (UID FLAGS)", keeps_numbers=True)
            assert view.flags == [flags for _, flags in view.box.messages.values()]
            if view.condstore:
                told = list(view.modseqs)
                await self._do(view, "FETCH 1:* (UID MODSEQ)", keeps_numbers=True)
                assert view.modseqs == told

    def _some_flags(self) -> frozenset[str]:
        return frozenset(self._chance.sample(FLAGS, self._chance.randint(0, 2)))

    _ACTIONS = (
        _append,
        _select,
        _noop,
        _fetch,
        _fetch,
        _uid_fetch,
        _store,
        _store,
        _store,
        _expunge,
        _copy,
        _move,
    )


def _changed(change: str, old: frozenset[str], flags: frozenset[str]) -> frozenset[str]:
    return flags if change == "FLAGS" else old | flags if change == "+FLAGS" else old - flags


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_R_114_sessions_see_what_the_model_says(server: ImapServer, seed: int) -> None:
    await Play(server, seed).run()


async def test_R_114_sequence_numbers_never_slip_under_moves_of_many(server: ImapServer) -> None:
    """All at once: each session counts by what it is told, and a message is never another."""
    for number in range(40):
        await server.add("ann", b"Subject: %d\r\n\r\n" % number)
    first = await server.login("ann")
    assert (await first.run("CREATE box")).is_ok
    clients = [await server.login("ann", "INBOX") for _ in range(12)]
    await asyncio.gather(*(_shuffle(client, seed) for seed, client in enumerate(clients)))
    subjects: list[bytes] = []
    for name in ("INBOX", "box"):
        client = await server.login("ann", name)
        found = await client.fetch("FETCH 1:* BODY.PEEK[HEADER.FIELDS (Subject)]")
        subjects += [items[1] for items in found.values()]
    assert sorted(subjects) == sorted(b"Subject: %d\r\n\r\n" % number for number in range(40))


async def _shuffle(client: ImapClient, seed: int) -> None:
    """Move messages to and fro; what a number is called is what its UID says."""
    chance = random.Random(seed)
    view = View(client, condstore=False)
    here = "INBOX"
    for _ in range(15):
        reply = await client.run(f"SELECT {here}")
        count = max(parse(line)[0] for line in reply.untagged if line.endswith(b" EXISTS"))
        view.uids, view.flags, view.modseqs = [0] * count, [None] * count, [0] * count
        there = "box" if here == "INBOX" else "INBOX"
        for command in ("FETCH 1:* (UID)", "NOOP", "FETCH 1:* (UID)"):
            reply = await client.run(command)
            view.follow(reply.untagged, keeps_numbers=command.startswith("FETCH"))
        if view.uids:
            reply = await client.run(f"MOVE {chance.randint(1, len(view.uids))} {there}")
            assert reply.is_ok
            view.follow(reply.untagged, keeps_numbers=False)
        here = chance.choice(("INBOX", "box"))
