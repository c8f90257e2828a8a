"""Which messages a search key is about: found out for many messages at once.

Marks are an octet for each message of a stretch, 1 or 0, the first message first. Taken as one integer they are joined in no time.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from posthouse.framework.interfaces.storage import KEYWORD_SHIFT, RECENT, SYSTEM_FLAGS
from posthouse.modules.endpoint.imap.selected import Places, Selected
from posthouse.wire.imap.flags import RECENT as RECENT_NAME
from posthouse.wire.imap.search import AllOf, Among, AnyOf, HasFlag, Key, Leaf, Not

_ORDER: Final = "little"


class Verdict(NamedTuple):
    """yes: messages that are meant. maybe: these, and those of which it is not known."""

    yes: int
    maybe: int


def everything(count: int) -> int:
    """The marks of so many messages."""
    return int.from_bytes(b"\1" * count, _ORDER)


def to_marks(octets: bytes | bytearray) -> int:
    return int.from_bytes(octets, _ORDER)


def to_octets(marks: int, count: int) -> bytes:
    return marks.to_bytes(count, _ORDER)


def judge(key: Key, known: Callable[[Leaf], int | None], everything: int) -> Verdict:
    """What follows from what is known of the leaves; `known` gives None for those that are not."""
    if isinstance(key, AllOf):
        yes = maybe = everything
        for part in key.keys:
            found = judge(part, known, everything)
            yes, maybe = yes & found.yes, maybe & found.maybe
            if not maybe:
                break
        return Verdict(yes, maybe)
    if isinstance(key, AnyOf):
        yes = maybe = 0
        for part in key.keys:
            found = judge(part, known, everything)
            yes, maybe = yes | found.yes, maybe | found.maybe
            if yes == everything:
                break
        return Verdict(yes, maybe)
    if isinstance(key, Not):
        found = judge(key.key, known, everything)
        return Verdict(everything ^ found.maybe, everything ^ found.yes)
    marks = known(key)
    return Verdict(0, everything) if marks is None else Verdict(marks, marks)


class Marker(Protocol):
    """A key that is answered from what the session has in memory."""

    def __call__(self, stretch: Places) -> int:
        """The marks of these messages."""
        ...


def marker(key: Among | HasFlag, selected: Selected) -> Marker:
    if isinstance(key, Among):
        return _Among(selected.places(key.messages, by_uid=key.by_uid))
    return _HasFlag(selected.flags, _bit(key.flag, selected.keywords))


class _Among:
    def __init__(self, places: Sequence[Places]) -> None:
        self._places = places
        self._stops = [one.stop for one in places]

    def __call__(self, stretch: Places) -> int:
        start, count = stretch.start, len(stretch)
        octets = bytearray(count)
        for at in range(bisect_left(self._stops, start + 1), len(self._places)):
            places = self._places[at]
            if places.start >= stretch.stop:
                break
            first, stop = max(places.start - start, 0), min(places.stop - start, count)
            octets[first:stop] = b"\1" * (stop - first)
        return to_marks(octets)


class _HasFlag:
    def __init__(self, flags: "array[int]", bit: int) -> None:
        self._flags = flags
        self._marks = {value: value & bit != 0 for value in set(flags)}

    def __call__(self, stretch: Places) -> int:
        return to_marks(bytes(map(self._marks.__getitem__, self._flags[stretch.start : stretch.stop])))


def _bit(flag: str, keywords: Sequence[str]) -> int:
    """0 for a keyword that no message of the mailbox has."""
    if flag == RECENT_NAME:
        return RECENT
    if flag in SYSTEM_FLAGS:
        return 1 << SYSTEM_FLAGS.index(flag)
    return 1 << (KEYWORD_SHIFT + keywords.index(flag)) if flag in keywords else 0
