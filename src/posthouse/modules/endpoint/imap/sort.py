"""SORT and UID SORT (RFC 5256)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from posthouse.framework.interfaces.storage import Column, Columns, Mailbox
from posthouse.message.sort import address_key, in_order, sent_date, subject_key
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.envelopes import date_of, fields_of, subject_of
from posthouse.modules.endpoint.imap.search import answer, search_uids
from posthouse.modules.endpoint.imap.select import opened
from posthouse.wire.imap.sort import By, Criterion, Sort

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def sort(session: "Session", request: Sort) -> Completion:
    if request.asks_modseq:
        session.enable_condstore()
    found = await search_uids(session, request.key)
    uids = await _in_order(opened(session).mailbox, found, request.criteria)
    await answer(session, "SORT", uids, by_uid=request.by_uid, asks_modseq=request.asks_modseq)
    return DONE


async def _in_order(mailbox: Mailbox, found: Sequence[int], criteria: Sequence[Criterion]) -> list[int]:
    """The UIDs, sorted. Those of messages that have vanished are left out."""
    kinds = {criterion.by for criterion in criteria}
    wanted = sorted({column for by in kinds for column in _COLUMNS.get(by, _ENVELOPE)})
    uids: list[int] = []
    keys: dict[By, list[Any]] = {by: [] for by in kinds}  # octets or numbers, of one kind in each

    def look(columns: Columns) -> None:
        uids.extend(columns.uids)
        for by in kinds:
            keys[by].extend(_KEYS[by](columns))

    async for _ in mailbox.columns(found, wanted, look):
        pass
    order = [(keys[criterion.by], criterion.reverse) for criterion in criteria]
    places = await asyncio.to_thread(in_order, len(uids), order)
    return [uids[place] for place in places]


def sent_dates(columns: Columns) -> list[int]:
    return [
        sent_date(date_of(envelope), received)
        for envelope, received in zip(columns.envelope, columns.received, strict=True)
    ]


def subject_keys(columns: Columns) -> list[bytes]:
    return [subject_key(subject_of(envelope)) for envelope in columns.envelope]


def _addresses(field: str) -> Callable[[Columns], Iterable[bytes]]:
    return lambda columns: [
        _address_key(getattr(fields_of(envelope), field)) for envelope in columns.envelope
    ]


def _address_key(field: bytes) -> bytes:
    try:
        return address_key(field)
    except ValueError:  # damaged: there is no address in it
        return b""


_ENVELOPE: Sequence[Column] = ("envelope",)
_COLUMNS: Mapping[By, Sequence[Column]] = {
    By.ARRIVAL: ("received",),
    By.DATE: ("envelope", "received"),
    By.SIZE: ("size",),
}
_KEYS: Mapping[By, Callable[[Columns], Iterable[int] | Iterable[bytes]]] = {
    By.ARRIVAL: lambda columns: columns.received,
    By.CC: _addresses("cc"),
    By.DATE: sent_dates,
    By.FROM: _addresses("author"),
    By.SIZE: lambda columns: columns.size,
    By.SUBJECT: subject_keys,
    By.TO: _addresses("to"),
}
