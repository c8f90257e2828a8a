"""Messages in the mailboxes of `testing.storage`, and their octets."""

import asyncio
from dataclasses import dataclass
from typing import Final

from posthouse.framework.interfaces.storage import BrokenMessage, MessageRow, Octets, StorageError
from posthouse.message.structure import Structure

AT_HAND_MAX: Final = 65_536  # octets of a message that is given at once


@dataclass(slots=True)
class FakeMessage:
    """is_broken: its octets cannot be read. cut_at: nor can those from this offset on, for which cut_by is raised."""

    uid: int
    data: bytes
    structure: Structure
    flags: int
    received: int
    born: int  # modseq
    modseq: int
    is_broken: bool = False
    cut_at: int | None = None
    cut_by: type[StorageError] = BrokenMessage


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
            raise self._message.cut_by
        return self._message.data[offset : offset + length]


class FakeLocated:
    """See framework.interfaces.storage.Located."""

    def __init__(self, message: FakeMessage) -> None:
        self._message = message

    @property
    def parts(self) -> bytes:
        return self._message.structure.parts

    def now(self) -> bytes | None:
        message = self._message
        is_at_hand = len(message.data) <= AT_HAND_MAX and not message.is_broken and message.cut_at is None
        return message.data if is_at_hand else None


class _CutOctets:
    """The octets of a message that breaks off."""

    def __init__(self, data: bytes, cut_at: int) -> None:
        self._data = data
        self._cut_at = cut_at

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, part: slice, /) -> bytes:
        if part.indices(len(self._data))[1] > self._cut_at:
            raise BrokenMessage
        return self._data[part]


def octets_of(message: FakeMessage) -> Octets:
    """What is searched: those of a message that breaks off raise where they end."""
    return message.data if message.cut_at is None else _CutOctets(message.data, message.cut_at)


def row_of(message: FakeMessage) -> MessageRow:
    """What FETCH needs of it."""
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
