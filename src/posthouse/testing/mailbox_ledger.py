"""A ledger of two mailboxes that one session changes: what was answered, what was only asked for, what is there (R-021).

APPEND and COPY happen whole or not at all; STORE, MOVE and EXPUNGE for each message or not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

DELETED = "\\Deleted"


@dataclass(frozen=True, slots=True)
class Message:
    """tag: which one it is, and what its octets are. flags: without \\Recent."""

    tag: int
    flags: frozenset[str] = frozenset()

    def with_flag(self, flag: str) -> "Message":
        return Message(self.tag, self.flags | {flag})


Contents = dict[int, Message]  # of a mailbox, by UID


@dataclass(frozen=True, slots=True)
class State:
    """What a client finds in a mailbox. modseqs: of each message, by UID."""

    uidvalidity: int
    uidnext: int
    highestmodseq: int
    contents: Contents
    modseqs: dict[int, int]


@dataclass(frozen=True, slots=True)
class Difference:
    """Of a mailbox to what was answered. new: in order of UIDs."""

    gone: tuple[int, ...] = ()
    changed: Contents = field(default_factory=dict)
    new: tuple[Message, ...] = ()


NONE = Difference()

# Whether these differences of the mailbox at home and of the other one are what a command may have left.
Explains = Callable[[Difference, Difference], bool]


def appends(message: Message) -> Explains:
    return lambda home, other: other == NONE and home in (NONE, Difference(new=(message,)))


def copies(messages: Sequence[Message]) -> Explains:
    return lambda home, other: home == NONE and other in (NONE, Difference(new=tuple(messages)))


def stores(asked: Contents) -> Explains:
    """asked: the messages as they are afterwards."""
    return lambda home, other: (
        other == NONE and home == Difference(changed=home.changed) and home.changed.items() <= asked.items()
    )


def moves(asked: Contents) -> Explains:
    """Each message is in one of the two mailboxes, never in both and never in none."""

    def explains(home: Difference, other: Difference) -> bool:
        if not set(home.gone) <= asked.keys():
            return False
        return home == Difference(home.gone) and other == Difference(
            new=tuple(asked[uid] for uid in home.gone)
        )

    return explains


def expunges(asked: Contents) -> Explains:
    return lambda home, other: (
        other == NONE and home == Difference(home.gone) and set(home.gone) <= asked.keys()
    )


def _nothing(home: Difference, other: Difference) -> bool:
    return home == other == NONE


class MailboxLedger:
    """What one mailbox holds, as far as it was answered, and every UID that it ever gave."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.contents: Contents = {}
        self._last: State | None = None
        self._uidnext = 1
        self._modseqs: dict[int, int] = {}

    def take(self, uid: int, message: Message) -> None:
        """A message was given this UID, which none had before."""
        assert uid >= self._uidnext, f"{self.name}: UID {uid} was given again"
        self._uidnext = uid + 1
        self.contents[uid] = message

    def hear_modseq(self, uid: int, modseq: int) -> None:
        """A message was said to have this MODSEQ."""
        assert modseq >= self._modseqs.get(uid, 0), f"{self.name}: MODSEQ of UID {uid} went back"
        self._modseqs[uid] = modseq

    def difference(self, found: Contents) -> Difference:
        known = self.contents
        assert all(uid >= self._uidnext for uid in found.keys() - known.keys()), (
            f"{self.name}: a UID was given again"
        )
        return Difference(
            tuple(sorted(known.keys() - found.keys())),
            {uid: found[uid] for uid in known.keys() & found.keys() if found[uid] != known[uid]},
            tuple(found[uid] for uid in sorted(found.keys() - known.keys())),
        )

    def settle(self, found: State) -> None:
        """From now on this is what is there."""
        if self._last is not None:
            assert found.uidvalidity == self._last.uidvalidity, f"{self.name}: UIDVALIDITY has changed"
            assert found.highestmodseq >= self._last.highestmodseq, f"{self.name}: HIGHESTMODSEQ went back"
        assert found.uidnext >= self._uidnext, f"{self.name}: UIDNEXT went back"
        assert found.uidnext > max(found.contents, default=0), f"{self.name}: UIDNEXT is too low"
        for uid, modseq in found.modseqs.items():
            self.hear_modseq(uid, modseq)
        assert found.highestmodseq >= max(self._modseqs.values(), default=0), (
            f"{self.name}: HIGHESTMODSEQ is too low"
        )
        self._last, self._uidnext, self.contents = found, found.uidnext, dict(found.contents)


class PairLedger:
    """Of two mailboxes, between which messages are copied and moved: commands are given at `home`.

    answered: how often each kind of command was answered. cut: how often each was not, and what became of it.
    """

    def __init__(self, home: str, other: str) -> None:
        self.home = MailboxLedger(home)
        self.other = MailboxLedger(other)
        self.answered: dict[str, int] = {}
        self._asked: tuple[str, Explains] | None = None
        self.cut: list[str] = []

    def swap(self) -> None:
        """From now on commands are given at the other mailbox."""
        self.home, self.other = self.other, self.home

    def ask(self, kind: str, explains: Explains) -> None:
        """A command is sent."""
        self._asked = kind, explains

    def answer(self) -> None:
        """It was answered OK, and what it has done is in the ledger."""
        assert self._asked is not None
        kind, _ = self._asked
        self.answered[kind] = self.answered.get(kind, 0) + 1
        self._asked = None

    def check(self, home: State, other: State) -> None:
        """After a crash: all that was answered is there, and of the command that was not, what it may have done."""
        kind, explains = self._asked or ("nothing", _nothing)
        differences = self.home.difference(home.contents), self.other.difference(other.contents)
        assert explains(*differences), f"{self.home.name}: {kind} was asked for, and left {differences}"
        if self._asked is not None:
            self.cut.append(f"{kind} {'not done' if _nothing(*differences) else 'done'}")
        self._asked = None
        self.home.settle(home)
        self.other.settle(other)
