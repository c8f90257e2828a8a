"""Random commands of several IMAP sessions, and a model that says what each of them must see.

    play = Play(login, seed=1)
    await play.run()

With one seed the commands are the same on every server, so what came of them can be compared: they are chosen by the
model, name messages by UID, and become numbers by what the session was told.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from posthouse.testing.imap import ImapClient, Reply
from posthouse.testing.imap_model import Box, Flags, Outcome, View, changed, copied

Login = Callable[[], Awaitable[ImapClient]]

BOXES: Final = ("INBOX", "box", "other")
FLAGS: Final = ("\\Seen", "\\Flagged", "\\Deleted", "work")
SESSIONS: Final = 4
MESSAGES: Final = 20  # to begin with
COMMANDS: Final = 150
# While these are answered no message may go (RFC 3501 §7.4.1).
KEEP_NUMBERS: Final = ("FETCH", "SEARCH", "STORE")
KEYS: Final[dict[str, Callable[[str, Flags], bool]]] = {
    "ALL": lambda subject, flags: True,
    "SEEN": lambda subject, flags: "\\Seen" in flags,
    "NOT FLAGGED": lambda subject, flags: "\\Flagged" not in flags,
    "UNSEEN DELETED": lambda subject, flags: "\\Deleted" in flags and "\\Seen" not in flags,
    "OR FLAGGED KEYWORD work": lambda subject, flags: bool(flags & {"\\Flagged", "work"}),
    "UNKEYWORD work": lambda subject, flags: "work" not in flags,
    "SUBJECT 1": lambda subject, flags: "1" in subject,
}


class Play:
    """login: a new session of an empty account.

    strict: what each command told is compared with the model, and everything is played, also what a server may refuse: to rename
    INBOX, to copy what others have expunged. Else only the state at the end is, and a NOOP follows each command.
    """

    def __init__(self, login: Login, seed: int, *, strict: bool = True) -> None:
        self.outcomes: list[Outcome] = []
        self._login = login
        self._chance = random.Random(seed)  # noqa: S311 - a test, to be played again
        self._strict = strict
        self._boxes = {name: Box() for name in BOXES}
        self._views: list[View] = []
        self._subjects = 0

    async def run(self) -> None:
        for number in range(SESSIONS):
            is_odd = number % 2 == 1
            view = View(await self._login(), number, condstore=is_odd and self._strict)
            if is_odd:
                assert (await view.client.run("ENABLE CONDSTORE")).is_ok
            self._views.append(view)
        for name in BOXES[1:]:
            assert (await self._views[0].client.run(f"CREATE {name}")).is_ok
        for _ in range(MESSAGES):
            await self._append(self._views[0])
        for _ in range(COMMANDS):
            view = self._chance.choice(self._views)
            action = self._chance.choice(self._ACTIONS)
            await (action if view.name else Play._select)(self, view)
        await self._settle()

    # --- commands

    async def _append(self, view: View) -> None:
        name, flags = self._a_box(), self._some_flags()
        self._subjects += 1
        subject = str(self._subjects)
        uid = self._boxes[name].add(subject, flags)
        reply = await view.client.append(
            name, b"Subject: %b\r\n\r\nx\r\n" % subject.encode(), _listed(flags) + " "
        )
        assert not self._strict or b" %d] " % uid in reply.tagged
        await self._learn(view, f"APPEND {name}", reply)

    async def _select(self, view: View) -> None:
        name, read_only = self._a_box(), self._chance.random() < 0.2
        view.open(name, self._boxes[name], read_only=read_only)
        outcome = await self._do(view, f"{'EXAMINE' if read_only else 'SELECT'} {name}")
        assert not self._strict or len(outcome.uids) == len(view.box.messages)
        if outcome.uids and self._chance.random() < 0.7:
            await self._do(view, "FETCH 1:* (UID FLAGS)")

    async def _noop(self, view: View) -> None:
        await self._do(view, self._chance.choice(["NOOP", "CHECK"]))

    async def _fetch(self, view: View) -> None:
        items = self._chance.choice(["UID", "(UID FLAGS)", "(UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"])
        await self._with(view, "FETCH", items, self._some(view))

    async def _uid_fetch(self, view: View) -> None:
        uids = f"{self._chance.randint(1, view.box.uidnext)}:{self._chance.choice(['*', view.box.uidnext])}"
        await self._do(view, f"UID FETCH {uids} (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")

    async def _search(self, view: View) -> None:
        key, by_uid = self._chance.choice(list(KEYS)), self._chance.random() < 0.5
        known = view.known
        found = (await self._do(view, f"{'UID ' * by_uid}SEARCH {key}")).found
        if self._strict:
            alive = {uid: view.box.messages[uid] for uid in known if uid in view.box.messages}
            expected = [uid for uid, (subject, flags) in alive.items() if KEYS[key](subject, flags)]
            assert found is not None
            assert [uid for uid in found if uid in alive] == expected

    async def _store(self, view: View) -> None:
        uids, flags = self._some(view), self._some_flags()
        change, silent = self._chance.choice(["FLAGS", "+FLAGS", "-FLAGS"]), self._chance.random() < 0.5
        if view.read_only:
            return
        for uid in uids:
            view.box.change(uid, change, flags)
            if silent and uid in view.uids:
                at = view.uids.index(uid)
                known = view.flags[at]
                view.flags[at] = None if known is None else changed(change, known, flags)
        await self._with(view, "STORE", f"{change}{'.SILENT' * silent} {_listed(flags)}", uids)

    async def _expunge(self, view: View) -> None:
        only = self._chance.sample(range(1, view.box.uidnext + 1), min(view.box.uidnext, 5))
        by_uid = self._chance.random() < 0.5
        if view.read_only:
            return
        if not self._strict:  # what is \Deleted, and not told of yet, a server may leave
            await self._do(view, "NOOP")
        self._remove_deleted(view, only if by_uid else None)
        await self._do(view, f"UID EXPUNGE {','.join(map(str, sorted(only)))}" if by_uid else "EXPUNGE")

    async def _close(self, view: View) -> None:
        unselects = self._chance.random() < 0.5
        if not (unselects or view.read_only):
            await self._do(view, "NOOP")  # as for EXPUNGE
            self._remove_deleted(view)
        view.open("", Box(), read_only=True)
        await self._do(view, "UNSELECT" if unselects else "CLOSE")

    async def _copy(self, view: View) -> None:
        await self._transfer(view, "COPY")

    async def _move(self, view: View) -> None:
        if not view.read_only:
            await self._transfer(view, "MOVE")

    async def _transfer(self, view: View, command: str) -> None:
        name, uids = self._a_box(), self._some(view, alive=not self._strict)
        there = [uid for uid in uids if uid in view.box.messages]
        new = {uid: self._boxes[name].add(*view.box.messages[uid]) for uid in there}
        if command == "MOVE":
            for uid in there:
                del view.box.messages[uid]
        outcome = await self._with(view, command, name, uids)
        assert not self._strict or outcome is None or outcome.copied == new

    async def _status(self, view: View) -> None:
        name = self._a_box()
        box = self._boxes[name]
        status = (await self._do(view, f"STATUS {name} (MESSAGES UIDNEXT UNSEEN)")).status
        unseen = sum("\\Seen" not in flags for _, flags in box.messages.values())
        assert not self._strict or status == {
            "MESSAGES": len(box.messages),
            "UIDNEXT": box.uidnext,
            "UNSEEN": unseen,
        }

    async def _idle(self, view: View) -> None:
        """Others do something meanwhile."""
        tag = await view.client.start("IDLE")
        assert (await view.client.line()).startswith(b"+ ")
        other = self._chance.choice([other for other in self._views if other is not view])
        await self._chance.choice([Play._append, Play._store, Play._move])(self, other)
        view.client.send(b"DONE\r\n")
        await self._learn(view, "IDLE", await view.client.finish(tag))

    async def _rename_inbox(self, view: View) -> None:
        if not self._strict or len(self._boxes) > len(BOXES):  # once
            return
        name, inbox = f"old{len(self._boxes)}", self._boxes["INBOX"]
        box = self._boxes[name] = Box()
        for message in inbox.messages.values():
            box.add(*message)
        inbox.messages.clear()
        await self._do(view, f"RENAME INBOX {name}")

    _ACTIONS: ClassVar = (
        _append, _append, _select, _noop, _fetch, _fetch, _uid_fetch, _search, _store, _store, _store, _store,
        _expunge, _close, _copy, _move, _status, _idle, _rename_inbox,
    )  # fmt: skip

    # --- how they are done

    async def _with(self, view: View, command: str, arguments: str, uids: Sequence[int]) -> Outcome | None:
        """Do something with messages that the session knows; by number, or by UID."""
        by_uid = self._chance.random() < 0.3
        numbers = [uid if by_uid else view.uids.index(uid) + 1 for uid in uids if uid in view.uids]
        if not numbers:
            return None
        name = "UID " * by_uid + command
        shown = f"{name} {_set(uids)} {arguments}"
        return await self._learn(view, shown, await view.client.run(f"{name} {_set(numbers)} {arguments}"))

    async def _do(self, view: View, command: str) -> Outcome:
        return await self._learn(view, command, await view.client.run(command))

    async def _learn(self, view: View, command: str, reply: Reply) -> Outcome:
        """What came of it; then the session asks for UIDs, to know its numbers."""
        outcome = Outcome(view.number, command, reply.tagged, copied=copied(reply.tagged))
        self.outcomes.append(outcome)
        keeps = command.startswith(KEEP_NUMBERS)
        view.follow(reply.untagged, outcome, by_uid=command.startswith("UID "), keeps_numbers=keeps)
        if not self._strict and view.name:  # some servers tell later what others did
            news = await view.client.run("NOOP")
            view.follow(news.untagged, outcome, by_uid=False, keeps_numbers=False)
            keeps = False
        view.known = [
            *(uid for uid in view.known if keeps or uid in view.box.messages),
            *(uid for uid in view.box.messages if uid not in view.known),
        ]
        if view.uids:
            look = await view.client.run("FETCH 1:* UID")
            view.follow(look.untagged, outcome, by_uid=False, keeps_numbers=True)
        outcome.uids, outcome.flags = list(view.uids), list(view.flags)
        if self._strict:
            self._check(view, reply, outcome)
        return outcome

    def _check(self, view: View, reply: Reply, outcome: Outcome) -> None:
        assert reply.is_ok, (outcome.command, reply.tagged)
        assert view.uids == view.known, outcome
        for uid, flags in zip(view.uids, view.flags, strict=True):
            assert flags is None or uid not in view.box.messages or flags == view.box.messages[uid][1], (
                outcome
            )

    async def _settle(self) -> None:
        """All views are the mailboxes at last."""
        for view in self._views:
            if not view.name:
                await self._select(view)
            await self._do(view, "NOOP")
            await self._do(view, "FETCH 1:* (UID FLAGS)")
            assert view.uids == list(view.box.messages)
            assert view.flags == [flags for _, flags in view.box.messages.values()]
            if view.condstore:
                told = list(view.modseqs)
                await self._do(view, "FETCH 1:* (UID MODSEQ)")
                assert view.modseqs == told

    # --- chance

    def _a_box(self) -> str:
        return self._chance.choice([*self._boxes, "INBOX", "INBOX"])

    def _some(self, view: View, *, alive: bool = False) -> list[int]:
        """UIDs of messages that the session knows, ascending. alive: not of those that others have removed."""
        known = [uid for uid in view.known if uid in view.box.messages or not alive]
        if self._chance.random() < 0.6:
            known = known[-5:]  # sessions that meet
        return (
            sorted(self._chance.sample(known, self._chance.randint(1, min(4, len(known))))) if known else []
        )

    def _some_flags(self) -> Flags:
        return frozenset(self._chance.sample(FLAGS, self._chance.randint(0, 2)))

    def _remove_deleted(self, view: View, only: Sequence[int] | None = None) -> None:
        for uid, (_, flags) in list(view.box.messages.items()):
            if "\\Deleted" in flags and (only is None or uid in only):
                del view.box.messages[uid]


def _listed(flags: Flags) -> str:
    return f"({' '.join(sorted(flags))})"


def _set(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
