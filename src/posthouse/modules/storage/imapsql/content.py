"""The octets of stored messages."""

from posthouse.core.log import Logger
from posthouse.db.blobs import OwnFile, Place
from posthouse.db.mail.database import INLINE_OCTETS, MailDatabase
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


class Stretch:
    """Records of the log that stand side by side. Their bodies are read together, when one of them is asked for."""

    __slots__ = ("_bodies", "_db", "_end", "_places", "_room", "_segment")

    def __init__(self, db: MailDatabase) -> None:
        self._db = db
        self._places: list[Place] = []
        self._segment = 0
        self._end = 0
        self._room = INLINE_OCTETS
        self._bodies: list[bytes | None] | None = None  # those that were not given away yet

    def takes(self, place: Place) -> bool:
        """Whether the record stands behind the others here, which are not yet enough to read at a time."""
        if not self._places:
            return True
        return place.offset == self._end and place.segment == self._segment and place.length <= self._room

    def add(self, place: Place) -> int:
        """Gives the number of the record here."""
        self._segment, self._end = place.segment, place.end
        self._room -= place.length
        self._places.append(place)
        return len(self._places) - 1

    def body(self, number: int) -> bytes | None:
        """See `Located.now`. Nobody else holds what was given: a client that does not read costs no more than one."""
        if self._bodies is None:
            self._bodies = [*(self._db.bodies_at_hand(self._places) or ())]
        body = None
        if number < len(self._bodies):
            body, self._bodies[number] = self._bodies[number], None
        if body is None:  # then this one may be there all the same
            (body,) = self._db.bodies_at_hand(self._places[number : number + 1]) or (None,)
        return body


class Located:
    """See framework.interfaces.storage.Located. stretch: None for a large file."""

    __slots__ = ("_head", "_number", "_stretch", "parts")

    def __init__(self, head: bytes, parts: bytes, stretch: Stretch | None, number: int) -> None:
        self._head = head
        self._stretch = stretch
        self._number = number
        self.parts = parts

    def now(self) -> bytes | None:
        body = self._stretch.body(self._number) if self._stretch is not None else None
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
