"""The units of work of mail storage. Flags are integers as in message.flags; UIDs ascend, at most UNIT_ROWS_MAX of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from posthouse.db.blobs import OwnFile
from posthouse.db.units import UNIT_ROWS_MAX, Unit, UnitError

SEEN, DELETED, RECENT = 1, 8, 32  # bits of message.flags
KEYWORD_SHIFT = 8
KEYWORDS_MAX = 55  # a mailbox; bits 8 to 62
INBOX = "INBOX"
DELIMITER = "."
JUNK = "\\Junk"
NAME_MAX = 1000  # octets of a mailbox's name in UTF-8
LEVELS_MAX = 100  # of a mailbox's name
MAILBOXES_MAX = 10_000  # of an account that its clients may have: LIST goes through all of them
SUBSCRIPTIONS_MAX = 20_000  # of an account: names stay when their mailboxes go


class NoSuchAccount(UnitError):
    """The account was removed, or never was."""


class AccountExists(UnitError):
    """The name is taken."""


class NoSuchMailbox(UnitError):
    """The mailbox was removed, or never was."""


class NoSuchEmail(UnitError):
    """All messages on it were removed, and so was it."""


class MailboxExists(UnitError):
    """The name is taken."""


class CannotChange(UnitError):
    """What must not be done to this mailbox; the text says why."""


class TooMany(UnitError):
    """The account has as much as it may have; the text says of what."""


class TooManyKeywords(UnitError):
    """The mailbox has no bit left for a new keyword."""


@dataclass(frozen=True, slots=True)
class Description:
    """What is computed once of a message, when it comes in. All but `size` and `message_id` is as IMAP shows it."""

    size: int  # octets of the blob
    message_id: bytes
    envelope: bytes
    structure: bytes


@dataclass(frozen=True, slots=True)
class Recipient:
    """An account that a message is delivered to."""

    account: int
    head: bytes  # octets of its copy before those of the blob
    parts: bytes  # the part table of its copy


class Stored(NamedTuple):
    """Where a message is now."""

    mailbox: int
    uidvalidity: int
    uid: int


@dataclass(frozen=True, slots=True)
class Deliver(Unit[tuple[Stored, ...]]):
    """A message to all its local recipients, each account once. Raises NoSuchAccount.

    junk: "" for INBOX; else it goes to the mailbox for junk, which gets this name if it must be made.
    """

    body: bytes | OwnFile
    description: Description
    recipients: Sequence[Recipient]
    received: int
    junk: str = ""

    @property
    def octets(self) -> bytes | OwnFile:
        return self.body

    @property
    def rows(self) -> int:
        return len(self.recipients)


@dataclass(frozen=True, slots=True)
class Append(Unit[Stored]):
    """A message into one mailbox. Raises NoSuchMailbox, TooManyKeywords."""

    account: int
    mailbox: str
    body: bytes | OwnFile
    description: Description
    parts: bytes
    system: int
    keywords: Sequence[str]
    received: int
    saved: int

    @property
    def octets(self) -> bytes | OwnFile:
        return self.body


class FlagMode(Enum):
    """What STORE does with the flags that are there."""

    REPLACE = "FLAGS"
    ADD = "+FLAGS"
    REMOVE = "-FLAGS"


class NewFlags(NamedTuple):
    """before, modseq: the mailbox's modseq before and after."""

    before: int
    modseq: int
    flags: list[tuple[int, int]]  # of each message that exists: UID and flags
    keywords: tuple[str, ...]
    modified: list[int]  # UIDs left alone: changed after `unchanged_since`


@dataclass(frozen=True, slots=True)
class StoreFlags(Unit[NewFlags]):
    """Change flags. Raises NoSuchMailbox, TooManyKeywords."""

    mailbox: int
    uids: Sequence[int]
    mode: FlagMode
    system: int
    keywords: Sequence[str]
    unchanged_since: int | None = None  # messages with a higher modseq are left alone

    @property
    def rows(self) -> int:
        return len(self.uids)


@dataclass(frozen=True, slots=True)
class Expunge(Unit[list[int]]):
    """Remove those that are \\Deleted; gives their UIDs. Raises NoSuchMailbox."""

    mailbox: int
    uids: Sequence[int]

    @property
    def rows(self) -> int:
        return len(self.uids)


@dataclass(frozen=True, slots=True)
class ClaimRecent(Unit[list[int]]):
    """Take \\Recent off these; gives the UIDs that had it. No news for anybody, so no modseq. Raises NoSuchMailbox."""

    mailbox: int
    uids: Sequence[int]

    @property
    def rows(self) -> int:
        return len(self.uids)


class Copies(NamedTuple):
    """`uids[i]` is the copy of `sources[i]`."""

    uidvalidity: int
    sources: list[int]
    uids: list[int]


@dataclass(frozen=True, slots=True)
class Copy(Unit[Copies]):
    """Copy messages into a mailbox of the same account, or move them; however many, for it must be all or nothing.

    Raises NoSuchMailbox for either mailbox, TooManyKeywords.
    """

    mailbox: int
    uids: Sequence[int]
    destination: str
    saved: int
    removes: bool = False

    @property
    def rows(self) -> int:
        return len(self.uids)


@dataclass(frozen=True, slots=True)
class CreateAccount(Unit[int]):
    """An account with its INBOX; gives its id. Raises AccountExists."""

    name: str
    now: int


@dataclass(frozen=True, slots=True)
class RemoveAccount(Unit[int]):
    """Take an account and its mailboxes out of sight; gives its id. Raises NoSuchAccount."""

    name: str


@dataclass(frozen=True, slots=True)
class PurgeRemoved(Unit[bool]):
    """Remove some of the messages in mailboxes that were removed; gives whether there are more."""

    @property
    def rows(self) -> int:
        return UNIT_ROWS_MAX


@dataclass(frozen=True, slots=True)
class SetAppendLimit(Unit[None]):
    """Octets that APPEND takes at most; None: as everybody. Raises NoSuchAccount."""

    name: str
    limit: int | None


@dataclass(frozen=True, slots=True)
class CreateMailbox(Unit[int]):
    """A mailbox with its missing parents; gives its id. Raises MailboxExists, TooMany, NoSuchAccount."""

    account: int
    name: str
    special_use: str
    now: int


@dataclass(frozen=True, slots=True)
class RemoveMailbox(Unit[None]):
    """Take a mailbox out of sight; its children stay, and the subscription to its name. Raises NoSuchMailbox, CannotChange."""

    account: int
    name: str


@dataclass(frozen=True, slots=True)
class RenameMailbox(Unit[None]):
    """Rename a mailbox with its children, and make missing parents of the new name.

    Not INBOX. Raises NoSuchMailbox, MailboxExists, CannotChange, TooMany.
    """

    account: int
    name: str
    new_name: str
    now: int


@dataclass(frozen=True, slots=True)
class Subscribe(Unit[None]):
    """Subscribe to a mailbox, or end what subscription there is to the name. Raises NoSuchMailbox, TooMany."""

    account: int
    name: str
    subscribed: bool
