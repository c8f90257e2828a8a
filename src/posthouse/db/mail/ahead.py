"""Rows read ahead: a client that asks for one message after the other soon asks for the next."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final

AHEAD: Final = 32  # UIDs that are read at a time
READERS: Final = 64  # of which rows are kept: those that were active last
UNKNOWN: Final = -1
ROW_MAX: Final = 8192  # octets of a row that is kept

Read = Callable[[Sequence[int]], list[Any]]  # rows of these UIDs, each begins with its UID


class _Window:
    """modseq: of the mailbox when its rows were as they are here. last: the UID that was asked for last.

    single_below: rows up to there are read one by one: some of them are too large to be kept.
    """

    __slots__ = ("last", "modseq", "rows", "single_below")

    def __init__(self, modseq: int, last: int) -> None:
        self.modseq = modseq
        self.last = last
        self.single_below = 0
        self.rows: dict[int, Any] = {}


class RowsAhead:
    """Rows that readers are likely to ask for next."""

    def __init__(self) -> None:
        self._windows: OrderedDict[Hashable, _Window] = (
            OrderedDict()
        )  # the reader that was active last at the end

    def row(self, reader: Hashable, uid: int, modseq: int, read: Read) -> list[Any]:
        """The row of a message, or none. modseq: all changes of the mailbox up to it must be seen; UNKNOWN: all.

        reader: who asks; of one mailbox only. Raises what `read` raises.
        """
        if modseq == UNKNOWN:
            return read((uid,))
        window = self._windows.get(reader)
        if window is None or window.modseq != modseq:
            found = read((uid,))
            self._keep(reader, _Window(modseq, uid))
            return found
        is_next = window.last < uid <= window.last + AHEAD
        window.last = uid
        row = window.rows.pop(uid, None)
        if row is not None:
            return [row]
        if not is_next or uid < window.single_below:
            return read((uid,))
        found = read(range(uid, uid + AHEAD))
        window.rows = {row[0]: row for row in found if row[0] != uid and _octets(row) <= ROW_MAX}
        if len(window.rows) < len(found) - 1:
            window.single_below = uid + AHEAD
        self._windows.move_to_end(reader)
        return found[:1] if found and found[0][0] == uid else []

    def _keep(self, reader: Hashable, window: _Window) -> None:
        self._windows[reader] = window
        self._windows.move_to_end(reader)
        if len(self._windows) > READERS:
            self._windows.popitem(last=False)


def _octets(row: tuple[Any, ...]) -> int:
    return sum([len(value) for value in row if isinstance(value, bytes)])
