"""Storage: accounts, mailboxes and messages, as IMAP (and later JMAP) sees them.

A session opens a mailbox, takes a snapshot (UIDs and flags) and catches up by modseq; notifications only say "look". No call
holds a read snapshot of the database while it waits, and none blocks the event loop.
"""

from array import array
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple, Protocol, TypeVar, runtime_checkable

from posthouse.core.arrays import narrowest
from posthouse.core.world import Subscription
from posthouse.framework.buffer import Body

# Flags of a message are one integer: system flags below, keywords from KEYWORD_SHIFT on (bit i is Mailbox keyword i).
SEEN, ANSWERED, FLAGGED, DELETED, DRAFT, RECENT = 1, 2, 4, 8, 16, 32
SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")  # bit 0 first
KEYWORD_SHIFT = 8
KEYWORDS_MAX = 55  # per mailbox: bits 8..62

SPECIAL_USES = frozenset(
    {"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"}
)  # RFC 6154 §2: that are mailboxes


T = TypeVar("T")


def compact_flags(flags: "array[int]", keywords: Sequence[str]) -> "array[int]":
    """The same with a bit for each of the keywords, and few more: an octet for each message while there are none."""
    code = narrowest(KEYWORD_SHIFT + len(keywords))
    return flags if flags.typecode == code else array(code, flags)


class StorageError(Exception):
    """An operation that cannot be done. The text is fit for a client (`NO text`)."""

    code = ""  # an IMAP response code without brackets


class NoSuchMailbox(StorageError):
    def __init__(self) -> None:
        super().__init__("No such mailbox")


class MailboxExists(StorageError):
    def __init__(self) -> None:
        super().__init__("Mailbox already exists")


class TooBig(StorageError):
    code = "TOOBIG"

    def __init__(self) -> None:
        super().__init__("Message size exceeding limit")


class TooMany(StorageError):
    """An account has as many mailboxes or subscriptions as it may have; the text says of what."""

    code = "LIMIT"


class TooManyKeywords(StorageError):
    code = "LIMIT"

    def __init__(self) -> None:
        super().__init__("Too many keywords in this mailbox")


class StorageBusy(StorageError):
    """Tried for a bounded time: the database is locked or full (R-008, R-011)."""

    code = "INUSE"

    def __init__(self, text: str = "Mailbox is busy, try again later") -> None:
        super().__init__(text)


class BrokenMessage(StorageError):
    """The stored octets are missing or damaged (R-025): NO for this message only."""

    def __init__(self) -> None:
        super().__init__("Message is damaged")


@dataclass(frozen=True, slots=True)
class MailboxInfo:
    """A mailbox as LIST shows it."""

    id: int
    name: str  # Unicode; "INBOX" in capitals for the inbox
    special_use: str  # "\\Sent", or ""


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    messages: int
    recent: int
    unseen: int
    uidnext: int
    uidvalidity: int
    modseq: int  # highest


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A mailbox at one moment. `uids` ascends; `flags[i]` belongs to `uids[i]`. Others have the arrays too: do not change them."""

    uidvalidity: int
    uidnext: int
    modseq: int  # all changes up to here are in it
    uids: "array[int]"  # type code "I": 32 bits, RFC 3501 §2.3.1.1
    flags: "array[int]"  # see `compact_flags`
    keywords: tuple[str, ...]
    recent: "array[int]"  # UIDs of messages with \Recent, ascending


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a mailbox after a modseq. One message appears in at most one of the lists.

    After so many changes that nobody knows the single ones any more, messages that changed are in `added` and in
    `changed`, for they may be either, and `vanished` has all UIDs that are not there: look at what you have.
    """

    modseq: int  # all changes up to here are in it
    uidnext: int
    added: Sequence[tuple[int, int]]  # (uid, flags), ascending
    changed: Sequence[tuple[int, int]]  # (uid, flags), ascending
    vanished: Sequence[int]  # UIDs, ascending
    keywords: tuple[str, ...]


class MessageRow(NamedTuple):
    """What FETCH needs of a message without its octets."""

    uid: int
    flags: int
    modseq: int
    received: int  # INTERNALDATE, seconds since the epoch
    size: int  # RFC822.SIZE, octets
    envelope: bytes  # ENVELOPE, ready for the wire
    structure: bytes  # BODYSTRUCTURE, ready for the wire
    email: int  # for `Mailbox.content`


Column = Literal["modseq", "received", "size", "envelope"]


class Columns(NamedTuple):
    """What SEARCH and SORT need of many messages without their octets: the n-th of each column is of one message.

    Those that were not asked for are empty. See MessageRow for what they are.
    """

    uids: Sequence[int] = ()  # ascending
    modseq: Sequence[int] = ()
    received: Sequence[int] = ()
    size: Sequence[int] = ()
    envelope: Sequence[bytes] = ()


class Octets(Protocol):
    """The octets of a message, in memory or read as they are asked for: only in a thread. Slicing raises BrokenMessage."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


class StoredMessage(NamedTuple):
    """A message that is searched. parts: its part table, as Content has it; structure: BODYSTRUCTURE."""

    uid: int
    data: Octets
    parts: bytes
    structure: bytes


class Content(Protocol):
    """The octets of one message. Small ones are in memory already; reading is cheap and never blocks the loop."""

    @property
    def size(self) -> int: ...
    @property
    def parts(self) -> bytes:
        """The part table made by `message.structure.scan`; see `message.structure.parts_of`."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """At most `length` octets from `offset`. Raises StorageError: BrokenMessage, and what may pass."""
        ...


class Located(Protocol):
    """Where the octets of one message are; good for as long as a chunk of rows is worked on."""

    @property
    def parts(self) -> bytes:
        """See Content."""
        ...

    def now(self) -> bytes | None:
        """All octets, if they are soon read. None for a large message, and for any trouble, of which `Mailbox.content` tells."""
        ...


class CannotChange(StorageError):
    """What must not be done to this mailbox: deleting the inbox, a name that cannot be."""

    code = "CANNOT"


class NoSuchSpecialUse(CannotChange):
    code = "USEATTR"  # RFC 6154 §3

    def __init__(self) -> None:
        super().__init__("No such special use")


@dataclass(frozen=True, slots=True)
class Copied:
    """The outcome of COPY and MOVE: `uids[i]` is the copy of `sources[i]` (RFC 4315 COPYUID)."""

    uidvalidity: int  # of the destination
    sources: Sequence[int]
    uids: Sequence[int]


class MovedInPart(StorageError):
    """A long MOVE failed on its way: what failed, in its words, and where the messages are that were moved before."""

    def __init__(self, failure: StorageError, moved: Copied) -> None:
        super().__init__(str(failure))
        self.code = failure.code
        self.moved = moved


class FlagChange(Enum):
    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


@dataclass(frozen=True, slots=True)
class Appended:
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The outcome of STORE: new flags of the messages that exist, ascending by UID.

    All changes of the mailbox after modseq `since`, up to `modseq`, are these.
    """

    modseq: int
    since: int
    flags: Sequence[tuple[int, int]]
    keywords: tuple[str, ...]
    modified: Sequence[int] = ()  # UIDs left alone: changed after `unchanged_since` (RFC 7162 §3.1.3)


class Mailbox(Protocol):
    """An open mailbox, held by one session. All calls raise NoSuchMailbox once it was deleted; StorageBusy at any time."""

    id: int
    name: str

    async def snapshot(self) -> Snapshot: ...
    async def changes(self, since: int) -> Changes: ...
    async def claim_recent(self, uids: Sequence[int]) -> Sequence[int]:
        """Take \\Recent of these messages for this session: those that no other session has, atomically.

        uids: of messages that had it in the snapshot, or came later.
        With `disable_recent yes`, what lay in the mailbox when it was opened is only shown: it is given, and stays stored.
        """
        ...

    def rows(self, uids: Sequence[int]) -> AsyncIterator[Sequence[MessageRow]]:
        """Rows of these (ascending) UIDs in chunks of at most 256; those that vanished are left out."""
        ...

    async def modseqs(self, uids: Sequence[int], above: int = 0) -> Sequence[tuple[int, int]]:
        """(UID, modseq) of those of these (ascending) messages whose modseq is higher than `above`, ascending."""
        ...

    def columns(
        self, uids: Sequence[int], wanted: Sequence[Column], look: Callable[[Columns], T]
    ) -> AsyncIterator[T]:
        """What `look` gives for these (ascending) UIDs, which it is shown in chunks; those that vanished are left out.

        `look` is called in a thread. A chunk takes no longer than other threads and the event loop can wait for.
        """
        ...

    def messages(self, uids: Sequence[int], look: Callable[[Sequence[StoredMessage]], T]) -> AsyncIterator[T]:
        """The same with the octets of messages; those that are damaged are left out, and logged."""
        ...

    async def content(self, email: int) -> Content:
        """The octets of a message (`MessageRow.email`). Raises BrokenMessage."""
        ...

    async def whole_rows(
        self, uids: Sequence[int]
    ) -> tuple[Sequence[tuple[MessageRow, Located]], Sequence[int]]:
        """Like `rows`, of at most 256 messages, with what gives their octets.

        And the UIDs that were not looked at, because the rows before them are large: ask again with these.
        """
        ...

    async def store(
        self,
        uids: Sequence[int],
        change: FlagChange,
        system: int,
        keywords: Sequence[str],
        unchanged_since: int | None = None,
    ) -> Stored:
        """Change flags. `system` are system flag bits; RECENT is never changed. Raises TooManyKeywords.

        unchanged_since: messages with a higher modseq are left alone, and told.
        """
        ...

    async def copy(self, uids: Sequence[int], destination: str) -> Copied:
        """Copy messages with flags and INTERNALDATE into a mailbox of the same account: all or nothing.

        Those that are gone are left out. Raises NoSuchMailbox (client may create it), TooManyKeywords.
        """
        ...

    async def move(self, uids: Sequence[int], destination: str) -> Copied:
        """Copy and remove, atomic for each message (RFC 6851). Into the same mailbox too: new UIDs.

        Raises as `copy` does when nothing was moved, else MovedInPart.
        """
        ...

    async def expunge(self, uids: Sequence[int]) -> Sequence[int]:
        """Remove those of these messages that are \\Deleted; gives their UIDs, ascending."""
        ...

    def watch(self, changed: Callable[[], None]) -> Subscription:
        """`changed()` is called on the event loop, soon after anything changed in the mailbox: a hint to look."""
        ...


class Fault(NamedTuple):
    """Something that is wrong with a storage. repair: what can be done about it here, or "": then only a backup helps."""

    what: str
    repair: str


@runtime_checkable
class CheckedStorage(Protocol):
    """A storage that can say whether it is sound (`posthouse check`), while a server works on it or not."""

    def check(self) -> Iterator[Fault]:
        """All that is wrong. Reads only; need not be started. Blocks, for long. Raises StorageError, OSError."""
        ...

    def repair(self) -> AsyncIterator[Fault]:
        """The same for a storage that was started; what can be repaired has been when it is given."""
        ...


class Account(Protocol):
    """The mailboxes of one user. Mailbox names are Unicode; INBOX in any case is the inbox."""

    name: str

    @property
    def append_limit(self) -> int:
        """Octets that APPEND takes at most."""
        ...

    async def mailboxes(self) -> Sequence[MailboxInfo]:
        """In order of creation."""
        ...

    async def subscriptions(self) -> Sequence[str]:
        """Names: of mailboxes when they are made, and until that is ended, whether the mailbox is there or not (RFC 3501 §6.3.6)."""
        ...

    async def status(self, mailbox: str) -> MailboxStatus: ...
    async def open(self, mailbox: str) -> Mailbox: ...
    async def append(
        self, mailbox: str, body: Body, system: int, keywords: Sequence[str], received: int | None
    ) -> Appended:
        """Store a whole message (`body` is header and body). `received`: INTERNALDATE, or None for now.

        Raises NoSuchMailbox (client may create it), TooBig, TooManyKeywords. Durable when it returns.
        """
        ...

    async def create_mailbox(self, mailbox: str, special_use: str = "") -> None:
        """With missing parents; a delimiter at the end of the name says nothing. special_use: of SPECIAL_USES, or "".

        Raises MailboxExists, CannotChange, NoSuchSpecialUse, TooMany.
        """
        ...

    async def delete_mailbox(self, mailbox: str) -> None:
        """With its messages; children stay. Raises NoSuchMailbox, CannotChange for the inbox."""
        ...

    async def rename_mailbox(self, mailbox: str, name: str) -> None:
        """With its children and subscriptions, atomically; missing parents of the new name are made.

        The inbox and its children stay: its messages are moved to a new mailbox, as `Mailbox.move` does (RFC 3501 §6.3.5).
        A delimiter at the end of the new name says nothing. Raises NoSuchMailbox, MailboxExists, CannotChange, TooMany.
        """
        ...

    async def set_subscribed(self, mailbox: str, subscribed: bool) -> None:
        """Raises NoSuchMailbox where one is to be that is not there; what was subscribed to may be gone. Raises TooMany."""
        ...


@runtime_checkable
class Storage(Protocol):
    delimiter: str  # between levels of mailbox names

    @property
    def append_limit(self) -> int:
        """Octets that APPEND takes at most, for accounts without a limit of their own."""
        ...

    async def account(self, name: str) -> Account | None:
        """The account, or None when there is none. The name is folded as the storage does."""
        ...

    async def create_account(self, name: str) -> Account:
        """With an INBOX. Raises ValueError when it exists."""
        ...


@runtime_checkable
class AccountDatabase(Storage, Protocol):
    """What the command line manages (`imap-acct`)."""

    async def accounts(self) -> Sequence[str]: ...
    async def remove_account(self, name: str) -> None:
        """With its mailboxes and messages. Raises ValueError when there is none."""
        ...

    async def get_append_limit(self, name: str) -> int | None: ...
    async def set_append_limit(self, name: str, limit: int | None) -> None: ...
