"""SORT and UID SORT (RFC 5256)."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Columns
from posthouse.message.sort import address_key, in_order, sent_date, subject_key
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.derived import Maker, Values, from_columns
from posthouse.modules.endpoint.imap.envelopes import date_of, fields_of, subject_of
from posthouse.modules.endpoint.imap.search import answer, is_there, search_uids
from posthouse.modules.endpoint.imap.select import opened
from posthouse.wire.imap.sort import By, Sort

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def sort(session: "Session", request: Sort) -> Completion:
    if request.asks_modseq:
        session.enable_condstore()
    found = await search_uids(session, request.key)
    keys = await sort_keys(session, found, {criterion.by for criterion in request.criteria})
    uids = [uid for uid in found if all(uid in values for values in keys.values())]
    criteria = [
        ([keys[criterion.by][uid] for uid in uids], criterion.reverse) for criterion in request.criteria
    ]
    places = await asyncio.to_thread(in_order, len(uids), criteria)
    ordered = [uids[place] for place in places]
    await answer(session, "SORT", ordered, by_uid=request.by_uid, asks_modseq=request.asks_modseq)
    return DONE


async def sort_keys(session: "Session", uids: Sequence[int], kinds: Iterable[By]) -> dict[By, Values]:
    """What messages are compared by, for each kind. Those that have vanished may have none. Raises StorageError."""
    mailbox, derived = opened(session).mailbox, session.service.derived
    keys = await from_columns(mailbox, derived, uids, {by: _MAKERS[by] for by in kinds}, is_there(session))
    derived.trim()
    return keys


def _sent_dates(columns: Columns) -> Iterable[int]:
    for envelope, received in zip(columns.envelope, columns.received, strict=True):
        yield sent_date(date_of(envelope), received)


def _subject_keys(columns: Columns) -> Iterable[bytes]:
    return (subject_key(subject_of(envelope)) for envelope in columns.envelope)


def _addresses(field: str) -> Callable[[Columns], Iterable[bytes]]:
    return lambda columns: (
        _address_key(getattr(fields_of(envelope), field)) for envelope in columns.envelope
    )


def _address_key(field: bytes) -> bytes:
    try:
        return address_key(field)
    except ValueError:  # damaged: there is no address in it
        return b""


_MAKERS: Mapping[By, Maker] = {
    By.ARRIVAL: Maker(("received",), lambda columns: columns.received),
    By.CC: Maker(("envelope",), _addresses("cc")),
    By.DATE: Maker(("envelope", "received"), _sent_dates),
    By.FROM: Maker(("envelope",), _addresses("author")),
    By.SIZE: Maker(("size",), lambda columns: columns.size),
    By.SUBJECT: Maker(("envelope",), _subject_keys),
    By.TO: Maker(("envelope",), _addresses("to")),
}
