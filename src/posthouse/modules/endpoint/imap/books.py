"""What sessions know of a mailbox: held once for all that know the same.

Of a thousand clients in IDLE on one mailbox nearly all know the same. What is shared is never changed: a session that learns of
something makes a copy, and gives it up again for an equal one that another has by then.
"""

from array import array
from dataclasses import dataclass
from weakref import WeakValueDictionary


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Books:
    """uids ascends; flags[i] belongs to uids[i]. Neither is ever changed."""

    uids: "array[int]"
    flags: "array[int]"


class Shelf:
    """The books that are held by anybody, by what makes it likely that others have the same."""

    def __init__(self) -> None:
        self._books: WeakValueDictionary[tuple[int, int, int], Books] = WeakValueDictionary()

    def shared(self, mailbox: int, modseq: int, recent: int, mine: Books) -> Books:
        """Equal ones that somebody has already, or else these.

        modseq: all changes up to here are in `mine`. recent: how many messages have \\Recent, which sessions do not agree about.
        """
        other = self._books.setdefault((mailbox, modseq, recent), mine)
        return other if _equal(other.uids, mine.uids) and _equal(other.flags, mine.flags) else mine


def _equal(one: "array[int]", other: "array[int]") -> bool:
    """A hundred times as fast as `==` of arrays."""
    return one.typecode == other.typecode and one.tobytes() == other.tobytes()
