"""The octets of stored messages."""

from collections.abc import AsyncIterator, Sequence

from posthouse.core.log import Logger
from posthouse.db.blobs import OwnFile
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.reads import Location
from posthouse.db.readers import INLINE_ROWS
from posthouse.framework.interfaces.storage import BrokenMessage, Content
from posthouse.modules.storage.imapsql.errors import told_to_clients


async def load(db: MailDatabase, log: Logger, account: int, email: int) -> Content:
    """The octets of an email: in memory, or in a large file that is read as it is asked for. Raises BrokenMessage."""
    with told_to_clients(log):
        location, body = await db.locate(account, email)
    if isinstance(location.blob, OwnFile):
        return LargeContent(db, log, location, location.blob)
    return SmallContent(location.head + body, location.parts)


async def load_all(
    db: MailDatabase, log: Logger, account: int, emails: Sequence[int]
) -> AsyncIterator[Content | None]:
    """See framework.interfaces.storage.Mailbox.contents. What is at hand costs one look-up for many."""
    for at in range(0, len(emails), INLINE_ROWS):
        some = emails[at : at + INLINE_ROWS]
        with told_to_clients(log):
            places = db.locations(account, some)
        for email in some:
            place = places.get(email)
            body = db.body_at_hand(place) if place is not None else None
            if place is not None and body is not None:
                yield SmallContent(place.head + body, place.parts)
                continue
            try:
                yield await load(db, log, account, email)
            except BrokenMessage:
                yield None


class SmallContent:
    """A message in memory."""

    __slots__ = ("_data", "parts")

    def __init__(self, data: bytes, parts: bytes) -> None:
        self._data = data
        self.parts = parts

    @property
    def size(self) -> int:
        return len(self._data)

    async def read(self, offset: int, length: int) -> bytes:
        return self._data[offset : offset + length]


class LargeContent:
    """A message whose body has its own file."""

    __slots__ = ("_db", "_file", "_head", "_log", "parts", "size")

    def __init__(self, db: MailDatabase, log: Logger, location: Location, file: OwnFile) -> None:
        self._db = db
        self._log = log
        self._head = location.head
        self._file = file
        self.parts = location.parts
        self.size = location.size

    async def read(self, offset: int, length: int) -> bytes:
        head = self._head[offset : offset + length]
        if len(head) == length:
            return head
        offset = max(offset - len(self._head), 0)
        with told_to_clients(self._log):
            return head + await self._db.part(self._file, offset, length - len(head))
