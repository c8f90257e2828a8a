"""What sessions know of a mailbox: held once for all that know the same.

Of a thousand clients in IDLE on one mailbox nearly all know the same. What is shared is never changed: a session that learns of
something makes a copy, and gives it up again for an equal one that another has by then.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from posthouse.framework.interfaces.storage import KEYWORD_SHIFT

_UID: Final = "I"  # 32 bits, RFC 3501 §2.3.1.1
_WIDTHS: Final = tuple((8 * array(code).itemsize - KEYWORD_SHIFT, code) for code in "BHIQ")


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


def compact_uids(uids: "array[int]") -> "array[int]":
    """The same in no more memory than UIDs need."""
    return uids if uids.typecode == _UID else array(_UID, uids)


def compact_flags(flags: "array[int]", keywords: Sequence[str]) -> "array[int]":
    """The same with a bit for each of the keywords, and few more: an octet for each message while there are none."""
    code = next(code for bits, code in _WIDTHS if bits >= len(keywords))
    return flags if flags.typecode == code else array(code, flags)


def _equal(one: "array[int]", other: "array[int]") -> bool:
    """A hundred times as fast as `==` of arrays."""
    return one.typecode == other.typecode and one.tobytes() == other.tobytes()
