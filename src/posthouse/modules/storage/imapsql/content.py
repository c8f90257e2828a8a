"""The octets of stored messages."""

from posthouse.core.log import Logger
from posthouse.db.blobs import OwnFile, Place
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.reads import Location
from posthouse.framework.interfaces.storage import Content
from posthouse.modules.storage.imapsql.errors import told_to_clients


async def load(db: MailDatabase, log: Logger, account: int, email: int) -> Content:
    """The octets of an email: in memory, or in a large file that is read as it is asked for. Raises BrokenMessage."""
    with told_to_clients(log):
        location, body = await db.locate(account, email)
    if isinstance(location.blob, OwnFile):
        return LargeContent(db, log, location, location.blob)
    return SmallContent(location.head + body, location.parts)


class Located:
    """See framework.interfaces.storage.Located. place: None for a large file."""

    __slots__ = ("_db", "_head", "_place", "parts")

    def __init__(self, db: MailDatabase, head: bytes, parts: bytes, place: Place | None) -> None:
        self._db = db
        self._head = head
        self._place = place
        self.parts = parts

    def now(self) -> bytes | None:
        body = self._db.body_at_hand(self._place) if self._place is not None else None
        return None if body is None else self._head + body


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
