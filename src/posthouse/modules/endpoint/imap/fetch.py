"""FETCH and UID FETCH.

Flags and UIDs are in memory, all other attributes in rows of the storage, and only sections need the octets of messages: each
FETCH takes the cheapest of these ways that has all it asks for.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import SEEN, BrokenMessage, FlagChange, MessageRow
from posthouse.message.date import format_internal_date
from posthouse.message.structure import without_extensions
from posthouse.modules.endpoint.imap.completion import DONE, Completion, refused_by_storage
from posthouse.modules.endpoint.imap.flag_text import FlagText
from posthouse.modules.endpoint.imap.output import Output
from posthouse.modules.endpoint.imap.sections import MessageWriter
from posthouse.modules.endpoint.imap.select import opened
from posthouse.modules.endpoint.imap.selected import LINES, FlagsChange, Places, Selected
from posthouse.wire.imap.fetch import Attribute, Fetch, Item, Section

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

_FLAGS, _UID, _MODSEQ = Attribute.FLAGS, Attribute.UID, Attribute.MODSEQ
_IN_MEMORY = frozenset({(_FLAGS,), (_UID,), (_FLAGS, _UID), (_UID, _FLAGS)})

_NARROW = frozenset({_FLAGS, _UID, _MODSEQ})

_Value = Callable[[FlagText, int, MessageRow], bytes]


async def fetch(session: "Session", request: Fetch) -> Completion:
    if _MODSEQ in request.items or request.changed_since is not None:
        session.enable_condstore()
    return await respond(session.out, opened(session), request)


async def respond(out: Output, selected: Selected, request: Fetch) -> Completion:
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
    if items in _IN_MEMORY:
        await _from_memory(out, selected, found, items)
    elif _NARROW.issuperset(items):
        await _with_modseqs(out, selected, found, items)
    elif not any(isinstance(item, Section) for item in items):
        await _from_rows(out, selected, found, items)
    else:
        return await _Sections(out, selected, items, by_uid=request.by_uid).fetch(found)
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


async def _from_rows(out: Output, selected: Selected, found: Sequence[Places], items: Sequence[Item]) -> None:
    template = b"* %%d FETCH (%b)\r\n" % b" ".join([b"%b"] * len(items))
    values = [_VALUES[item] for item in items if isinstance(item, Attribute)]
    text, flags, at = selected.text, selected.flags, -1
    async for rows in selected.mailbox.rows(selected.uids_at(found)):
        lines: list[bytes] = []
        for row in _known(selected, rows):
            place = selected.place(row.uid, at + 1)
            assert place is not None
            at = place
            lines.append(template % (at + 1, *[value(text, flags[at], row) for value in values]))
        out.write(b"".join(lines))
        await out.relieve()


_VALUES: dict[Attribute, _Value] = {
    Attribute.BODY: lambda _, __, row: b"BODY " + without_extensions(row.structure),
    Attribute.BODYSTRUCTURE: lambda _, __, row: b"BODYSTRUCTURE " + row.structure,
    Attribute.ENVELOPE: lambda _, __, row: b"ENVELOPE " + row.envelope,
    Attribute.FLAGS: lambda text, flags, _: b"FLAGS (%b)" % text[flags].encode("ascii"),
    Attribute.INTERNALDATE: lambda _, __, row: b'INTERNALDATE "%b"' % format_internal_date(row.received),
    Attribute.MODSEQ: lambda _, __, row: b"MODSEQ (%d)" % row.modseq,
    Attribute.RFC822_SIZE: lambda _, __, row: b"RFC822.SIZE %d" % row.size,
    Attribute.UID: lambda _, __, row: b"UID %d" % row.uid,
}


def _known(selected: Selected, rows: Sequence[MessageRow]) -> Sequence[MessageRow]:
    """Rows with no modseq beyond what the client knows: see `Selected.modseqs`."""
    top = selected.modseq
    return [row if row.modseq <= top else row._replace(modseq=top) for row in rows]


class _Sections:
    """A FETCH that needs the octets of messages."""

    def __init__(self, out: Output, selected: Selected, items: Sequence[Item], *, by_uid: bool) -> None:
        self._out = out
        self._selected = selected
        self._items = items
        self._by_uid = by_uid
        peeks = all(item.is_peek for item in items if isinstance(item, Section))
        self._sets_seen = not peeks and not selected.read_only
        self._seen: list[int] = []  # UIDs
        self._broken: BrokenMessage | None = None

    async def fetch(self, found: Sequence[Places]) -> Completion:
        """All messages that can be read; the tagged response is NO if one could not (R-025)."""
        at = -1
        async for rows in self._selected.mailbox.rows(self._selected.uids_at(found)):
            for row in _known(self._selected, rows):
                place = self._selected.place(row.uid, at + 1)
                assert place is not None
                at = place
                await self._message(at, row)
            await self._set_seen()
        return DONE if self._broken is None else refused_by_storage(self._broken)

    async def _message(self, at: int, row: MessageRow) -> None:
        flags = self._selected.flags[at]
        try:
            writer = MessageWriter(await self._selected.mailbox.content(row.email), self._out)
            await writer.write(at + 1, [self._value(item, flags, row) for item in self._items])
        except BrokenMessage as err:
            self._broken = err
            return
        if self._sets_seen and not flags & SEEN:
            self._seen.append(row.uid)
        await self._out.relieve()

    def _value(self, item: Item, flags: int, row: MessageRow) -> bytes | Section:
        return item if isinstance(item, Section) else _VALUES[item](self._selected.text, flags, row)

    async def _set_seen(self) -> None:
        """What was read is \\Seen, and the client hears it (RFC 3501 §6.4.5)."""
        if self._seen:
            uids, self._seen = self._seen, []
            done = await self._selected.store(uids, FlagsChange(FlagChange.ADD, SEEN), silent=False)
            await self._out.write_all(await self._selected.flag_lines(done.places, with_uid=self._by_uid))
