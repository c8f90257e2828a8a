"""What sessions of one IMAP account must see: mailboxes as they should be, and sessions as they were told."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from posthouse.testing.imap import ImapClient, parse

_COPY_UID = re.compile(rb"\[COPYUID [0-9]+ ([0-9:,]+) ([0-9:,]+)\]")

Flags = frozenset[str]


@dataclass(slots=True)
class Box:
    """A mailbox. By UID: subject and flags."""

    uidnext: int = 1
    messages: dict[int, tuple[str, Flags]] = field(default_factory=dict)

    def add(self, subject: str, flags: Flags) -> int:
        uid, self.uidnext = self.uidnext, self.uidnext + 1
        self.messages[uid] = (subject, flags)
        return uid

    def change(self, uid: int, change: str, flags: Flags) -> None:
        if uid in self.messages:
            subject, old = self.messages[uid]
            self.messages[uid] = (subject, changed(change, old, flags))


@dataclass(slots=True)
class Outcome:
    """What came of a command, with UIDs for sequence numbers.

    fetched: what was told of messages, whatever the reason. expunged: messages told to be gone, ascending. copied: from UID to
    UID. uids, flags: what the session knows then; None are flags that it was not told.
    """

    session: int
    command: str
    tagged: bytes = b""
    fetched: dict[int, dict[str, Any]] = field(default_factory=dict)
    found: list[int] | None = None
    status: dict[str, int] = field(default_factory=dict)
    copied: dict[int, int] = field(default_factory=dict)
    expunged: list[int] = field(default_factory=list)
    uids: list[int] = field(default_factory=list)
    flags: "list[Flags | None]" = field(default_factory=list)


@dataclass(slots=True)
class View:
    """A session. known: UIDs of the messages that it must have been told of by now. condstore: each FETCH must tell MODSEQ.

    uids, flags, modseqs: what it was told, number by number; 0 and None are what it does not know yet.
    """

    client: ImapClient
    number: int
    condstore: bool
    name: str = ""  # of the selected mailbox, if there is one
    box: Box = field(default_factory=Box)
    read_only: bool = False
    known: list[int] = field(default_factory=list)
    uids: list[int] = field(default_factory=list)
    flags: "list[Flags | None]" = field(default_factory=list)
    modseqs: list[int] = field(default_factory=list)

    def open(self, name: str, box: Box, *, read_only: bool) -> None:
        self.name, self.box, self.read_only = name, box, read_only
        self.known, self.uids, self.flags, self.modseqs = [], [], [], []

    def follow(
        self, untagged: Sequence[bytes], outcome: Outcome, *, by_uid: bool, keeps_numbers: bool
    ) -> None:
        """Learn from what was told. by_uid: messages were found by UID. keeps_numbers: no message may go."""
        for line in untagged:
            if line.startswith((b"OK ", b"NO ")):
                outcome.copied |= copied(line)
                continue
            first, *rest = parse(line)
            if first == "SEARCH":
                outcome.found = rest if by_uid else [self.uids[number - 1] for number in rest]
            elif first == "STATUS":
                outcome.status = _pairs(rest[1])
            elif rest[0] == "EXPUNGE":
                assert not keeps_numbers, line
                self._forget(first - 1, outcome)
            elif rest[0] == "EXISTS":
                self._grow(first)
            elif rest[0] == "FETCH":
                told = _pairs(rest[1])
                self._learn(first - 1, told)
                outcome.fetched.setdefault(self.uids[first - 1], {}).update(told)

    def _forget(self, at: int, outcome: Outcome) -> None:
        outcome.expunged = sorted([*outcome.expunged, self.uids[at]])
        for column in (self.uids, self.flags, self.modseqs):
            del column[at]

    def _grow(self, total: int) -> None:
        more = total - len(self.uids)
        assert more >= 0
        self.uids += [0] * more
        self.flags += [None] * more
        self.modseqs += [0] * more

    def _learn(self, at: int, told: dict[str, Any]) -> None:
        if "UID" in told:
            assert self.uids[at] in (0, told["UID"])
            self.uids[at] = told["UID"]
        if "FLAGS" in told:
            self.flags[at] = frozenset(told["FLAGS"]) - {"\\Recent"}
        if self.condstore:
            (modseq,) = told["MODSEQ"]
            assert modseq >= self.modseqs[at]
            self.modseqs[at] = modseq
        subject = told.get("BODY[HEADER.FIELDS (SUBJECT)]")
        if subject is not None and self.uids[at] in self.box.messages:
            assert subject == b"Subject: %b\r\n\r\n" % self.box.messages[self.uids[at]][0].encode()


def changed(change: str, old: Flags, flags: Flags) -> Flags:
    """What STORE makes of flags."""
    return flags if change == "FLAGS" else old | flags if change == "+FLAGS" else old - flags


def copied(line: bytes) -> dict[int, int]:
    """What a COPYUID in this response tells."""
    code = _COPY_UID.search(line)
    return dict(zip(_numbers(code[1]), _numbers(code[2]), strict=True)) if code else {}


def _numbers(numbers: bytes) -> list[int]:
    """The members of a set, in its order."""
    found: list[int] = []
    for part in numbers.split(b","):
        first, _, last = part.partition(b":")
        found += range(int(first), int(last or first) + 1)
    return found


def _pairs(values: list[Any]) -> dict[str, Any]:
    return dict(zip(values[::2], values[1::2], strict=True))
