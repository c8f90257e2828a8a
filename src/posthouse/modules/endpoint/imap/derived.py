"""What searching and sorting make of messages: decoded header fields, keys to sort by.

It is dear to make, and small; so it is kept while there is room, and the next search in a mailbox takes a tenth of the time.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeVar

from posthouse.framework.interfaces.storage import BrokenMessage, Column, Columns, Mailbox, StoredMessage
from posthouse.message.search import SearchedMessage

ROOM = 33_554_432  # octets for all mailboxes: 32 MiB, about 200,000 values
OVERHEAD = 120  # octets that a value takes beside its own

W = TypeVar("W", bound=Hashable)

GoOn = Callable[[], Awaitable[None]]  # awaited now and then; what it raises ends the work
Values = Mapping[int, Any]  # by UID: octets or numbers, all of one kind


class Maker(NamedTuple):
    """How values are made of columns: one for each message."""

    columns: Sequence[Column]
    make: Callable[[Columns], Iterable[bytes] | Iterable[int]]


class Made:
    """Values of one kind for the messages of a mailbox, as far as they are made."""

    __slots__ = ("is_kept", "octets", "values")

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}  # see Values
        self.octets = 0
        self.is_kept = True


class Derived:
    """The values that sessions have made so far. A UID never stands for another message, so nothing here goes stale."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._taken = 0
        self._made: OrderedDict[tuple[int, Hashable], Made] = OrderedDict()  # used last at the end

    def of(self, mailbox: int, what: Hashable) -> Made:
        """The values of this kind in a mailbox. Who holds them keeps them, also when they are forgotten here."""
        made = self._made.setdefault((mailbox, what), Made())
        self._made.move_to_end((mailbox, what))
        return made

    def add(self, made: Made, new: Values) -> None:
        made.values.update(new)
        octets = OVERHEAD * len(new) + sum(len(value) for value in new.values() if isinstance(value, bytes))
        made.octets += octets
        if made.is_kept:
            self._taken += octets

    def trim(self) -> None:
        """Forget what was used longest ago, as far as there is no room for it."""
        while self._taken > self._room:
            _, made = self._made.popitem(last=False)
            made.is_kept = False
            self._taken -= made.octets


async def from_columns(
    mailbox: Mailbox, derived: Derived, uids: Iterable[int], makers: Mapping[W, Maker], go_on: GoOn
) -> dict[W, Values]:
    """The values of these messages, and of others. Messages that have vanished may have none. Raises StorageError."""
    made = {what: derived.of(mailbox.id, what) for what in makers}
    wanted = sorted({column for maker in makers.values() for column in maker.columns})

    def look(columns: Columns) -> dict[W, Values]:
        return {
            what: dict(zip(columns.uids, maker.make(columns), strict=True)) for what, maker in makers.items()
        }

    async for found in mailbox.columns(_missing(uids, made.values()), wanted, look):
        for what, values in found.items():
            derived.add(made[what], values)
        await go_on()
    return {what: one.values for what, one in made.items()}


async def from_headers(
    mailbox: Mailbox, derived: Derived, uids: Iterable[int], names: Set[bytes], go_on: GoOn
) -> dict[bytes, Values]:
    """The same of header fields with these names (in capitals), as `_fields` has them. Damaged messages have none."""
    made = {name: derived.of(mailbox.id, name) for name in names}

    def look(messages: Sequence[StoredMessage]) -> Mapping[bytes, Values]:
        values: dict[bytes, dict[int, bytes]] = {name: {} for name in names}
        for message in messages:
            for name, value in _fields(message, names).items():
                values[name][message.uid] = value
        return values

    async for found in mailbox.messages(_missing(uids, made.values()), look):
        for name, values in found.items():
            derived.add(made[name], values)
        await go_on()
    return {name: one.values for name, one in made.items()}


def _missing(uids: Iterable[int], made: Iterable[Made]) -> list[int]:
    wanted = set(uids)
    return sorted({uid for one in made for uid in wanted - one.values.keys()})


def _fields(message: StoredMessage, names: Set[bytes]) -> dict[bytes, bytes]:
    """The fields of each name, decoded and folded, a line end before each; b"" without any. Empty for a damaged message."""
    try:
        searched = SearchedMessage(message.data, message.parts)
        return {name: b"".join(b"\n" + field for field in searched.fields(name)) for name in names}
    except (ValueError, BrokenMessage):
        return {}
