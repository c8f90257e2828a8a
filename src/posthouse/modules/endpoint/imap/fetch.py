"""FETCH and UID FETCH.

Flags and UIDs are in memory, all other attributes in rows of the storage, and only sections need the octets of messages: each
FETCH takes the cheapest of these ways that has all it asks for.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import repeat
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import (
    SEEN,
    BrokenMessage,
    FlagChange,
    Located,
    MessageRow,
    StorageBusy,
    StorageError,
)
from posthouse.modules.endpoint.imap.completion import DONE, Completion, refused_by_storage
from posthouse.modules.endpoint.imap.fetch_run import Answers
from posthouse.modules.endpoint.imap.flag_text import FlagText
from posthouse.modules.endpoint.imap.output import Output
from posthouse.modules.endpoint.imap.row_text import RowText
from posthouse.modules.endpoint.imap.sections import MessageWriter, response
from posthouse.modules.endpoint.imap.select import opened
from posthouse.modules.endpoint.imap.selected import LINES, FlagsChange, Places, Selected
from posthouse.wire.imap.again import FetchRun
from posthouse.wire.imap.fetch import Attribute, Fetch, Item, Section

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

_FLAGS, _UID, _MODSEQ = Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ
_IN_MEMORY = frozenset({(_FLAGS,), (_UID,), (_FLAGS, _UID), (_UID, _FLAGS)})

_NARROW = frozenset({_FLAGS, _UID, _MODSEQ})

ROWS_AT_ONCE = 256
SEEN_AT_ONCE = 32  # messages that become \\Seen before the first of them is sent


async def fetch(session: "Session", request: Fetch) -> Completion:
    return await _answered(session, request, Answers(session.out))


async def fetch_run(session: "Session", run: FetchRun) -> Completion:
    """Several commands, see fetch_run.py. Gives how the last one ends."""
    answers = Answers(session.out, run)
    try:
        return await _answered(session, run.request, answers)
    except StorageError as err:
        return answers.end(refused_by_storage(err))


async def _answered(session: "Session", request: Fetch, answers: Answers) -> Completion:
    if _MODSEQ in request.items or request.changed_since is not None:
        session.enable_condstore()
    return await respond(session.out, opened(session), request, answers)


async def respond(out: Output, selected: Selected, request: Fetch, answers: Answers) -> Completion:
    """Write what is asked for. Raises StorageError."""
    items = request.items
    if request.by_uid and _UID not in items:  # RFC 3501 §6.4.8
        items = (*items, _UID)
    if selected.condstore:
        items = items if _MODSEQ in items else (*items, _MODSEQ)  # RFC 7162 §3.1
        await selected.catch_up()
    found = selected.places(request.messages, by_uid=request.by_uid)
    if request.changed_since is not None:
        found = await selected.changed_since(found, request.changed_since)
    attributes = [item for item in items if isinstance(item, Attribute)]
    if len(attributes) < len(items):
        return await _Sections(out, selected, items, answers, by_uid=request.by_uid).fetch(found)
    if items in _IN_MEMORY:
        with contextlib.suppress(StorageBusy):
            await selected.catch_up()  # or it would not be noticed that the mailbox is gone
        await _from_memory(out, selected, found, items)
    elif _NARROW.issuperset(items):
        await _with_modseqs(out, selected, found, items)
    else:
        await _from_rows(out, selected, found, attributes)
    return DONE


async def _from_memory(
    out: Output, selected: Selected, found: Sequence[Places], items: Sequence[Item]
) -> None:
    lines = _memory_format(selected, items)
    for places in found:
        for start in range(places.start, places.stop, LINES):
            out.write("".join(lines(start, min(start + LINES, places.stop))).encode("ascii"))
            await out.relieve()


def _memory_format(selected: Selected, items: Sequence[Item]) -> Callable[[int, int], list[str]]:
    """What makes the lines of messages from one place up to another. All but numbers is text that was made before."""
    uids, flags = selected.uids, selected.flags
    if items == (_UID,):
        return lambda start, stop: [
            f"* {number} FETCH (UID {uid})\r\n" for number, uid in enumerate(uids[start:stop], start + 1)
        ]
    if items == (_FLAGS,):
        text = FlagText(selected.keywords, " FETCH (FLAGS (", "))\r\n")
        return lambda start, stop: [
            f"* {number}{text[value]}" for number, value in enumerate(flags[start:stop], start + 1)
        ]
    if items == (_UID, _FLAGS):
        text = FlagText(selected.keywords, " FLAGS (", "))\r\n")
        return lambda start, stop: [
            f"* {number} FETCH (UID {uid}{text[value]}"
            for number, uid, value in zip(
                range(start + 1, stop + 1), uids[start:stop], flags[start:stop], strict=True
            )
        ]
    text = FlagText(selected.keywords, " FETCH (FLAGS (", ") UID ")
    return lambda start, stop: [
        f"* {number}{text[value]}{uid})\r\n"
        for number, uid, value in zip(
            range(start + 1, stop + 1), uids[start:stop], flags[start:stop], strict=True
        )
    ]


async def _with_modseqs(
    out: Output, selected: Selected, found: Sequence[Places], items: Sequence[Item]
) -> None:
    names = {_FLAGS: "FLAGS ({flags})", _UID: "UID {uid}", _MODSEQ: "MODSEQ ({modseq})"}
    line = (
        "* {number} FETCH ("
        + " ".join(names[item] for item in items if isinstance(item, Attribute))
        + ")\r\n"
    ).format
    places = [at for some in found for at in some]
    for start in range(0, len(places), LINES):
        some = places[start : start + LINES]
        modseqs = await selected.modseqs(some)
        text, flags, uids = selected.text, selected.flags, selected.uids
        out.write(
            "".join(
                line(number=at + 1, flags=text[flags[at]], uid=uids[at], modseq=modseq)
                for at, modseq in zip(some, modseqs, strict=True)
            ).encode("ascii")
        )
        await out.relieve()


async def _from_rows(
    out: Output, selected: Selected, found: Sequence[Places], attributes: Sequence[Attribute]
) -> None:
    text = RowText(selected, attributes)
    async for rows in selected.mailbox.rows(selected.uids_at(found)):
        if rows:
            out.write(text.lines(selected.places_of([row.uid for row in rows]), rows))
            await out.relieve()


class _Sections:
    """A FETCH that needs the octets of messages."""

    def __init__(
        self, out: Output, selected: Selected, items: Sequence[Item], answers: Answers, *, by_uid: bool
    ) -> None:
        self._out = out
        self._selected = selected
        self._items = items
        self._answers = answers
        self._by_uid = by_uid
        peeks = all(item.is_peek for item in items if isinstance(item, Section))
        self._sets_seen = not peeks and not selected.read_only

    async def fetch(self, found: Sequence[Places]) -> Completion:
        """All messages that can be read; the tagged response is NO for one that cannot (R-025)."""
        step = SEEN_AT_ONCE if self._sets_seen else ROWS_AT_ONCE
        for places in found:
            for start in range(places.start, places.stop, step):
                await self._some(range(start, min(start + step, places.stop)))
        return self._answers.end()

    async def _some(self, places: Places) -> None:
        """What is read becomes \\Seen, and the response says so (RFC 3501 §6.4.5, §7.4.2); what is not sent does not stay so."""
        marked = await self._mark_seen(places) if self._sets_seen else set()
        told = frozenset(marked)
        try:
            left: Sequence[int] = self._selected.uids_at([places])
            while left:
                found, left = await self._selected.mailbox.whole_rows(left)
                if found:
                    await self._write(found, told, marked)
                if left:
                    await asyncio.sleep(0)
        finally:
            if marked:
                with contextlib.suppress(StorageError):
                    await self._store(marked, FlagChange.REMOVE)

    async def _mark_seen(self, places: Places) -> set[int]:
        """Gives the UIDs of those that were not. None where nothing can be stored: mail is read all the same."""
        uids, flags = self._selected.uids, self._selected.flags
        new = [uids[at] for at in places if not flags[at] & SEEN]
        if not new:
            return set()
        try:
            await self._store(new, FlagChange.ADD)
        except StorageError:
            return set()
        return set(new)

    async def _store(self, uids: Iterable[int], change: FlagChange) -> None:
        await self._selected.store(sorted(uids), FlagsChange(change, SEEN), silent=False)

    async def _write(
        self, found: Sequence[tuple[MessageRow, Located]], told: Set[int], marked: set[int]
    ) -> None:
        """Write a response for each row; told: with flags, whatever was asked for. Takes from `marked` what was sent."""
        selected, out, answers = self._selected, self._out, self._answers
        rows = [row for row, _ in found]
        places = selected.places_of([row.uid for row in rows])
        attributes = [item for item in self._items if isinstance(item, Attribute)]
        tells = bool(told) and _FLAGS not in attributes
        columns = iter(RowText(selected, [*attributes, _FLAGS] if tells else attributes).values(places, rows))
        values = [
            repeat(item, len(rows)) if isinstance(item, Section) else next(columns) for item in self._items
        ]
        flags = next(columns) if tells else []
        for number, (at, (row, located), *parts) in enumerate(zip(places, found, *values, strict=True)):
            if tells and row.uid in told:
                parts.append(flags[number])
            asked = row.uid if self._by_uid else at + 1
            answers.before(asked)
            octets = located.now()
            try:
                if octets is not None:
                    out.write_parts(response(at + 1, parts, octets, located.parts))
                else:
                    content = await selected.mailbox.content(row.email)
                    await MessageWriter(content, out).write(at + 1, parts)
            except BrokenMessage as err:
                answers.fail(asked, refused_by_storage(err))
                continue
            marked.discard(row.uid)
            if out.is_piece:
                await out.relieve()
        last = rows[-1].uid if self._by_uid else places[-1] + 1
        answers.before(last + 1)  # whatever happens to those behind
