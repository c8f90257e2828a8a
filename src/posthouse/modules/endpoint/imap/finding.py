"""Finding messages: what SEARCH, SORT and THREAD have in common.

The mailbox is gone through in stretches. In each the cheapest keys are answered first, for all messages together: from memory, then
from columns of the database, from decoded header fields, and from octets; and the dearer ones only for messages whose fate the cheaper have not settled.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import compress

from posthouse.framework.interfaces.storage import BrokenMessage, Column, Columns, StoredMessage
from posthouse.message.search import Needle
from posthouse.modules.endpoint.imap.derived import Derived, GoOn, Values, from_columns, from_headers
from posthouse.modules.endpoint.imap.header_texts import MAKERS
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
)

STRETCH = 5000  # messages


async def find(selected: Selected, key: Key, derived: Derived, go_on: GoOn) -> "array[int]":
    """The places of the messages that are meant, ascending. Those that are gone, or damaged, may be missing.

    derived: what need not be made again. go_on: awaited now and then; what it raises ends the search. Raises StorageError.
    """
    program = _Program(selected, key)
    found = array("L")
    count = len(selected.uids)
    for start in range(0, count, STRETCH):
        stretch = _Stretch(program, selected, derived, range(start, min(start + STRETCH, count)))
        found.extend(await stretch.find(go_on))
        derived.trim()
        await asyncio.sleep(0)
        await go_on()
    return found


class _Program:
    """A key made ready to be asked about many messages. Each of its leaves is in one of the five."""

    def __init__(self, selected: Selected, key: Key) -> None:
        self.key = _cheapest_first(key)
        self.markers: dict[Leaf, Marker] = {}
        self.in_envelope: dict[InEnvelope, Needle] = {}
        self.in_header: dict[InHeader, Needle] = {}
        self.finders: dict[Leaf, Finder] = {}
        self.tests: dict[Leaf, Test] = {}
        columns: set[Column] = set()
        for leaf in _leaves(key):
            if isinstance(leaf, Among | HasFlag):
                self.markers[leaf] = marker(leaf, selected)
            elif isinstance(leaf, InEnvelope):
                self.in_envelope[leaf] = Needle(leaf.text)
            elif isinstance(leaf, InHeader):
                self.in_header[leaf] = Needle(leaf.text)
            elif isinstance(leaf, InBody | InText):
                self.tests[leaf] = tester(leaf)
            else:
                self.finders[leaf] = finder(leaf)
                columns.add(column(leaf))
        self.columns: Sequence[Column] = sorted(columns)


class _Stretch:
    """Messages that are judged together. All marks are of them."""

    def __init__(self, program: _Program, selected: Selected, derived: Derived, places: Places) -> None:
        self._program = program
        self._derived = derived
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
        if self._program.in_envelope and verdict.yes != verdict.maybe:
            await self._look_at_envelopes(verdict, go_on)
            verdict = self._judge_anew(verdict)
        if self._program.in_header and verdict.yes != verdict.maybe:
            await self._look_at_headers(verdict, go_on)
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

    async def _look_at_envelopes(self, verdict: Verdict, go_on: GoOn) -> None:
        makers = {leaf.place: MAKERS[leaf.place] for leaf in self._program.in_envelope}
        undecided = self._undecided(verdict)
        texts = await from_columns(self._mailbox, self._derived, undecided, makers, go_on)
        for leaf, needle in self._program.in_envelope.items():
            self._mark(leaf, needle, texts[leaf.place])

    async def _look_at_headers(self, verdict: Verdict, go_on: GoOn) -> None:
        names = {leaf.name.upper() for leaf in self._program.in_header}
        undecided = self._undecided(verdict)
        texts = await from_headers(self._mailbox, self._derived, undecided, names, go_on)
        for leaf, needle in self._program.in_header.items():
            self._mark(leaf, needle, texts[leaf.name.upper()])

    def _mark(self, leaf: Leaf, needle: Needle, texts: Values) -> None:
        """The empty text is in every field that is there."""
        folded = needle.folded
        if b"\n" in folded:  # as no field can have it
            self._known[leaf] = 0
        elif folded:
            self._known[leaf] = to_marks(bytes([folded in texts.get(uid, b"") for uid in self._uids]))
        else:
            self._known[leaf] = to_marks(bytes([texts.get(uid, b"") != b"" for uid in self._uids]))

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
