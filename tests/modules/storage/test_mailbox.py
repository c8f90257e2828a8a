"""Open mailboxes: what sessions see, change and take (spec/storage-and-imap §5, §6)."""

import asyncio
import errno
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from posthouse.db.blobs import LOG_BODY_MAX
from posthouse.db.units import UNIT_ROWS_MAX
from posthouse.framework.buffer import CHUNK, FileBody, MemoryBody
from posthouse.framework.interfaces.storage import (
    ANSWERED,
    DELETED,
    KEYWORD_SHIFT,
    KEYWORDS_MAX,
    RECENT,
    SEEN,
    Account,
    BrokenMessage,
    CannotChange,
    FlagChange,
    Mailbox,
    MessageRow,
    NoSuchMailbox,
    StorageBusy,
    StorageError,
    TooManyKeywords,
)
from posthouse.modules.storage.imapsql import ImapSql
from posthouse.testing.disk import FaultyDisk

MESSAGE = b"From: a@example.org\r\n\r\nHi!\r\n"


@pytest.fixture
async def account(storage: ImapSql) -> Account:
    account = await storage.account("ann@example.org")
    assert account is not None
    return account


@pytest.fixture
async def inbox(account: Account) -> Mailbox:
    return await account.open("INBOX")


async def fill(account: Account, count: int) -> None:
    await asyncio.gather(
        *(account.append("INBOX", MemoryBody(b"%d\r\n" % n + MESSAGE), 0, (), None) for n in range(count))
    )


async def rows(mailbox: Mailbox, uids: Sequence[int]) -> list[MessageRow]:
    return [row for chunk in [chunk async for chunk in mailbox.rows(uids)] for row in chunk]


async def read(mailbox: Mailbox, uid: int) -> bytes:
    (row,) = await rows(mailbox, [uid])
    content = await mailbox.content(row.email)
    return await content.read(0, content.size)


async def test_append_keeps_flags_keywords_and_date(account: Account, inbox: Mailbox) -> None:
    done = await account.append("inbox", MemoryBody(MESSAGE), SEEN | ANSWERED, ("work", "$label"), 86_400)
    snapshot = await inbox.snapshot()
    assert (done.uid, done.uidvalidity) == (1, snapshot.uidvalidity)
    assert snapshot.keywords == ("work", "$label")
    assert list(snapshot.flags) == [SEEN | ANSWERED | RECENT | 3 << KEYWORD_SHIFT]
    (row,) = await rows(inbox, [1])
    assert (row.received, row.size) == (86_400, len(MESSAGE))
    assert row.envelope.startswith(b"(NIL NIL ((")
    assert (await account.status("INBOX")).unseen == 0


async def test_append_to_a_missing_mailbox(account: Account) -> None:
    with pytest.raises(NoSuchMailbox):
        await account.append("nowhere", MemoryBody(MESSAGE), 0, (), None)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (b"a: b\n\nx\ny", b"a: b\r\n\r\nx\r\ny"),
        (b"a: b\r\n\nx\r\n\r", b"a: b\r\n\r\nx\r\n\r"),
        (b"\r\n\r\r\n\r", b"\r\n\r\r\n\r"),
        (b"", b""),
        (bytes(range(256)), bytes(range(10)) + b"\r\n" + bytes(range(11, 256))),
    ],
)
@pytest.mark.parametrize(
    "filling", [0, LOG_BODY_MAX, CHUNK * 5 - 3], ids=["small", "large", "over a chunk's edge"]
)
@pytest.mark.parametrize("is_spooled", [False, True], ids=["in memory", "spooled"])
async def test_R_140_octets_are_kept_but_for_bare_lf(
    account: Account,
    inbox: Mailbox,
    tmp_path: Path,
    given: bytes,
    stored: bytes,
    filling: int,
    is_spooled: bool,
) -> None:
    octets = b"x" * filling + given
    body: Any = MemoryBody(octets)
    if is_spooled:
        spool = tmp_path / "spool"
        spool.write_bytes(octets)
        body = FileBody(spool, len(octets))
    await account.append("INBOX", body, 0, (), None)
    assert await read(inbox, 1) == b"x" * filling + stored


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/St_Johns"])
async def test_R_026_the_zone_of_the_machine_changes_no_date(
    account: Account, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        await account.append("INBOX", MemoryBody(MESSAGE), 0, (), 1_000_000_000)
        await account.append("INBOX", MemoryBody(MESSAGE), 0, (), None)
        assert [row.received for row in await rows(inbox, [1, 2])] == [1_000_000_000, 1_700_000_000]
    finally:
        monkeypatch.undo()
        time.tzset()


async def test_rows_come_in_chunks_and_leave_out_what_is_not_there(account: Account, inbox: Mailbox) -> None:
    await fill(account, 300)
    assert [len(chunk) async for chunk in inbox.rows(range(1, 301))] == [256, 44]
    assert [row.uid for row in await rows(inbox, [1, 3, 4, 299, 300, 301, 5000])] == [1, 3, 4, 299, 300]
    assert [row.uid for row in await rows(inbox, range(2, 301, 3))] == list(range(2, 301, 3))


async def test_R_138_rows_are_bounded_by_their_octets(account: Account, inbox: Mailbox) -> None:
    """Whoever can send mail could fill memory, and hold the event loop, with few messages of many parts."""
    part = b"--b\r\nContent-Type: text/plain; name=" + b"n" * 200 + b"\r\n\r\n\r\n"
    head = b"Subject: many parts\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    for _ in range(12):
        await account.append("INBOX", MemoryBody(head + part * 900 + b"--b--\r\n"), 0, (), None)
    await fill(account, 3)
    chunks = [chunk async for chunk in inbox.rows(range(1, 16))]
    sizes = [sum(len(row.structure) for row in chunk) for chunk in chunks]
    assert [row.uid for chunk in chunks for row in chunk] == list(range(1, 16))
    assert len(chunks) > 1
    assert max(sizes) < 1_048_576 + 500_000
    found, left = await inbox.whole_rows([1, *range(3, 16)])
    again, rest = await inbox.whole_rows(left)
    assert [row.uid for row, _ in (*found, *again)][: len(found) + 1] == [1, *range(3, 3 + len(found))]
    assert len(left) == 14 - len(found) > len(rest)


async def test_R_048_bodies_that_were_given_away_are_not_held(account: Account, inbox: Mailbox) -> None:
    """A client that stops reading in the middle of a long FETCH costs what it was given last."""
    for _ in range(40):
        await account.append("INBOX", MemoryBody(MESSAGE + b"x" * 60_000), 0, (), None)
    found, _ = await inbox.whole_rows(range(1, 41))
    tracemalloc.start()
    try:
        assert all(located.now() is not None for _, located in found)
        assert all(located.now() is not None for _, located in found), "it can be asked for again"
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()


async def test_a_snapshot_of_many_messages(account: Account, inbox: Mailbox) -> None:
    await fill(account, 300)
    snapshot = await inbox.snapshot()
    assert list(snapshot.uids) == list(range(1, 301))
    assert set(snapshot.flags) == {RECENT}
    assert (snapshot.uids.typecode, snapshot.flags.typecode, snapshot.uidnext) == ("I", "B", 301)


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        (FlagChange.ADD, RECENT | SEEN | ANSWERED | 1 << KEYWORD_SHIFT),
        (FlagChange.REMOVE, RECENT),
        (FlagChange.REPLACE, RECENT | ANSWERED | 1 << KEYWORD_SHIFT),
    ],
)
async def test_store(account: Account, inbox: Mailbox, change: FlagChange, flags: int) -> None:
    await account.append("INBOX", MemoryBody(MESSAGE), SEEN, (), None)
    before = await inbox.snapshot()
    bits, words = (SEEN, ("other",)) if change is FlagChange.REMOVE else (ANSWERED, ("work",))
    done = await inbox.store([1, 7], change, bits, words)
    assert done.flags == [(1, flags)]
    assert done.modseq == before.modseq + 1
    assert (await inbox.changes(before.modseq)).changed == [(1, flags)]
    assert (await account.status("INBOX")).unseen == (0 if flags & SEEN else 1)


async def test_recent_cannot_be_stored(account: Account, inbox: Mailbox) -> None:
    await fill(account, 1)
    await inbox.claim_recent([1])
    for change in FlagChange:
        done = await inbox.store([1], change, RECENT, ())
        assert done.flags[0][1] in (0, RECENT)
        assert (await account.status("INBOX")).recent == done.flags[0][1] // RECENT


async def test_a_message_whose_flags_stay_is_no_news(account: Account, inbox: Mailbox) -> None:
    await account.append("INBOX", MemoryBody(MESSAGE), SEEN, (), None)
    await account.append("INBOX", MemoryBody(MESSAGE), 0, (), None)
    before = (await inbox.snapshot()).modseq
    done = await inbox.store([1, 2], FlagChange.ADD, SEEN, ())
    assert [uid for uid, _ in done.flags] == [1, 2]
    changes = await inbox.changes(before)
    assert [uid for uid, _ in changes.changed] == [2]
    again = await inbox.store([1, 2], FlagChange.ADD, SEEN, ())
    assert again.modseq == done.modseq == changes.modseq


async def test_keywords_are_limited(account: Account, inbox: Mailbox) -> None:
    await fill(account, 1)
    many = [f"k{n}" for n in range(KEYWORDS_MAX)]
    done = await inbox.store([1], FlagChange.ADD, 0, many)
    assert done.keywords == tuple(many)
    with pytest.raises(TooManyKeywords):
        await inbox.store([1], FlagChange.ADD, SEEN, ("one more",))
    with pytest.raises(TooManyKeywords):
        await account.append("INBOX", MemoryBody(MESSAGE), 0, ("one more",), None)
    snapshot = await inbox.snapshot()
    assert list(snapshot.uids) == [1]
    assert not snapshot.flags[0] & SEEN
    assert snapshot.flags[0] >> KEYWORD_SHIFT == 2**KEYWORDS_MAX - 1


async def test_expunge_takes_what_is_deleted(account: Account, inbox: Mailbox) -> None:
    await fill(account, 6)
    await inbox.store([2, 3, 5], FlagChange.ADD, DELETED, ())
    before = await inbox.snapshot()
    assert await inbox.expunge([1, 2, 5, 99]) == [2, 5]
    assert (await inbox.changes(before.modseq)).vanished == [2, 5]
    status = await account.status("INBOX")
    assert (status.messages, status.unseen, status.recent, status.uidnext) == (4, 4, 4, 7)
    assert await inbox.expunge([2]) == []


async def test_R_021_uids_are_never_given_again(account: Account, inbox: Mailbox) -> None:
    await fill(account, 3)
    await inbox.store([1, 2, 3], FlagChange.ADD, DELETED, ())
    await inbox.expunge([1, 2, 3])
    assert (await account.append("INBOX", MemoryBody(MESSAGE), 0, (), None)).uid == 4


async def test_changes_tell_each_message_once(account: Account, inbox: Mailbox) -> None:
    await fill(account, 3)
    start = (await inbox.snapshot()).modseq
    await inbox.store([1, 2], FlagChange.ADD, DELETED, ())
    await inbox.expunge([1])
    await fill(account, 2)
    await inbox.store([4], FlagChange.ADD, DELETED, ("new",))
    await inbox.expunge([4])
    await inbox.store([5], FlagChange.ADD, SEEN, ())
    changes = await inbox.changes(start)
    assert changes.added == [(5, RECENT | SEEN)]
    assert changes.changed == [(2, RECENT | DELETED)]
    assert changes.vanished == [1]
    assert changes.keywords == ("new",)
    assert changes.uidnext == 6
    nothing = await inbox.changes(changes.modseq)
    assert (nothing.added, nothing.changed, nothing.vanished) == ([], [], [])


async def test_many_changes_are_told(account: Account, inbox: Mailbox) -> None:
    await fill(account, 300)
    start = (await inbox.snapshot()).modseq
    await inbox.store(range(1, 301), FlagChange.ADD, SEEN, ())
    for uid in range(1, 301):
        await inbox.store([uid], FlagChange.ADD, ANSWERED, ())
    assert (await inbox.changes(start)).changed == [(n, RECENT | SEEN | ANSWERED) for n in range(1, 301)]


@pytest.mark.parametrize("uids", [range(1, 701), range(1, 701, 2), range(1, 701, 50)])
async def test_long_work_is_done_in_steps(
    account: Account, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch, uids: range
) -> None:
    monkeypatch.setattr("posthouse.modules.storage.imapsql.mailbox.UNIT_ROWS_MAX", 100)
    assert UNIT_ROWS_MAX == 10_000
    await fill(account, 700)
    done = await inbox.store(uids, FlagChange.ADD, DELETED, ("k",))
    assert [uid for uid, _ in done.flags] == list(uids)
    assert await inbox.claim_recent(uids) == list(uids)
    assert await inbox.expunge(range(1, 701)) == list(uids)
    assert list((await inbox.snapshot()).uids) == sorted(set(range(1, 701)) - set(uids))


async def test_a_store_of_nothing(inbox: Mailbox) -> None:
    before = await inbox.snapshot()
    done = await inbox.store([], FlagChange.ADD, SEEN, ())
    assert (done.modseq, done.flags) == (before.modseq, [])
    assert await inbox.expunge([]) == []
    assert await inbox.claim_recent([]) == []
    assert await rows(inbox, []) == []


async def test_recent_is_shown_to_each_who_opens_and_taken_by_one_who_watches(account: Account) -> None:
    """disable_recent yes: what was there at SELECT stays for others to see."""
    await fill(account, 2)
    first, second = await account.open("INBOX"), await account.open("INBOX")
    for mailbox in (first, second):
        assert await mailbox.claim_recent([1, 2]) == [1, 2]
    await fill(account, 1)
    claims = await asyncio.gather(first.claim_recent([3]), second.claim_recent([3]))
    assert sorted(map(list, claims)) == [[], [3]]
    late = await account.open("INBOX")
    assert list(await late.claim_recent((await late.snapshot()).recent)) == [1, 2]
    assert (await account.status("INBOX")).recent == 2


async def test_with_disable_recent_no_the_first_who_opens_takes_it(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(("disable_recent", "no")))
    account = await storage.create_account("ann")
    await fill(account, 2)
    first, second = await account.open("INBOX"), await account.open("INBOX")
    assert await first.claim_recent([1, 2]) == [1, 2]
    assert await second.claim_recent([1, 2]) == []
    assert (await account.status("INBOX")).recent == 0


async def test_taking_recent_is_no_news(account: Account, inbox: Mailbox) -> None:
    start = (await inbox.snapshot()).modseq
    await fill(account, 1)
    arrived = (await inbox.changes(start)).modseq
    await inbox.claim_recent([1])
    assert (await inbox.changes(arrived)).modseq == arrived


async def test_large_counts_of_recent_are_shown(account: Account) -> None:
    await fill(account, 300)
    assert len(await (await account.open("INBOX")).claim_recent(range(1, 301))) == 300


async def test_a_mailbox_that_is_gone_says_so(storage: ImapSql, account: Account, inbox: Mailbox) -> None:
    await fill(account, 1)
    await storage.remove_account("ann@example.org")
    calls: list[Any] = [
        inbox.snapshot(),
        inbox.changes(0),
        inbox.store([1], FlagChange.ADD, SEEN, ()),
        inbox.expunge([1]),
        inbox.claim_recent([1]),
        rows(inbox, [1]),
        account.status("INBOX"),
        account.open("INBOX"),
    ]
    for call in calls:
        with pytest.raises(NoSuchMailbox):
            await call
    assert await account.mailboxes() == []


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("harm", [Path.unlink, damage], ids=["missing", "damaged"])
@pytest.mark.parametrize("size", [10, LOG_BODY_MAX + 1], ids=["segment", "large file"])
async def test_R_025_a_broken_body_harms_its_message_only(
    mail: Any, opened: Any, harm: Any, size: int
) -> None:
    storage = await opened(mail.module())
    account = await storage.create_account("ann")
    await account.append("INBOX", MemoryBody(b"x" * size), 0, (), None)
    await storage.stop()
    blobs = mail.fake.paths.state / "imapsql.db.blobs"
    (file,) = [path for path in blobs.rglob("*") if path.is_file() and path.stat().st_size > 0]
    harm(file)
    storage = await opened(mail.module())
    account = await storage.account("ann")
    await account.append("INBOX", MemoryBody(MESSAGE), 0, (), None)
    inbox = await account.open("INBOX")
    with pytest.raises(BrokenMessage):
        await read(inbox, 1)
    assert await read(inbox, 2) == MESSAGE
    assert any("damaged" in line for line in mail.fake.log.lines)


@pytest.mark.parametrize("step", [1, -1], ids=["from the first", "from the last"])
async def test_R_025_a_broken_body_harms_none_of_those_beside_it(
    mail: Any, storage: ImapSql, account: Account, inbox: Mailbox, step: int
) -> None:
    messages = [b"Subject: %d\r\n\r\n%b\r\n" % (number, b"%d" % number * 40) for number in range(5)]
    for message in messages:
        await account.append("INBOX", MemoryBody(message), 0, (), None)
    (segment,) = (mail.fake.paths.state / "imapsql.db.blobs").glob("*.seg")
    segment.write_bytes(segment.read_bytes().replace(b"2" * 40, b"2" * 39 + b"3"))
    found, _ = await inbox.whole_rows(range(1, 6))
    for row, located in found[::step]:
        if row.uid == 3:
            assert located.now() is None
            with pytest.raises(BrokenMessage):
                await read(inbox, 3)
        else:
            assert (located.now() or await read(inbox, row.uid)) == messages[row.uid - 1]


async def test_octets_of_another_account_are_not_given(
    storage: ImapSql, account: Account, inbox: Mailbox
) -> None:
    await fill(account, 1)
    (row,) = await rows(inbox, [1])
    other = await storage.account("bob@example.org")
    assert other is not None
    with pytest.raises(BrokenMessage):
        await (await other.open("INBOX")).content(row.email)


async def test_R_011_clients_are_told_that_the_mailbox_is_busy(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(("sqlite3_busy_timeout", "20")))
    account = await storage.create_account("ann")
    await fill(account, 1)
    inbox = await account.open("INBOX")
    other = apsw.Connection(str(mail.fake.paths.state / "imapsql.db"))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageBusy) as caught:
        await inbox.store([1], FlagChange.ADD, SEEN, ())
    assert caught.value.code == "INUSE"
    assert await read(inbox, 1)
    other.close()
    await inbox.store([1], FlagChange.ADD, SEEN, ())


@pytest.mark.parametrize(
    ("code", "kind"), [(errno.ENOSPC, StorageBusy), (errno.EIO, StorageError)], ids=["R-008", "R-007"]
)
@pytest.mark.parametrize("size", [10, LOG_BODY_MAX + 1], ids=["small", "large"])
async def test_R_008_append_to_a_failing_disk_leaves_nothing(
    account: Account, inbox: Mailbox, disk: FaultyDisk, code: int, kind: type[StorageError], size: int
) -> None:
    def fault(call: str, path: Path) -> None:
        if call == "write":
            raise OSError(code, "fault")

    disk.fault = fault
    with pytest.raises(kind) as caught:
        await account.append("INBOX", MemoryBody(b"x" * size), 0, (), None)
    assert type(caught.value) is kind
    disk.fault = lambda call, path: None
    assert list((await inbox.snapshot()).uids) == []
    assert (await account.append("INBOX", MemoryBody(MESSAGE), 0, (), None)).uid == 1


async def test_sessions_of_two_storages_see_each_other(mail: Any, storage: ImapSql, opened: Any) -> None:
    """R-017, R-022: two processes on one database."""
    other = await opened(mail.module())
    mine, theirs = await storage.account("ann@example.org"), await other.account("ann@example.org")
    assert mine is not None
    await asyncio.gather(*(fill(account, 20) for account in (mine, theirs)))
    inbox = await mine.open("INBOX")
    snapshot = await inbox.snapshot()
    assert list(snapshot.uids) == list(range(1, 41))
    for uid in snapshot.uids:
        assert (await read(inbox, uid)).endswith(MESSAGE)
    await (await theirs.open("INBOX")).store([7], FlagChange.ADD, SEEN, ())
    assert (await inbox.changes(snapshot.modseq)).changed == [(7, RECENT | SEEN)]


async def test_store_leaves_alone_what_changed_since(account: Account, inbox: Mailbox) -> None:
    await fill(account, 4)
    before = (await inbox.snapshot()).modseq
    await inbox.store([2, 4], FlagChange.ADD, ANSWERED, ())
    done = await inbox.store([1, 2, 3, 9], FlagChange.ADD, SEEN, (), unchanged_since=before)
    assert done.modified == [2]
    assert [uid for uid, _ in done.flags] == [1, 3]
    snapshot = await inbox.snapshot()
    assert [bool(bits & SEEN) for bits in snapshot.flags] == [True, False, True, False]
    assert (await account.status("INBOX")).unseen == 2


async def test_copies_have_the_keywords_of_their_new_mailbox(account: Account, inbox: Mailbox) -> None:
    await account.create_mailbox("other")
    other = await account.open("other")
    await account.append("other", MemoryBody(MESSAGE), 0, ("z", "y"), None)
    await account.append("INBOX", MemoryBody(MESSAGE), SEEN, ("x", "y", "unused"), 7)
    await inbox.store([1], FlagChange.REMOVE, 0, ("unused",))
    await inbox.claim_recent([1])
    done = await inbox.copy([1], "other")
    assert (list(done.sources), list(done.uids)) == ([1], [2])
    snapshot = await other.snapshot()
    assert snapshot.keywords == ("z", "y", "x")
    assert snapshot.flags[1] == SEEN | RECENT | 0b110 << KEYWORD_SHIFT
    assert [row.received for row in await rows(other, [2])] == [7]


async def test_copy_is_all_or_nothing(account: Account, inbox: Mailbox) -> None:
    await account.create_mailbox("full")
    full = await account.open("full")
    await account.append("full", MemoryBody(MESSAGE), 0, [f"k{n}" for n in range(KEYWORDS_MAX)], None)
    await fill(account, 2)
    await inbox.store([2], FlagChange.ADD, 0, ("one more",))
    for call in (inbox.copy([1, 2], "full"), inbox.move([1, 2], "full")):
        with pytest.raises(TooManyKeywords):
            await call
    assert list((await full.snapshot()).uids) == [1]
    assert list((await inbox.snapshot()).uids) == [1, 2]


async def test_long_moves_are_done_in_steps(
    account: Account, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.modules.storage.imapsql.mailbox.UNIT_ROWS_MAX", 30)
    await account.create_mailbox("other")
    await fill(account, 100)
    done = await inbox.move(range(1, 101, 2), "other")
    assert (list(done.sources), list(done.uids)) == (list(range(1, 101, 2)), list(range(1, 51)))
    assert list((await inbox.snapshot()).uids) == list(range(2, 101, 2))


async def test_a_deleted_mailbox_is_gone_for_those_who_have_it_open(account: Account) -> None:
    await account.create_mailbox("a")
    await account.append("a", MemoryBody(MESSAGE), 0, (), None)
    mailbox = await account.open("a")
    heard: list[str] = []
    watch = mailbox.watch(lambda: heard.append("look"))
    await account.delete_mailbox("a")
    watch.close()
    assert heard
    for call in (mailbox.snapshot(), mailbox.changes(0), rows(mailbox, [1])):
        with pytest.raises(NoSuchMailbox):
            await call


async def test_R_116_a_mailbox_made_again_has_another_uidvalidity(account: Account) -> None:
    given = set()
    for _ in range(3):
        await account.create_mailbox("a")
        given.add((await account.status("a")).uidvalidity)
        await account.delete_mailbox("a")
    assert len(given) == 3


async def test_the_inbox_cannot_be_deleted(account: Account) -> None:
    with pytest.raises(CannotChange):
        await account.delete_mailbox("Inbox")


async def test_renaming_the_inbox_leaves_it_empty(mail: Any, storage: ImapSql, account: Account) -> None:
    await fill(account, 2)
    await account.create_mailbox("INBOX.child")
    await account.rename_mailbox("INBOX", "old.mail")
    assert [info.name for info in await account.mailboxes()] == ["INBOX", "INBOX.child", "old", "old.mail"]
    assert (await account.status("old.mail")).messages == 2
    assert (await account.status("INBOX")).messages == 0
    await mail.deliver(storage, "ann@example.org")
    assert (await account.status("INBOX")).messages == 1


async def test_renaming_the_inbox_goes_in_steps_while_mail_comes_in(
    mail: Any, storage: ImapSql, account: Account, inbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.modules.storage.imapsql.mailbox.UNIT_ROWS_MAX", 30)
    await fill(account, 100)
    before, known = await account.status("INBOX"), await inbox.snapshot()
    news = (mail.deliver(storage, "ann@example.org") for _ in range(20))
    await asyncio.gather(account.rename_mailbox("INBOX", "old"), *news)
    moved, after = await account.status("old"), await account.status("INBOX")
    assert moved.messages + after.messages == 120
    assert moved.messages >= 100
    assert (after.uidvalidity, after.uidnext) == (before.uidvalidity, 121)
    changes = await inbox.changes(known.modseq)
    assert list(changes.vanished)[:100] == list(range(1, 101))


async def test_a_subscription_outlives_its_mailbox_and_goes_along_when_it_is_renamed(
    account: Account,
) -> None:
    await account.create_mailbox("a.b")
    await account.delete_mailbox("a.b")
    await account.rename_mailbox("a", "z")
    assert await account.subscriptions() == ["INBOX", "a.b", "z"]
    with pytest.raises(NoSuchMailbox):
        await account.set_subscribed("a.b", True)
    await account.set_subscribed("a.b", False)
    await account.set_subscribed("never.was", False)
    await account.rename_mailbox("z", "a.b")
    assert await account.subscriptions() == ["INBOX", "a", "a.b"]
