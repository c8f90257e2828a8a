"""What sessions know of a mailbox is held once, and none sees what another has learnt."""

import gc
import weakref
from array import array
from collections.abc import Sequence

import pytest

from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.storage import (
    DELETED,
    FLAGGED,
    RECENT,
    FlagChange,
    Storage,
    compact_flags,
)
from posthouse.modules.endpoint.imap.books import Shelf
from posthouse.modules.endpoint.imap.selected import FlagsChange, Selected, select

MESSAGE = MemoryBody(b"Subject: a\r\n\r\nb\r\n")
FLAG = FlagsChange(FlagChange.ADD, FLAGGED)


class Sessions:
    """Sessions on the inbox of Ann, which has three messages, as every session that opens it is shown \\Recent."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._shelf = Shelf()

    async def fill(self) -> None:
        self.account = await self._storage.create_account("ann")
        for _ in range(3):
            await self.append()

    async def append(self) -> None:
        await self.account.append("INBOX", MESSAGE, 0, (), None)

    async def select(self) -> Selected:
        return await select(await self.account.open("INBOX"), self._shelf, read_only=False)


@pytest.fixture
async def sessions(storage: Storage) -> Sessions:
    sessions = Sessions(storage)
    await sessions.fill()
    return sessions


def share(some: Sequence[Selected]) -> bool:
    return all(one.uids is some[0].uids and one.flags is some[0].flags for one in some)


async def test_sessions_that_know_the_same_hold_it_once(sessions: Sessions) -> None:
    some = [await sessions.select() for _ in range(3)]
    assert share(some)
    assert (some[0].uids, some[0].flags) == (array("I", [1, 2, 3]), array("B", [RECENT] * 3))


async def test_a_change_is_not_known_to_sessions_that_have_not_heard_of_it(sessions: Sessions) -> None:
    one, other = await sessions.select(), await sessions.select()
    await one.store([2], FLAG, silent=False)
    assert (one.flags[1], other.flags[1]) == (RECENT | FLAGGED, RECENT)


@pytest.mark.parametrize("silent", [False, True])
async def test_after_a_change_sessions_hold_once_again_what_they_know(
    sessions: Sessions, silent: bool
) -> None:
    some = [await sessions.select() for _ in range(3)]
    await some[0].store([2], FLAG, silent=silent)
    told = [b"".join(await one.updates(expunge=True)) for one in some]
    assert told == [b"", *[b"* 2 FETCH (FLAGS (\\Flagged \\Recent) UID 2)\r\n"] * 2]
    assert share(some)


async def test_after_a_removal_sessions_hold_once_again_what_they_know(sessions: Sessions) -> None:
    some = [await sessions.select() for _ in range(3)]
    await some[0].store([1], FlagsChange(FlagChange.ADD, DELETED), silent=False)
    some[0].forget(await some[0].mailbox.expunge([1]))
    await some[1].updates(expunge=False)
    assert list(some[1].uids) == [1, 2, 3]  # numbers are in use: it is to be told later
    for one in some:
        await one.updates(expunge=True)
    assert share(some)
    assert list(some[0].uids) == [2, 3]


async def test_who_has_a_recent_message_for_itself_holds_it_alone(sessions: Sessions) -> None:
    some = [await sessions.select() for _ in range(3)]
    await sessions.append()
    for one in some:
        await one.updates(expunge=True)
    assert [one.flags[3] for one in some] == [RECENT, 0, 0]
    assert share(some[1:])
    assert not share(some)


async def test_what_nobody_holds_any_more_is_forgotten(sessions: Sessions) -> None:
    one = await sessions.select()
    await sessions.append()
    await one.updates(expunge=True)
    forgotten = weakref.ref(one.uids)
    del one
    gc.collect()
    assert forgotten() is None


async def test_keywords_widen_the_flags_of_who_hears_of_them(sessions: Sessions) -> None:
    one, other = await sessions.select(), await sessions.select()
    for number in range(20):
        await one.store([3], FlagsChange(FlagChange.ADD, 0, [f"key{number}"]), silent=False)
    assert (one.flags[2], other.flags[2]) == (RECENT | ((1 << 20) - 1) << 8, RECENT)
    await one.updates(expunge=True)
    await other.updates(expunge=True)
    assert share([one, other])
    assert (one.flags.typecode, list(one.flags[:2])) == ("I", [RECENT] * 2)


@pytest.mark.parametrize(("keywords", "octets"), [(0, 1), (1, 2), (8, 2), (9, 4), (24, 4), (25, 8), (55, 8)])
def test_flags_take_as_little_memory_as_the_keywords_allow(keywords: int, octets: int) -> None:
    assert compact_flags(array("Q", [1]), ["k"] * keywords).itemsize == octets
