"""Mailboxes in memory keep the contract of storage, where the endpoint does not yet ask for it."""

from collections.abc import Awaitable, Callable

import pytest

from posthouse.framework.interfaces.storage import (
    RECENT,
    SEEN,
    CannotChange,
    FlagChange,
    MailboxExists,
    NoSuchMailbox,
    Storage,
)
from posthouse.testing.storage import FakeAccount, FakeStorage

MESSAGE = b"Subject: x\r\n\r\n"


@pytest.fixture
def account() -> FakeAccount:
    """INBOX has two messages; `a`, `a.b` and `ab` have none."""
    account = FakeStorage().add_account("Ann")
    for name in ("a", "a.b", "ab"):
        account.add_mailbox(name)
    account.add("INBOX", MESSAGE, SEEN, 5)
    account.add("INBOX", MESSAGE)
    return account


def names(account: FakeAccount) -> set[str]:
    return set(account.boxes)


async def test_it_is_a_storage(account: FakeAccount) -> None:
    assert isinstance(account.storage, Storage)
    assert await account.storage.account("ANN") is account


async def test_copies_keep_flags_keywords_and_dates(account: FakeAccount) -> None:
    inbox = await account.open("inbox")
    await inbox.store([1], FlagChange.ADD, 0, ["k"])
    account.boxes["a"].keywords = ["other"]
    copied = await inbox.copy([1, 7], "a")
    assert (copied.sources, copied.uids) == ([1], [1])
    (copy,) = account.boxes["a"].messages.values()
    assert (copy.flags, copy.received) == (SEEN | RECENT | 1 << 9, 5)
    with pytest.raises(NoSuchMailbox):
        await inbox.copy([1], "nowhere")


async def test_moving_gives_new_uids_even_into_the_same_mailbox(account: FakeAccount) -> None:
    inbox = await account.open("INBOX")
    before = (await inbox.snapshot()).modseq
    copied = await inbox.move([1, 2], "INBOX")
    assert copied.uids == [3, 4]
    changes = await inbox.changes(before)
    assert [uid for uid, _ in changes.added] == [3, 4]
    assert changes.vanished == [1, 2]


async def test_store_leaves_alone_what_changed_later(account: FakeAccount) -> None:
    inbox = await account.open("INBOX")
    modseq = (await inbox.snapshot()).modseq
    await inbox.store([2], FlagChange.ADD, SEEN, ())
    stored = await inbox.store([1, 2], FlagChange.REMOVE, SEEN, (), unchanged_since=modseq)
    assert (stored.flags, stored.modified) == ([(1, RECENT)], [2])


async def test_mailboxes_are_renamed_with_their_children(account: FakeAccount) -> None:
    await account.rename_mailbox("a", "x.y")
    assert names(account) == {"INBOX", "ab", "x", "x.y", "x.y.b"}
    await account.rename_mailbox("INBOX", "old")
    assert len(account.boxes["old"].messages) == 2
    assert not account.boxes["INBOX"].messages


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda a: a.delete_mailbox("inbox"), CannotChange, id="delete the inbox"),
        pytest.param(lambda a: a.delete_mailbox("x"), NoSuchMailbox, id="delete nothing"),
        pytest.param(lambda a: a.create_mailbox("a"), MailboxExists, id="create twice"),
        pytest.param(lambda a: a.create_mailbox("a..c"), CannotChange, id="no name"),
        pytest.param(lambda a: a.rename_mailbox("a", "ab"), MailboxExists, id="rename onto another"),
        pytest.param(lambda a: a.rename_mailbox("a", "a.c"), CannotChange, id="rename into itself"),
        pytest.param(lambda a: a.set_subscribed("x", True), NoSuchMailbox, id="subscribe to nothing"),
    ],
)
async def test_what_cannot_be_is_refused(
    account: FakeAccount, change: Callable[[FakeAccount], Awaitable[None]], error: type[Exception]
) -> None:
    before = names(account)
    with pytest.raises(error):
        await change(account)
    assert names(account) == before


async def test_deleting_leaves_the_children(account: FakeAccount) -> None:
    await account.delete_mailbox("a")
    assert names(account) == {"INBOX", "a.b", "ab"}


async def test_subscriptions_outlive_mailboxes(account: FakeAccount) -> None:
    await account.delete_mailbox("a")
    await account.set_subscribed("a.b", False)
    await account.rename_mailbox("ab", "c")
    assert await account.subscriptions() == ["INBOX", "a", "c"]
    await account.set_subscribed("a", False)
    assert await account.subscriptions() == ["INBOX", "c"]


async def test_what_is_still_watched_is_left_open(account: FakeAccount) -> None:
    inbox = await account.open("INBOX")
    watch = inbox.watch(lambda: None)
    assert account.storage.left_open() == ["watch of INBOX"]
    watch.close()
    assert not account.storage.left_open()
