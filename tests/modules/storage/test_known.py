"""A mailbox that is opened again: what was known of it, and what is new, are the same as what is read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from posthouse.db.mail import database, reads
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.storage import (
    DELETED,
    FLAGGED,
    RECENT,
    SEEN,
    FlagChange,
    Mailbox,
    NoSuchMailbox,
)
from posthouse.modules.storage.imapsql import ImapSql, known

MESSAGES = 12


class Reads:
    """How often all of a mailbox was read."""

    def __init__(self, storage: ImapSql, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._read = storage._db.contents
        monkeypatch.setattr(storage._db, "contents", self._counted)

    async def _counted(self, mailbox: int) -> reads.Contents:
        self.count += 1
        return await self._read(mailbox)


@pytest.fixture
def full(storage: ImapSql, monkeypatch: pytest.MonkeyPatch) -> Reads:
    return Reads(storage, monkeypatch)


@pytest.fixture
async def storage(mail: Any, opened: Any) -> Any:
    storage = await opened(mail.module(("disable_recent", "no")))
    await storage.create_account("ann@example.org")
    return storage


@pytest.fixture
async def inbox(storage: ImapSql) -> Mailbox:
    await arrive(storage, MESSAGES)
    return await mailbox_of(storage)


async def mailbox_of(storage: ImapSql, name: str = "INBOX") -> Mailbox:
    account = await storage.account("ann@example.org")
    assert account is not None
    return await account.open(name)


async def arrive(storage: ImapSql, count: int, mailbox: str = "INBOX") -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    body = MemoryBody(b"Subject: a\r\n\r\nb\r\n")
    await asyncio.gather(*(account.append(mailbox, body, 0, (), None) for _ in range(count)))


async def remove(mailbox: Mailbox, uids: Sequence[int]) -> None:
    await mailbox.store(uids, FlagChange.ADD, DELETED, ())
    await mailbox.expunge(uids)


async def held(storage: ImapSql, mailbox: Mailbox) -> dict[int, int]:
    """What the storage says the mailbox has, after comparing all of it with what the database has."""
    snapshot = await mailbox.snapshot()
    found = await storage._db.contents(mailbox.id)
    assert list(snapshot.uids) == list(found.uids)
    assert list(snapshot.flags) == list(found.flags)
    assert list(snapshot.recent) == list(found.recent)
    assert (snapshot.uidvalidity, snapshot.uidnext, snapshot.modseq, snapshot.keywords) == (
        found.uidvalidity,
        found.uidnext,
        found.modseq,
        found.keywords,
    )
    return dict(zip(snapshot.uids, snapshot.flags, strict=True))


async def test_a_mailbox_where_nothing_happened_is_not_read_again(
    storage: ImapSql, inbox: Mailbox, full: Reads
) -> None:
    before = await inbox.snapshot()
    again = await (await mailbox_of(storage)).snapshot()
    assert again == before
    assert (again.uids is before.uids, full.count) == (True, 1)


async def test_what_is_new_is_worked_in_and_earlier_snapshots_stay(
    storage: ImapSql, inbox: Mailbox, full: Reads
) -> None:
    before = await inbox.snapshot()
    kept = list(before.uids), list(before.flags)
    await inbox.store([2, 5], FlagChange.ADD, FLAGGED, ("work",))
    await remove(inbox, [1, 5, MESSAGES])
    await arrive(storage, 3)
    await remove(inbox, [MESSAGES + 1])
    again = await inbox.snapshot()
    assert full.count == 1
    assert (list(before.uids), list(before.flags)) == kept
    assert list(again.uids) == [2, 3, 4, *range(6, MESSAGES), MESSAGES + 2, MESSAGES + 3]
    assert again.flags[0] == FLAGGED | RECENT | 1 << 8
    await held(storage, inbox)


async def test_recent_that_was_claimed_is_gone_without_reading(
    storage: ImapSql, inbox: Mailbox, full: Reads
) -> None:
    assert len((await inbox.snapshot()).recent) == MESSAGES
    assert len(await inbox.claim_recent(range(1, MESSAGES + 1))) == MESSAGES
    again = await inbox.snapshot()
    assert (list(again.recent), set(again.flags), full.count) == ([], {0}, 1)
    await arrive(storage, 1)
    assert list((await inbox.snapshot()).recent) == [MESSAGES + 1]
    assert full.count == 1
    await held(storage, inbox)


@pytest.mark.parametrize("arrived", [0, 2])
async def test_recent_that_was_claimed_in_part_is_read_again(
    storage: ImapSql, inbox: Mailbox, full: Reads, arrived: int
) -> None:
    await inbox.snapshot()
    await inbox.claim_recent([1, 2, 7])
    await arrive(storage, arrived)
    recent = (await inbox.snapshot()).recent
    assert list(recent) == [uid for uid in range(1, MESSAGES + arrived + 1) if uid not in {1, 2, 7}]
    assert full.count == 2
    await held(storage, inbox)


@pytest.mark.parametrize("arrived", [0, 1, 3])
async def test_who_takes_what_is_recent_and_comes_back_has_only_what_is_new(
    storage: ImapSql, inbox: Mailbox, full: Reads, arrived: int
) -> None:
    for _ in range(4):
        recent = (await inbox.snapshot()).recent
        await inbox.claim_recent(recent)
        await inbox.store([3], FlagChange.ADD, FLAGGED, ())
        await arrive(storage, arrived)
    assert len((await inbox.snapshot()).recent) == arrived
    assert full.count == 1
    await held(storage, inbox)


async def test_after_many_changes_all_is_read_again(
    storage: ImapSql, inbox: Mailbox, full: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "INLINE_ROWS", 5)
    for uids, flag, times in ((range(1, 6), FLAGGED, 1), (range(1, 7), SEEN, 2)):
        await inbox.snapshot()
        await inbox.store(uids, FlagChange.ADD, flag, ())
        await inbox.snapshot()
        assert full.count == times
    await held(storage, inbox)


async def test_a_mailbox_that_is_gone_is_not_remembered(storage: ImapSql, inbox: Mailbox) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("Work")
    mailbox = await mailbox_of(storage, "Work")
    await mailbox.snapshot()
    await account.delete_mailbox("Work")
    with pytest.raises(NoSuchMailbox):
        await mailbox.snapshot()
    await account.create_mailbox("Work")
    assert not await held(storage, await mailbox_of(storage, "Work"))


@pytest.mark.parametrize(("room", "count"), [(3000, 2), (1200, 4), (0, 4)])
async def test_mailboxes_opened_longest_ago_make_room(
    storage: ImapSql, inbox: Mailbox, full: Reads, monkeypatch: pytest.MonkeyPatch, room: int, count: int
) -> None:
    """A mailbox of which there is no room is read each time."""
    monkeypatch.setattr(known, "OCTETS_MAX", room)
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("Work")
    work = await mailbox_of(storage, "Work")
    for mailbox in (inbox, work, inbox, work):
        await mailbox.snapshot()
    assert full.count == count
