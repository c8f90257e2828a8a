"""Showing the messages of a mailbox to a search, chunk by chunk, in threads."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, TypeVar

from posthouse.core.log import Logger
from posthouse.db.blobs import Damaged, OwnFile
from posthouse.db.mail import scan
from posthouse.db.mail.database import MailDatabase
from posthouse.framework.interfaces.storage import BrokenMessage, Column, Columns, Octets, StoredMessage
from posthouse.modules.storage.imapsql.errors import told_to_clients

T = TypeVar("T")


async def columns(
    db: MailDatabase,
    log: Logger,
    mailbox: int,
    uids: Sequence[int],
    wanted: Sequence[Column],
    look: Callable[[Columns], T],
) -> AsyncIterator[T]:
    """See framework.interfaces.storage.Mailbox.columns."""

    def look_at(found: list[Any]) -> T:  # columns of numbers or octets
        return look(Columns(**dict(zip(("uids", *wanted), found, strict=True))))

    for at in range(0, len(uids), scan.COLUMNS_ROWS):
        with told_to_clients(log):
            result = await db.show_columns(mailbox, uids[at : at + scan.COLUMNS_ROWS], wanted, look_at)
        yield result


async def messages(
    db: MailDatabase,
    log: Logger,
    mailbox: int,
    uids: Sequence[int],
    look: Callable[[Sequence[StoredMessage]], T],
) -> AsyncIterator[T]:
    """See framework.interfaces.storage.Mailbox.messages."""

    def look_at(found: list[scan.Found]) -> T:
        return look([_stored(db, log, message) for message in found if _is_whole(log, mailbox, message)])

    at = 0
    while at < len(uids):
        with told_to_clients(log):
            result, done = await db.show_messages(mailbox, uids[at : at + scan.MESSAGES], look_at)
        at += done
        yield result


def _is_whole(log: Logger, mailbox: int, message: scan.Found) -> bool:
    if message.body is None:
        log.error("damaged message", Damaged(f"message {message.uid} of mailbox {mailbox} has no body"))
    return message.body is not None


def _stored(db: MailDatabase, log: Logger, message: scan.Found) -> StoredMessage:
    body = message.body
    assert body is not None
    data: Octets = (
        _LargeOctets(db, log, message.head, body) if isinstance(body, OwnFile) else message.head + body
    )
    return StoredMessage(message.uid, data, message.parts, message.structure)


class _LargeOctets:
    """A message whose body has its own file."""

    __slots__ = ("_db", "_file", "_head", "_log")

    def __init__(self, db: MailDatabase, log: Logger, head: bytes, file: OwnFile) -> None:
        self._db = db
        self._log = log
        self._head = head
        self._file = file

    def __len__(self) -> int:
        return len(self._head) + self._file.length

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(len(self))
        octets = self._head[start:stop]
        length = stop - start - len(octets)
        if length <= 0:
            return octets
        try:
            return octets + self._db.part_here(self._file, max(start - len(self._head), 0), length)
        except (Damaged, OSError) as err:
            self._log.error("damaged message", err)
            raise BrokenMessage from err
