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
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.storage import (
    DELETED,
    KEYWORD_SHIFT,
    KEYWORDS_MAX,
    RECENT,
    SEEN,
    Appended,
    BrokenMessage,
    Changes,
    FlagChange,
    MailboxExists,
    MailboxInfo,
    MailboxStatus,
    MessageRow,
    NoSuchMailbox,
    Snapshot,
    Stored,
    TooBig,
    TooManyKeywords,
)
from posthouse.message.structure import Structure, scan
from posthouse.testing.world import START

ROWS = 256  # rows in a chunk
_SYSTEM = 0x1F


@dataclass(slots=True)
class FakeMessage:
    """is_broken: its octets cannot be read. cut_at: nor can those from this offset on."""

    uid: int
    data: bytes
    structure: Structure
    flags: int
    received: int
    born: int  # modseq
    modseq: int
    is_broken: bool = False
    cut_at: int | None = None


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

    failure: raised by every call that reads or writes mail, while it is set. calls: names of the calls so far.
    """

    delimiter = "."

    def __init__(self, *, append_limit: int = 1 << 20, disable_recent: bool = True) -> None:
        self.append_limit = append_limit
        self.disable_recent = disable_recent
        self.accounts: dict[str, FakeAccount] = {}
        self.failure: Exception | None = None
        self.calls: list[str] = []
        self.boxes = 0

    def add_account(self, name: str) -> "FakeAccount":
        """An account with its INBOX, without any waiting."""
        account = self.accounts[name.lower()] = FakeAccount(self, name.lower())
        account.add_mailbox("INBOX")
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
        if self.failure is not None:
            raise self.failure

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
        self.modseq = 1

    @property
    def append_limit(self) -> int:
        return self.storage.append_limit if self.own_limit is None else self.own_limit

    def add_mailbox(self, name: str, special_use: str = "") -> FakeBox:
        """A mailbox, without its parents."""
        self.storage.boxes += 1
        box = FakeBox(self.storage.boxes, name, 1000 + self.storage.boxes, special_use)
        self.boxes[name] = box
        return box

    def add(self, mailbox: str, data: bytes, flags: int = 0, received: int | None = None) -> FakeMessage:
        """A message that arrives, \\Recent, as a delivery or APPEND would bring it."""
        box = self.boxes[mailbox]
        uid, box.uidnext = box.uidnext, box.uidnext + 1
        modseq = self.next_modseq(box)
        when = int(START) if received is None else received
        message = FakeMessage(uid, data, scan(data), flags | RECENT, when, modseq, modseq)
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
        return [MailboxInfo(box.id, box.name, box.special_use, True) for box in self.boxes.values()]

    async def status(self, mailbox: str) -> MailboxStatus:
        await self.storage.called("status")
        box = self._box(mailbox)
        flags = [message.flags for message in box.messages.values()]
        recent = sum(bool(value & RECENT) for value in flags)
        unseen = sum(not value & SEEN for value in flags)
        return MailboxStatus(len(flags), recent, unseen, box.uidnext, box.uidvalidity, box.modseq)

    async def open(self, mailbox: str) -> "FakeMailbox":
        await self.storage.called("open")
        return FakeMailbox(self, self._box(mailbox))

    async def append(
        self, mailbox: str, body: Body, system: int, keywords: Sequence[str], received: int | None
    ) -> Appended:
        await self.storage.called("append")
        box = self._box(mailbox)
        if body.size > self.append_limit:
            raise TooBig
        flags = system & _SYSTEM | bits_of(box, keywords)
        message = self.add(box.name, b"".join(body.chunks()), flags, received)
        return Appended(box.uidvalidity, message.uid)

    async def create_mailbox(self, mailbox: str, special_use: str = "") -> None:
        await self.storage.called("create_mailbox")
        if mailbox in self.boxes:
            raise MailboxExists
        levels = mailbox.split(self.storage.delimiter)
        for depth in range(1, len(levels)):
            parent = self.storage.delimiter.join(levels[:depth])
            if parent not in self.boxes:
                self.add_mailbox(parent)
        self.add_mailbox(mailbox, special_use)

    def _box(self, name: str) -> FakeBox:
        box = self.boxes.get("INBOX" if name.upper() == "INBOX" else name)
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
            box.uidvalidity, box.uidnext, box.modseq, array("L", box.messages), flags, tuple(box.keywords)
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
            yield [_row(box.messages[uid]) for uid in uids[at : at + ROWS] if uid in box.messages]

    async def content(self, email: int) -> "FakeContent":
        box = await self._called("content")
        message = box.messages.get(email)
        if message is None or message.is_broken:
            raise BrokenMessage
        return FakeContent(message)

    async def store(
        self, uids: Sequence[int], change: FlagChange, system: int, keywords: Sequence[str]
    ) -> Stored:
        box = await self._called("store")
        bits = system & _SYSTEM | bits_of(box, keywords)
        found = [box.messages[uid] for uid in uids if uid in box.messages]
        new = {message.uid: _changed(message.flags, change, bits) for message in found}
        different = [message for message in found if new[message.uid] != message.flags]
        if different:
            modseq = self._account.next_modseq(box)
            for message in different:
                message.flags, message.modseq = new[message.uid], modseq
            box.changed()
        return Stored(box.modseq, list(new.items()), tuple(box.keywords))

    async def expunge(self, uids: Sequence[int]) -> Sequence[int]:
        box = await self._called("expunge")
        wanted = set(uids)
        gone = [uid for uid, m in box.messages.items() if uid in wanted and m.flags & DELETED]
        self._remove(box, gone)
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

    def _remove(self, box: FakeBox, uids: Iterable[int]) -> None:
        gone = dict.fromkeys(uids)
        if gone:
            modseq = self._account.next_modseq(box)
            for uid in gone:
                del box.messages[uid]
                box.expunged[uid] = modseq
            box.changed()


class FakeContent:
    """The octets of a message."""

    def __init__(self, message: FakeMessage) -> None:
        self._message = message

    @property
    def size(self) -> int:
        return len(self._message.data)

    @property
    def parts(self) -> bytes:
        return self._message.structure.parts

    async def read(self, offset: int, length: int) -> bytes:
        await asyncio.sleep(0)
        cut_at = self._message.cut_at
        if cut_at is not None and offset + length > cut_at:
            raise BrokenMessage
        return self._message.data[offset : offset + length]


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


def bits_of(box: FakeBox, keywords: Sequence[str]) -> int:
    """The bits of these keywords, which get one each. Raises TooManyKeywords; then none is added."""
    new = [keyword for keyword in dict.fromkeys(keywords) if keyword not in box.keywords]
    if len(box.keywords) + len(new) > KEYWORDS_MAX:
        raise TooManyKeywords
    box.keywords += new
    return sum(1 << KEYWORD_SHIFT + box.keywords.index(keyword) for keyword in dict.fromkeys(keywords))


def _changed(flags: int, change: FlagChange, bits: int) -> int:
    if change is FlagChange.REPLACE:
        return flags & RECENT | bits
    return flags | bits if change is FlagChange.ADD else flags & ~bits


def _row(message: FakeMessage) -> MessageRow:
    found = message.structure
    return MessageRow(
        message.uid,
        message.flags,
        message.modseq,
        message.received,
        len(message.data),
        found.envelope,
        found.structure,
        message.uid,
    )
