"""SEARCH and UID SEARCH."""

from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Columns
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.derived import GoOn
from posthouse.modules.endpoint.imap.finding import find
from posthouse.modules.endpoint.imap.select import opened
from posthouse.modules.endpoint.imap.selected import Selected
from posthouse.net.connection import ConnectionLost
from posthouse.wire.imap.response import Condition, Status
from posthouse.wire.imap.search import Key, Search, found_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

_SEARCHING = Status(Condition.OK, "Searching").to_bytes()


async def search(session: "Session", request: Search) -> Completion:
    if request.asks_modseq:
        session.enable_condstore()
    uids = await search_uids(session, request.key)
    await answer(session, "SEARCH", uids, by_uid=request.by_uid, asks_modseq=request.asks_modseq)
    return DONE


async def search_uids(session: "Session", key: Key) -> "array[int]":
    """The UIDs of the messages that are meant, of those that the client knows; ascending.

    Raises ConnectionLost when nobody waits for them any more, StorageError.
    """
    selected = opened(session)
    await selected.catch_up()  # flags as they are now; the client is told of them with the next updates
    uids = selected.uids
    places = await find(selected, key, session.service.derived, is_there(session))
    return array(uids.typecode, [uids[place] for place in places])


def is_there(session: "Session") -> GoOn:
    """What raises ConnectionLost once the client has left."""
    return _Client(session).is_there


class _Client:
    """Finds out whether a client still waits. One that will send no more may be gone: then an answer that it need not heed tells."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._asked = 0
        self._next = 1

    async def is_there(self) -> None:
        """Raises ConnectionLost if not."""
        self._asked += 1
        if self._session.stream.has_ended and self._asked >= self._next:
            self._next = 2 * self._asked
            self._session.out.write(_SEARCHING)
            await self._session.out.send()
        if self._session.stream.is_lost:
            raise ConnectionLost


async def answer(
    session: "Session", name: str, uids: Sequence[int], *, by_uid: bool, asks_modseq: bool
) -> None:
    """Tell the client what was found, in this order. asks_modseq: with its highest MODSEQ."""
    selected = opened(session)
    modseq = await _highest_modseq(selected, uids) if asks_modseq and uids else None
    session.out.write(found_line(name, uids if by_uid else numbers(selected, uids), modseq))


def numbers(selected: Selected, uids: Sequence[int]) -> list[int]:
    """The sequence numbers of messages that the client knows."""
    at = -1
    found: list[int] = []
    for uid in uids:
        place = selected.place(uid, at + 1)
        assert place is not None
        at = place
        found.append(at + 1)
    return found


async def _highest_modseq(selected: Selected, uids: Sequence[int]) -> int:
    """No more than what the client knows: see `Selected.modseqs`."""
    highest = 0

    def look(columns: Columns) -> int:
        return max(columns.modseq, default=0)

    async for modseq in selected.mailbox.columns(sorted(uids), ["modseq"], look):
        highest = max(highest, modseq)
    return min(highest, selected.modseq)
