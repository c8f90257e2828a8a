"""The mailbox that a session has selected: what the client knows of it, and what it is yet to be told.

The client counts messages by what it was told; so the arrays here change only when it is told (RFC 3501 §7.4.1). What
happened meanwhile waits: new messages, removed ones, flags (spec/storage-and-imap.md §6).
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from posthouse.core.arrays import without
from posthouse.framework.interfaces.storage import (
    DELETED,
    KEYWORD_SHIFT,
    RECENT,
    SEEN,
    FlagChange,
    Mailbox,
    Snapshot,
    StorageError,
    Stored,
    compact_flags,
)
from posthouse.modules.endpoint.imap.books import Books, Shelf
from posthouse.modules.endpoint.imap.flag_text import flag_text
from posthouse.wire.imap.sequence import SequenceSet

LINES = 1000  # that are formatted at a time

Places = range  # where messages stand in the arrays: sequence numbers less 1


@dataclass(frozen=True, slots=True)
class FlagsChange:
    """system: bits. keywords: names."""

    change: FlagChange
    system: int
    keywords: Sequence[str] = ()


class Changed(NamedTuple):
    """places: of the messages whose flags are set now, ascending. modified: UIDs of those that were left alone."""

    places: list[int]
    modified: list[int]


class Selected:
    """uids ascends; flags[i] belongs to uids[i], with \\Recent as this session has it. recent: how many have it.

    modseq: all changes up to here are known. condstore: the client is told mod-sequences (RFC 7162 §3.1).
    """

    __slots__ = (
        "_added",
        "_books",
        "_changed",
        "_shelf",
        "_vanished",
        "condstore",
        "flags",
        "keywords",
        "mailbox",
        "modseq",
        "read_only",
        "recent",
        "text",
        "uidnext",
        "uids",
        "uidvalidity",
    )

    def __init__(self, mailbox: Mailbox, snapshot: Snapshot, shelf: Shelf, *, read_only: bool) -> None:
        self.mailbox = mailbox
        self.read_only = read_only
        self.uidvalidity = snapshot.uidvalidity
        self.uidnext = snapshot.uidnext
        self.uids = snapshot.uids  # replaced, never changed
        self.flags = snapshot.flags  # see _own_flags
        self.keywords = snapshot.keywords
        self.text = flag_text(snapshot.keywords)
        self.recent = len(snapshot.recent)
        self.modseq = snapshot.modseq
        self.condstore = False
        self._added: dict[int, int] = {}  # UID: flags; ascending
        self._changed: set[int] = set()  # UIDs
        self._vanished: set[int] = set()  # UIDs
        self._shelf = shelf
        self._books: Books | None = None  # that have `uids` and `flags`: others may look at them too
        self._share()

    # --- finding messages

    def places(self, messages: SequenceSet, *, by_uid: bool) -> list[Places]:
        """Where the messages of a set stand, ascending; those that are not there are left out."""
        uids = self.uids
        if not by_uid:
            ranges = messages.resolve(len(uids))
            return [range(low - 1, min(high, len(uids))) for low, high in ranges if low <= len(uids)]
        if not uids:
            return []
        ranges = messages.resolve(uids[-1])
        found = (range(bisect_left(uids, low), bisect_right(uids, high)) for low, high in ranges)
        return [places for places in found if places]

    def uids_at(self, found: Sequence[Places]) -> "array[int]":
        """The UIDs of the messages at these places, ascending."""
        if len(found) == 1:
            return self.uids[found[0].start : found[0].stop]
        uids = array(self.uids.typecode)
        for places in found:
            uids += self.uids[places.start : places.stop]
        return uids

    def place(self, uid: int, at: int = 0) -> int | None:
        """Where the message with this UID stands; `at` is a first guess."""
        uids = self.uids
        if at < len(uids) and uids[at] == uid:
            return at
        at = bisect_left(uids, uid)
        return at if at < len(uids) and uids[at] == uid else None

    def places_of(self, uids: Sequence[int]) -> Sequence[int]:
        """Where messages that the client knows stand. uids: ascending, at least one."""
        known = self.uids
        at = bisect_left(known, uids[0])
        if known[at : at + len(uids)].tolist() == uids:
            return range(at, at + len(uids))
        return [bisect_left(known, uid) for uid in uids]

    def deleted(self, among: SequenceSet | None = None) -> list[int]:
        """The UIDs of messages that are \\Deleted, also of those that the client is yet to be told of. among: of these UIDs."""
        uids = [uid for uid, flags in zip(self.uids, self.flags, strict=True) if flags & DELETED]
        uids += [uid for uid, flags in self._added.items() if flags & DELETED]
        if among is None or not uids:
            return uids
        last = max([*self.uids[-1:], *self._added])
        ranges = [(bisect_left(uids, low), bisect_right(uids, high)) for low, high in among.resolve(last)]
        return [uid for start, stop in ranges for uid in uids[start:stop]]

    @property
    def first_unseen(self) -> int | None:
        """The number of the first message that is not \\Seen."""
        unseen = [flags for flags in set(self.flags) if not flags & SEEN]
        return min(map(self.flags.index, unseen)) + 1 if unseen else None

    # --- changing messages

    async def store(
        self, uids: Sequence[int], change: FlagsChange, *, silent: bool, unchanged_since: int | None = None
    ) -> Changed:
        """Change flags; the caller tells the client of them, unless `silent`.

        silent: the client reckons the new flags itself, and is told only of those that became others.
        """
        stored = await self.mailbox.store(
            uids, change.change, change.system, change.keywords, unchanged_since
        )
        self._learn(stored.keywords)
        if silent:
            places = self._expect(stored, change)
        else:
            places = self._update(stored.flags)
            self._changed.difference_update(self.uids[at] for at in places)
        await self._pass_by(stored)
        return Changed(places, list(stored.modified))

    async def _pass_by(self, stored: Stored) -> None:
        """Our own changes need not be read back, if nobody else's came between."""
        if stored.since <= self.modseq:
            self.modseq = max(self.modseq, stored.modseq)
        elif self.condstore:  # what it is told now must not be newer than what it knows
            await self.catch_up()

    def forget(self, uids: Iterable[int]) -> None:
        """These messages are no more; the client is told with the next updates."""
        for uid in uids:
            if self._added.pop(uid, None) is None and self.place(uid) is not None:
                self._vanished.add(uid)

    def _expect(self, stored: Stored, change: FlagsChange) -> list[int]:
        """Take the new flags; what differs from the client's reckoning is news for it. Gives the places."""
        keep, put = _masks(change.change, change.system | self._bits(change.keywords))
        old = self.flags[:]
        places = self._update(stored.flags)
        flags, uids = self.flags, self.uids
        self._changed.update(uids[at] for at in places if flags[at] != old[at] & keep | put)
        return places

    def _update(self, news: Iterable[tuple[int, int]]) -> list[int]:
        """Take new flags of messages that the client knows; gives their places."""
        uids, flags = self.uids, self._own_flags()
        places: list[int] = []
        at = -1
        for uid, value in news:
            found = self.place(uid, at + 1) if at + 1 >= len(uids) or uids[at + 1] != uid else at + 1
            if found is not None:
                at = found
                flags[at] = value & ~RECENT | flags[at] & RECENT
                places.append(at)
        return places

    def _bits(self, keywords: Sequence[str]) -> int:
        known = {name: 1 << bit for bit, name in enumerate(self.keywords, KEYWORD_SHIFT)}
        return sum(known.get(name, 0) for name in keywords)

    def _learn(self, keywords: tuple[str, ...]) -> None:
        if keywords != self.keywords:
            self.keywords = keywords
            self.text = flag_text(keywords)

    # --- what happened meanwhile

    async def catch_up(self) -> None:
        """Learn what happened; the client is told with the next updates. Raises StorageError."""
        changes = await self.mailbox.changes(self.modseq)
        self.modseq = changes.modseq
        self.uidnext = changes.uidnext
        self._learn(changes.keywords)
        for uid, flags in changes.added:
            if self.place(uid) is None:
                self._added[uid] = flags
        if changes.changed:
            self._own_flags()
        for uid, flags in changes.changed:
            self._change(uid, flags)
        self.forget(changes.vanished)

    def _change(self, uid: int, flags: int) -> None:
        at = self.place(uid)
        if at is None:
            if uid in self._added:
                self._added[uid] = flags
            return
        new = flags & ~RECENT | self.flags[at] & RECENT
        if new != self.flags[at]:  # our own changes come back here, and are no news
            self.flags[at] = new
            self._changed.add(uid)

    async def updates(self, *, expunge: bool) -> list[bytes]:
        """Untagged responses, in pieces, that bring the client up to date (their order: spec/storage-and-imap.md §6).

        expunge: removals may be told now. Raises StorageError; then all is told next time.
        """
        await self.catch_up()
        pieces: list[bytes] = []
        if self._changed:
            pieces += await self._flag_updates()
        if expunge and self._vanished:
            pieces += self._removals()
        if self._added:
            pieces.append(await self._arrivals())
        self._share()
        return pieces

    async def _flag_updates(self) -> Iterable[bytes]:
        uids = sorted(self._changed - self._vanished)
        places = [at for uid in uids if (at := self.place(uid)) is not None]
        lines = await self.flag_lines(places, with_uid=True)
        self._changed.clear()
        return lines

    async def flag_lines(self, places: Sequence[int], *, with_uid: bool) -> Iterator[bytes]:
        """`FETCH (FLAGS ...)` for each message, in pieces; for a client that wants it with MODSEQ. Raises StorageError."""
        text, flags = self.text, self.flags
        if not self.condstore:
            return self._plain_flag_lines(places, with_uid=with_uid)
        return await self._lines(places, lambda at: f"FLAGS ({text[flags[at]]}) ", with_uid=with_uid)

    async def modseq_lines(self, places: Sequence[int], *, with_uid: bool) -> Iterator[bytes]:
        """`FETCH (MODSEQ ...)` for each message, in pieces. Raises StorageError."""
        return await self._lines(places, lambda _: "", with_uid=with_uid)

    def _plain_flag_lines(self, places: Sequence[int], *, with_uid: bool) -> Iterator[bytes]:
        uids, flags, text = self.uids, self.flags, self.text
        for start in range(0, len(places), LINES):
            some = places[start : start + LINES]
            if with_uid:
                lines = [f"* {at + 1} FETCH (FLAGS ({text[flags[at]]}) UID {uids[at]})\r\n" for at in some]
            else:
                lines = [f"* {at + 1} FETCH (FLAGS ({text[flags[at]]}))\r\n" for at in some]
            yield "".join(lines).encode("ascii")

    async def _lines(
        self, places: Sequence[int], before: Callable[[int], str], *, with_uid: bool
    ) -> Iterator[bytes]:
        """Lines that end with UID, if wanted, and MODSEQ. All is read before the first is made."""
        modseqs = await self.modseqs(places)

        def pieces() -> Iterator[bytes]:
            for start in range(0, len(places), LINES):
                lines = [
                    f"* {at + 1} FETCH ({before(at)}{f'UID {self.uids[at]} ' if with_uid else ''}MODSEQ ({modseq}))\r\n"
                    for at, modseq in zip(places[start : start + LINES], modseqs[start:], strict=False)
                ]
                yield "".join(lines).encode("ascii")

        return pieces()

    # --- mod-sequences

    async def modseqs(self, places: Sequence[int]) -> list[int]:
        """The modseq of each of these messages (ascending). Raises StorageError.

        One that changed after what the client knows has the highest that it knows: so it is never told that it has seen more.
        """
        found = dict(await self.mailbox.modseqs([self.uids[at] for at in places]))
        return [min(found.get(self.uids[at], self.modseq), self.modseq) for at in places]

    async def changed_since(self, found: Sequence[Places], modseq: int) -> list[Places]:
        """Those of the messages at these places that changed after `modseq`. Raises StorageError."""
        newer = await self.mailbox.modseqs(self.uids_at(found), modseq)
        return runs([at for uid, _ in newer if (at := self.place(uid)) is not None])

    def _removals(self) -> Iterable[bytes]:
        """`EXPUNGE`, the highest number first, so that each is right as it stands."""
        places = [at for uid in sorted(self._vanished) if (at := self.place(uid)) is not None]
        self._vanished.clear()
        self.recent -= sum(self.flags[at] & RECENT != 0 for at in places)
        self._books = None
        self.uids = without(self.uids, places)
        self.flags = without(self.flags, places)
        lines = [b"* %d EXPUNGE\r\n" % (at + 1) for at in reversed(places)]
        return (b"".join(lines[start : start + LINES]) for start in range(0, len(lines), LINES))

    async def _arrivals(self) -> bytes:
        """One `EXISTS`, and one `RECENT` if this session is the first to hear of any of them."""
        added = self._added
        claimed = set(await self._claim(added))
        self._added = {}
        self.uids = self.uids + array(self.uids.typecode, added)
        self._own_flags().extend(
            flags | RECENT if uid in claimed else flags & ~RECENT for uid, flags in added.items()
        )
        self.recent += len(claimed)
        exists = b"* %d EXISTS\r\n" % len(self.uids)
        return exists + b"* %d RECENT\r\n" % self.recent if claimed else exists

    async def _claim(self, added: dict[int, int]) -> Iterable[int]:
        recent = [uid for uid, flags in added.items() if flags & RECENT]
        if self.read_only or not recent:  # EXAMINE takes \Recent from nobody (RFC 3501 §6.3.2)
            return recent
        try:
            return await self.mailbox.claim_recent(recent)
        except StorageError:  # the other news must be told all the same: they are in the books already
            return ()

    # --- what other sessions know as well

    def _own_flags(self) -> "array[int]":
        """The flags, to be changed: from now on those of this session alone."""
        if self._books is not None:
            self._books = None
            self.flags = self.flags[:]
        self.flags = compact_flags(self.flags, self.keywords)
        return self.flags

    def _share(self) -> None:
        """Hold what is known together with other sessions that know the same. There are none while something waits to be told."""
        if self._books is None and not self._added and not self._vanished:
            mine = Books(self.uids, compact_flags(self.flags, self.keywords))
            self._books = self._shelf.shared(self.mailbox.id, self.modseq, self.recent, mine)
            self.uids, self.flags = self._books.uids, self._books.flags


async def select(mailbox: Mailbox, shelf: Shelf, *, read_only: bool) -> Selected:
    """Open the books on a mailbox. Raises StorageError."""
    snapshot = await mailbox.snapshot()
    if snapshot.recent and not read_only:
        snapshot = await _claimed(mailbox, snapshot)
    return Selected(mailbox, snapshot, shelf, read_only=read_only)


async def _claimed(mailbox: Mailbox, snapshot: Snapshot) -> Snapshot:
    """Take what is \\Recent; what another session took first is not."""
    claimed = await mailbox.claim_recent(snapshot.recent)
    if len(claimed) == len(snapshot.recent):
        return snapshot
    flags = snapshot.flags[:]
    for uid in set(snapshot.recent).difference(claimed):
        flags[bisect_left(snapshot.uids, uid)] &= ~RECENT
    return replace(snapshot, flags=flags, recent=array("I", claimed))


def runs(places: Sequence[int]) -> list[Places]:
    """Ascending places, as few ranges."""
    found: list[Places] = []
    for at in places:
        if found and found[-1].stop == at:
            found[-1] = range(found[-1].start, at + 1)
        else:
            found.append(range(at, at + 1))
    return found


def _masks(change: FlagChange, bits: int) -> tuple[int, int]:
    """(keep, put): the flags that a client expects of its STORE are `flags & keep | put`."""
    if change is FlagChange.REPLACE:
        return RECENT, bits
    return (-1, bits) if change is FlagChange.ADD else (~bits, 0)
