"""Mailboxes in memory, for tests of what reads them.

    storage = FakeStorage()
    ann = storage.add_account("ann@example.org")
    ann.add("INBOX", b"Subject: hello\\r\\n\\r\\nHi!\\r\\n")
    endpoint = ImapEndpoint(ImapEndpoint.Settings(storage=storage, ...), ...)

It does what the contract of `framework.interfaces.storage` says, gives way to the event loop in every call, and can be told
to fail. At the end of a test `left_open` must be empty.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.storage import (
    DELETED,
    KEYWORD_SHIFT,
    KEYWORDS_MAX,
    RECENT,
    SEEN,
    SPECIAL_USES,
    Appended,
    BrokenMessage,
    CannotChange,
    Changes,
    Column,
    Columns,
    Copied,
    FlagChange,
    MailboxExists,
    MailboxInfo,
    MailboxStatus,
    MessageRow,
    NoSuchMailbox,
    NoSuchSpecialUse,
    Snapshot,
    Stored,
    StoredMessage,
    TooBig,
    TooManyKeywords,
)
from posthouse.message.structure import Structure, scan
from posthouse.testing.stored_message import (
    FakeContent,
    FakeLocated,
    FakeMessage,
    octets_of,
    row_of,
)
from posthouse.testing.world import START

T = TypeVar("T")

INBOX = "INBOX"
ROWS = 256  # rows in a chunk
_SYSTEM = 0x1F


@dataclass(slots=True)
class FakeBox:
    """A mailbox as all sessions share it."""

    id: int
    name: str
    uidvalidity: int
    special_use: str = ""
    uidnext: int = 1
    modseq: int = 1
    messages: dict[int, FakeMessage] = field(default_factory=dict)  # by UID, ascending
    expunged: dict[int, int] = field(default_factory=dict)  # UID: modseq
    keywords: list[str] = field(default_factory=list)
    watches: list["_Watch"] = field(default_factory=list)
    is_gone: bool = False

    def changed(self) -> None:
        """Tell who watches, soon."""
        for watch in self.watches:
            asyncio.get_running_loop().call_soon(watch.tell)


class FakeStorage:
    """All accounts. Names are folded to lower case.

    failure: raised by every call, while it is set. failing: what calls of some names raise. held: what they wait for.
    calls: their names so far.
    """

    delimiter = "."

    def __init__(self, *, append_limit: int = 1 << 20, disable_recent: bool = True) -> None:
        self.append_limit = append_limit
        self.disable_recent = disable_recent
        self.accounts: dict[str, FakeAccount] = {}
        self.failure: Exception | None = None
        self.failing: dict[str, Exception] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []
        self.boxes = 0

    def add_account(self, name: str) -> "FakeAccount":
        """An account with its INBOX, without any waiting."""
        account = self.accounts[name.lower()] = FakeAccount(self, name.lower())
        account.add_mailbox(INBOX)
        return account

    async def account(self, name: str) -> "FakeAccount | None":
        await self.called("account")
        return self.accounts.get(name.lower())

    async def create_account(self, name: str) -> "FakeAccount":
        await self.called("create_account")
        if name.lower() in self.accounts:
            raise ValueError("account exists")
        return self.add_account(name)

    async def called(self, name: str) -> None:
        """What every call does first."""
        self.calls.append(name)
        await asyncio.sleep(0)
        if name in self.held:
            await self.held[name].wait()
        failure = self.failure or self.failing.get(name)
        if failure is not None:
            raise failure

    def left_open(self) -> list[str]:
        """What should have been closed, in words."""
        boxes = (box for account in self.accounts.values() for box in account.boxes.values())
        return [f"watch of {box.name}" for box in boxes for _ in box.watches]


class FakeAccount:
    """own_limit: of this account alone, for APPEND."""

    def __init__(self, storage: FakeStorage, name: str) -> None:
        self.storage = storage
        self.name = name
        self.own_limit: int | None = None
        self.boxes: dict[str, FakeBox] = {}
        self.subscribed: set[str] = set()  # names
        self.modseq = 1

    @property
    def append_limit(self) -> int:
        return self.storage.append_limit if self.own_limit is None else self.own_limit

    def add_mailbox(self, name: str, special_use: str = "") -> FakeBox:
        """A mailbox, without its parents."""
        self.storage.boxes += 1
        box = FakeBox(self.storage.boxes, name, 1000 + self.storage.boxes, special_use)
        self.boxes[name] = box
        self.subscribed.add(name)
        return box

    def add(self, mailbox: str, data: bytes, flags: int = 0, received: int | None = None) -> FakeMessage:
        """A message that arrives, \\Recent, as a delivery or APPEND would bring it."""
        when = int(START) if received is None else received
        return self.put(self.boxes[mailbox], data, scan(data), flags, when)

    def put(self, box: FakeBox, data: bytes, structure: Structure, flags: int, received: int) -> FakeMessage:
        """A message with the next UID of a mailbox."""
        uid, box.uidnext = box.uidnext, box.uidnext + 1
        modseq = self.next_modseq(box)
        message = FakeMessage(uid, data, structure, flags | RECENT, received, modseq, modseq)
        box.messages[uid] = message
        if box.watches:
            box.changed()
        return message

    def remove_mailbox(self, name: str) -> None:
        """The mailbox is deleted, whoever has it open."""
        box = self.boxes.pop(name)
        box.is_gone = True
        box.changed()

    def next_modseq(self, box: FakeBox) -> int:
        self.modseq += 1
        box.modseq = self.modseq
        return self.modseq

    async def mailboxes(self) -> Sequence[MailboxInfo]:
        await self.storage.called("mailboxes")
        return [MailboxInfo(box.id, box.name, box.special_use) for box in self.boxes.values()]

    async def subscriptions(self) -> Sequence[str]:
        await self.storage.called("subscriptions")
        return sorted(self.subscribed)

    async def status(self, mailbox: str) -> MailboxStatus:
        await self.storage.called("status")
        box = self.find(mailbox)
        flags = [message.flags for message in box.messages.values()]
        recent = sum(bool(value & RECENT) for value in flags)
        unseen = sum(not value & SEEN for value in flags)
        return MailboxStatus(len(flags), recent, unseen, box.uidnext, box.uidvalidity, box.modseq)

    async def open(self, mailbox: str) -> "FakeMailbox":
        await self.storage.called("open")
        return FakeMailbox(self, self.find(mailbox))

    async def append(
        self, mailbox: str, body: Body, system: int, keywords: Sequence[str], received: int | None
    ) -> Appended:
        await self.storage.called("append")
        box = self.find(mailbox)
        if body.size > self.append_limit:
            raise TooBig
        flags = system & _SYSTEM | bits_of(box, keywords)
        message = self.add(box.name, b"".join(body.chunks()), flags, received)
        return Appended(box.uidvalidity, message.uid)

    async def create_mailbox(self, mailbox: str, special_use: str = "") -> None:
        await self.storage.called("create_mailbox")
        if special_use and special_use not in SPECIAL_USES:
            raise NoSuchSpecialUse
        name = _new(mailbox)
        self._make_way(name)
        self.add_mailbox(name, special_use)

    async def delete_mailbox(self, mailbox: str) -> None:
        await self.storage.called("delete_mailbox")
        box = self.find(mailbox)
        if box.name == INBOX:
            raise CannotChange("The inbox cannot be deleted")
        self.remove_mailbox(box.name)

    async def rename_mailbox(self, mailbox: str, name: str) -> None:
        await self.storage.called("rename_mailbox")
        box, name = self.find(mailbox), _new(name)
        if box.name == INBOX:
            self._make_way(name)
            _move(self, box, self.add_mailbox(name), list(box.messages))
            return
        below = box.name + self.storage.delimiter
        moved = {
            old: name + old[len(box.name) :]
            for old in self.boxes
            if (old + self.storage.delimiter).startswith(below)
        }
        if name.startswith(below):
            raise CannotChange("A mailbox cannot be moved into itself")
        if any(new in self.boxes for new in moved.values()):
            raise MailboxExists
        self._make_way(name)
        for old, new in moved.items():
            self.boxes[new] = self.boxes.pop(old)
            self.boxes[new].name = new
            if old in self.subscribed:
                self.subscribed.remove(old)
                self.subscribed.add(new)
            self.boxes[new].changed()

    async def set_subscribed(self, mailbox: str, subscribed: bool) -> None:
        await self.storage.called("set_subscribed")
        if subscribed:
            self.subscribed.add(self.find(mailbox).name)
        else:
            self.subscribed.discard(_stored(mailbox))

    def _make_way(self, name: str) -> None:
        """Make missing parents of a new mailbox. Raises MailboxExists, CannotChange."""
        if name in self.boxes:
            raise MailboxExists
        levels = name.split(self.storage.delimiter)
        if not all(levels):
            raise CannotChange("Invalid mailbox name")
        for depth in range(1, len(levels)):
            parent = self.storage.delimiter.join(levels[:depth])
            if parent not in self.boxes:
                self.add_mailbox(parent)

    def find(self, name: str) -> FakeBox:
        """Raises NoSuchMailbox."""
        box = self.boxes.get(_stored(name))
        if box is None:
            raise NoSuchMailbox
        return box


class FakeMailbox:
    """A mailbox as one session has it open."""

    def __init__(self, account: FakeAccount, box: FakeBox) -> None:
        self._account = account
        self._box = box
        self.id = box.id
        self.name = box.name
        self._only_shown = box.uidnext if account.storage.disable_recent else 0  # \Recent of UIDs below

    async def snapshot(self) -> Snapshot:
        box = await self._called("snapshot")
        flags = array("Q", [message.flags for message in box.messages.values()])
        return Snapshot(
            box.uidvalidity,
            box.uidnext,
            box.modseq,
            array("I", box.messages),
            flags,
            tuple(box.keywords),
            array("I", [uid for uid, message in box.messages.items() if message.flags & RECENT]),
        )

    async def changes(self, since: int) -> Changes:
        box = await self._called("changes")
        newer = [message for message in box.messages.values() if message.modseq > since]
        return Changes(
            box.modseq,
            box.uidnext,
            [(message.uid, message.flags) for message in newer if message.born > since],
            [(message.uid, message.flags) for message in newer if message.born <= since],
            sorted(uid for uid, modseq in box.expunged.items() if modseq > since),
            tuple(box.keywords),
        )

    async def claim_recent(self, uids: Sequence[int]) -> Sequence[int]:
        box = await self._called("claim_recent")
        found = [box.messages[uid] for uid in uids if uid in box.messages]
        claimed = [message for message in found if message.flags & RECENT]
        for message in claimed:
            if message.uid >= self._only_shown:
                message.flags &= ~RECENT
        return [message.uid for message in claimed]

    async def rows(self, uids: Sequence[int]) -> AsyncIterator[Sequence[MessageRow]]:
        for at in range(0, len(uids), ROWS):
            box = await self._called("rows")
            yield [row_of(box.messages[uid]) for uid in uids[at : at + ROWS] if uid in box.messages]

    async def modseqs(self, uids: Sequence[int], above: int = 0) -> Sequence[tuple[int, int]]:
        box = await self._called("modseqs")
        found = [box.messages[uid] for uid in uids if uid in box.messages]
        return [(message.uid, message.modseq) for message in found if message.modseq > above]

    async def content(self, email: int) -> "FakeContent":
        box = await self._called("content")
        message = box.messages.get(email)
        if message is None or message.is_broken:
            raise BrokenMessage
        return FakeContent(message)

    async def whole_rows(
        self, uids: Sequence[int]
    ) -> tuple[Sequence[tuple[MessageRow, "FakeLocated"]], Sequence[int]]:
        box = await self._called("whole_rows")
        found = [box.messages[uid] for uid in uids if uid in box.messages]
        return [(row_of(message), FakeLocated(message)) for message in found], ()

    async def columns(
        self, uids: Sequence[int], wanted: Sequence[Column], look: Callable[[Columns], T]
    ) -> AsyncIterator[T]:
        for start in range(0, len(uids), ROWS):
            box = await self._called("columns")
            rows = [row_of(box.messages[uid]) for uid in uids[start : start + ROWS] if uid in box.messages]
            values = {name: [getattr(row, name) for row in rows] for name in wanted}
            yield await asyncio.to_thread(look, Columns([row.uid for row in rows], **values))

    async def messages(
        self, uids: Sequence[int], look: Callable[[Sequence[StoredMessage]], T]
    ) -> AsyncIterator[T]:
        for start in range(0, len(uids), ROWS):
            box = await self._called("messages")
            found = [box.messages[uid] for uid in uids[start : start + ROWS] if uid in box.messages]
            shown = [
                StoredMessage(
                    message.uid, octets_of(message), message.structure.parts, message.structure.structure
                )
                for message in found
                if not message.is_broken
            ]
            yield await asyncio.to_thread(look, shown)

    async def store(
        self,
        uids: Sequence[int],
        change: FlagChange,
        system: int,
        keywords: Sequence[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        box = await self._called("store")
        since = box.modseq
        bits = system & _SYSTEM | bits_of(box, keywords)
        there = [box.messages[uid] for uid in uids if uid in box.messages]
        modified = [m.uid for m in there if unchanged_since is not None and m.modseq > unchanged_since]
        found = [message for message in there if message.uid not in modified]
        new = {message.uid: _changed(message.flags, change, bits) for message in found}
        different = [message for message in found if new[message.uid] != message.flags]
        if different:
            modseq = self._account.next_modseq(box)
            for message in different:
                message.flags, message.modseq = new[message.uid], modseq
            box.changed()
        return Stored(box.modseq, since, list(new.items()), tuple(box.keywords), modified)

    async def copy(self, uids: Sequence[int], destination: str) -> Copied:
        box = await self._called("copy")
        return _copy(self._account, box, self._account.find(destination), uids)

    async def move(self, uids: Sequence[int], destination: str) -> Copied:
        box = await self._called("move")
        return _move(self._account, box, self._account.find(destination), uids)

    async def expunge(self, uids: Sequence[int]) -> Sequence[int]:
        box = await self._called("expunge")
        wanted = set(uids)
        gone = [uid for uid, m in box.messages.items() if uid in wanted and m.flags & DELETED]
        _remove(self._account, box, gone)
        return gone

    def watch(self, changed: Callable[[], None]) -> "_Watch":
        watch = _Watch(self._box, changed)
        self._box.watches.append(watch)
        return watch

    async def _called(self, name: str) -> FakeBox:
        await self._account.storage.called(name)
        if self._box.is_gone:
            raise NoSuchMailbox
        return self._box


class _Watch:
    def __init__(self, box: FakeBox, changed: Callable[[], None]) -> None:
        self._box = box
        self._changed = changed

    def tell(self) -> None:
        if self in self._box.watches:
            self._changed()

    def close(self) -> None:
        if self in self._box.watches:
            self._box.watches.remove(self)


def _stored(name: str) -> str:
    """INBOX in any case is the inbox, also as the parent of others."""
    top, delimiter, rest = name.partition(FakeStorage.delimiter)
    return f"{INBOX}{delimiter}{rest}" if top.encode().upper() == b"INBOX" else name


def _new(name: str) -> str:
    """The name of a new mailbox: a delimiter at its end says that children will follow (RFC 3501 §6.3.3)."""
    return _stored(name.removesuffix(FakeStorage.delimiter))


def bits_of(box: FakeBox, keywords: Sequence[str]) -> int:
    """The bits of these keywords, which get one each. Raises TooManyKeywords; then none is added."""
    new = [keyword for keyword in dict.fromkeys(keywords) if keyword not in box.keywords]
    if len(box.keywords) + len(new) > KEYWORDS_MAX:
        raise TooManyKeywords
    box.keywords += new
    return sum(1 << KEYWORD_SHIFT + box.keywords.index(keyword) for keyword in dict.fromkeys(keywords))


def _copy(account: FakeAccount, box: FakeBox, into: FakeBox, uids: Sequence[int]) -> Copied:
    found = [box.messages[uid] for uid in uids if uid in box.messages]
    names = dict(enumerate(box.keywords, KEYWORD_SHIFT))
    flags = [
        message.flags & _SYSTEM
        | bits_of(into, [name for bit, name in names.items() if message.flags >> bit & 1])
        for message in found
    ]
    copies = [
        account.put(into, message.data, message.structure, value, message.received)
        for message, value in zip(found, flags, strict=True)
    ]
    return Copied(into.uidvalidity, [message.uid for message in found], [copy.uid for copy in copies])


def _move(account: FakeAccount, box: FakeBox, into: FakeBox, uids: Sequence[int]) -> Copied:
    copied = _copy(account, box, into, uids)
    _remove(account, box, copied.sources)
    return copied


def _remove(account: FakeAccount, box: FakeBox, uids: Sequence[int]) -> None:
    if uids:
        modseq = account.next_modseq(box)
        for uid in uids:
            del box.messages[uid]
            box.expunged[uid] = modseq
        box.changed()


def _changed(flags: int, change: FlagChange, bits: int) -> int:
    if change is FlagChange.REPLACE:
        return flags & RECENT | bits
    return flags | bits if change is FlagChange.ADD else flags & ~bits
