"""Finding messages: what SEARCH, SORT and THREAD have in common.

The mailbox is gone through in stretches. In each the cheapest keys are answered first, for all messages together: from memory, then
from columns of the database, from decoded header fields, and from octets; and the dearer ones only for messages whose fate the cheaper have not settled.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import compress

from posthouse.framework.interfaces.storage import BrokenMessage, Column, Columns, StoredMessage
from posthouse.message.search import Needle
from posthouse.modules.endpoint.imap.header_texts import HeaderTexts, texts_of
from posthouse.modules.endpoint.imap.in_columns import Finder, column, finder
from posthouse.modules.endpoint.imap.in_octets import Examined, Test, is_meant, tester
from posthouse.modules.endpoint.imap.marks import (
    Marker,
    Verdict,
    everything,
    judge,
    marker,
    to_marks,
    to_octets,
)
from posthouse.modules.endpoint.imap.selected import Places, Selected
from posthouse.wire.imap.search import (
    AllOf,
    Among,
    AnyOf,
    HasFlag,
    InBody,
    InEnvelope,
    InHeader,
    InText,
    Key,
    Leaf,
    Not,
    Place,
)

STRETCH = 5000  # messages

GoOn = Callable[[], Awaitable[None]]


async def find(selected: Selected, key: Key, known: HeaderTexts, go_on: GoOn) -> "array[int]":
    """The places of the messages that are meant, ascending. Those that are gone, or damaged, may be missing.

    known: texts that need not be made again. go_on: awaited now and then; what it raises ends the search. Raises StorageError.
    """
    program = _Program(selected, key)
    found = array("L")
    count = len(selected.uids)
    for start in range(0, count, STRETCH):
        stretch = _Stretch(program, selected, known, range(start, min(start + STRETCH, count)))
        found.extend(await stretch.find(go_on))
        known.trim()
        await asyncio.sleep(0)
        await go_on()
    return found


class _Program:
    """A key made ready to be asked about many messages. Each of its leaves is in one of the four."""

    def __init__(self, selected: Selected, key: Key) -> None:
        self.key = _cheapest_first(key)
        self.markers: dict[Leaf, Marker] = {}
        self.needles: dict[InEnvelope, Needle] = {}
        self.finders: dict[Leaf, Finder] = {}
        self.tests: dict[Leaf, Test] = {}
        columns: set[Column] = set()
        for leaf in _leaves(key):
            if isinstance(leaf, Among | HasFlag):
                self.markers[leaf] = marker(leaf, selected)
            elif isinstance(leaf, InEnvelope):
                self.needles[leaf] = Needle(leaf.text)
            elif isinstance(leaf, InHeader | InBody | InText):
                self.tests[leaf] = tester(leaf)
            else:
                self.finders[leaf] = finder(leaf)
                columns.add(column(leaf))
        self.columns: Sequence[Column] = sorted(columns)


class _Stretch:
    """Messages that are judged together. All marks are of them."""

    def __init__(self, program: _Program, selected: Selected, texts: HeaderTexts, places: Places) -> None:
        self._program = program
        self._texts = texts
        self._mailbox = selected.mailbox
        self._places = places
        self._uids = selected.uids[places.start : places.stop]
        self._known: dict[Leaf, int] = {}
        self._octets: dict[Leaf, bytes] = {}

    async def find(self, go_on: GoOn) -> Iterable[int]:
        """The places of those that are meant."""
        verdict = self._judge()
        if self._program.finders and verdict.yes != verdict.maybe:
            await self._look_at_columns(verdict, go_on)
            verdict = self._judge_anew(verdict)
        if self._program.needles and verdict.yes != verdict.maybe:
            await self._look_at_texts(verdict, go_on)
            verdict = self._judge_anew(verdict)
        yes = verdict.yes
        if verdict.yes != verdict.maybe:
            yes |= await self._look_at_octets(verdict, go_on)
        return compress(self._places, to_octets(yes, len(self._places)))

    def _judge(self) -> Verdict:
        return judge(self._program.key, self._marks, everything(len(self._places)))

    def _judge_anew(self, before: Verdict) -> Verdict:
        """What is known now of those that were undecided; of others nothing was found out."""
        found, undecided = self._judge(), before.maybe ^ before.yes
        return Verdict(before.yes | found.yes & undecided, before.yes | found.maybe & undecided)

    def _marks(self, leaf: Leaf) -> int | None:
        marks = self._known.get(leaf)
        if marks is None and leaf in self._program.markers:
            marks = self._known[leaf] = self._program.markers[leaf](self._places)
        return marks

    def _undecided(self, verdict: Verdict) -> "array[int]":
        """The UIDs of messages that are not judged yet."""
        octets = to_octets(verdict.maybe ^ verdict.yes, len(self._places))
        return array(self._uids.typecode, compress(self._uids, octets))

    async def _look_at_columns(self, verdict: Verdict, go_on: GoOn) -> None:
        finders = self._program.finders
        marks = {leaf: bytearray(len(self._places)) for leaf in finders}

        def look(columns: Columns) -> None:
            for leaf, find in finders.items():
                for row in find(columns):
                    marks[leaf][self._at(columns.uids[row])] = 1

        async for _ in self._mailbox.columns(self._undecided(verdict), self._program.columns, look):
            await go_on()
        self._known |= {leaf: to_marks(octets) for leaf, octets in marks.items()}

    async def _look_at_texts(self, verdict: Verdict, go_on: GoOn) -> None:
        known = {leaf.place: self._texts.of(self._mailbox.id, leaf.place) for leaf in self._program.needles}
        undecided = set(self._undecided(verdict))
        missing = sorted({uid for texts in known.values() for uid in undecided - texts.keys()})

        def look(columns: Columns) -> list[tuple[Place, dict[int, bytes]]]:
            return [
                (place, dict(zip(columns.uids, texts_of(place, columns.envelope), strict=True)))
                for place in known
            ]

        async for made in self._mailbox.columns(missing, ["envelope"], look):
            for place, texts in made:
                self._texts.add(self._mailbox.id, place, texts)
            await go_on()
        for leaf, needle in self._program.needles.items():
            now_known = self._texts.of(self._mailbox.id, leaf.place)
            octets = bytes([needle.folded in now_known.get(uid, b"") for uid in self._uids])
            self._known[leaf] = to_marks(octets)

    async def _look_at_octets(self, verdict: Verdict, go_on: GoOn) -> int:
        """The marks of those that are meant."""
        marks = bytearray(len(self._places))

        def look(messages: Sequence[StoredMessage]) -> None:
            for message in messages:
                at = self._at(message.uid)
                marks[at] = self._is_meant(Examined(message, at))

        async for _ in self._mailbox.messages(self._undecided(verdict), look):
            await go_on()
        return to_marks(marks)

    def _is_meant(self, message: Examined) -> bool:
        try:
            return is_meant(self._program.key, message, self._program.tests, self._known_octets)
        except BrokenMessage:  # the storage has logged it
            return False

    def _known_octets(self, leaf: Leaf) -> bytes:
        octets = self._octets.get(leaf)
        if octets is None:
            octets = self._octets[leaf] = to_octets(self._marks(leaf) or 0, len(self._places))
        return octets

    def _at(self, uid: int) -> int:
        return bisect_left(self._uids, uid)


def _leaves(key: Key) -> Iterable[Leaf]:
    """The keys in the tree that are not made of others, each once."""
    if isinstance(key, AllOf | AnyOf):
        return dict.fromkeys(leaf for part in key.keys for leaf in _leaves(part))
    return _leaves(key.key) if isinstance(key, Not) else (key,)


def _cheapest_first(key: Key) -> Key:
    """The same key, with each list in the order in which it is best asked."""
    if isinstance(key, AllOf | AnyOf):
        return type(key)(tuple(sorted(map(_cheapest_first, key.keys), key=_cost)))
    return Not(_cheapest_first(key.key)) if isinstance(key, Not) else key


def _cost(key: Key) -> int:
    """The higher, the dearer."""
    if isinstance(key, AllOf | AnyOf):
        return max(map(_cost, key.keys), default=0)
    if isinstance(key, Not):
        return _cost(key.key)
    return _COSTS.get(type(key), _COST_OF_COLUMN)


_COSTS: dict[type[Leaf], int] = {Among: 0, HasFlag: 0, InEnvelope: 2, InHeader: 3, InBody: 4, InText: 5}
_COST_OF_COLUMN = 1
