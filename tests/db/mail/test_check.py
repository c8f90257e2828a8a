"""R-025: the check finds each kind of damage and nothing else; what is safe is repaired, and never a message removed."""

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from posthouse.db.blobs import large_path, segment_path
from posthouse.db.errors import Refused
from posthouse.db.mail.units import CreateAccount, CreateMailbox, FlagMode, RemoveMailbox, StoreFlags
from posthouse.testing.crash import NOW

if TYPE_CHECKING:
    from tests.db.mail.conftest import Store


async def filled(store: "Store") -> "Store":
    """A store with a bit of everything: copies, removals not collected, a large body, a second account."""
    bob = await store.db.run(CreateAccount("bob", NOW))
    uids = await store.deliver("m1", "m2", "m3", "big.L")
    await store.deliver("both", accounts=(store.account, bob))
    await store.db.run(StoreFlags(store.inbox, (uids[0],), FlagMode.ADD, 1, ("$Work",)))
    await store.db.run(CreateMailbox(store.account, "Gone", "", NOW))
    await store.db.run(RemoveMailbox(store.account, "Gone"))
    await store.expunge(uids[1])
    return store


def found(store: "Store") -> list[str]:
    return [finding.what for finding in store.db.check()]


async def test_a_healthy_store_has_no_faults(store: "Store") -> None:
    assert found(store) == []
    await filled(store)
    assert found(store) == []
    await store.tidy()
    assert found(store) == []
    await store.db.purge_removed()
    await store.tidy()
    await store.stop()
    assert found(store) == []


def stray_segment(store: "Store") -> None:
    segment_path(store.folder, 4711).write_bytes(b"x")


def stray_large(store: "Store") -> None:
    path = large_path(store.folder, "ab" * 16)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def sql(*statements: str) -> Callable[["Store"], None]:
    def damage(store: "Store") -> None:
        for statement in statements:
            store.change(statement)

    return damage


REPAIRED = {
    "total": (
        sql("UPDATE mailbox SET total = total + 1 WHERE id = 1"),
        "INBOX: 5 messages are said to be there, there are 4",
    ),
    "unseen": (sql("UPDATE mailbox SET unseen = 0 WHERE id = 1"), "INBOX: 0 unseen"),
    "recent": (sql("UPDATE mailbox SET recent = 9 WHERE id = 1"), "INBOX: 9 recent"),
    "uidnext": (sql("UPDATE mailbox SET uidnext = 3 WHERE id = 1"), "UIDNEXT is 3, but UID 5 is there"),
    "modseq of a mailbox": (sql("UPDATE mailbox SET modseq = 2 WHERE id = 1"), "INBOX: modseq is 2"),
    "modseq of an account": (sql("UPDATE account SET modseq = 3 WHERE id = 1"), "above the account's 3"),
    "used": (sql("UPDATE account SET used = 7 WHERE id = 1"), "7 octets are said to be used"),
    "references": (
        sql("UPDATE blob SET refs = 5 WHERE id = 1"),
        "blob 1: 5 emails are said to hold it, 1 do",
    ),
    "dead": (sql("UPDATE segment SET dead = dead + 100"), "octets are said to be dead"),
    "blob without email": (
        sql(
            "INSERT INTO blob(segment, offset, length, crc, refs, file, pieces) VALUES(0, 0, 0, 0, 1, 'abcd', x'')"
        ),
        "no email holds it",
    ),
    "email without message": (
        sql(
            "DELETE FROM message WHERE uid = 1 AND mailbox = 1",
            "UPDATE mailbox SET total = 3, recent = 3 WHERE id = 1",
        ),
        "email 1: no message holds it",
    ),
    "email without account": (
        sql("INSERT INTO email SELECT 99, 77, blob, 10, 0, x'', x'', x'', x'', x'' FROM email WHERE id = 1"),
        "email 99: it has no account",
    ),
    "keyword without mailbox": (sql("INSERT INTO keyword VALUES(99, 8, 'x')"), "keywords of mailbox 99"),
    "segment without row": (stray_segment, "00004711.seg: nothing refers to this file"),
    "large file without row": (stray_large, f"large/ab/{'ab' * 16}: nothing refers to this file"),
}


@pytest.mark.parametrize("case", REPAIRED)
async def test_R_025_what_is_safe_is_found_and_repaired(store: "Store", case: str) -> None:
    damage, text = REPAIRED[case]
    await filled(store)
    messages = store.value("SELECT count(*) FROM message")
    damage(store)
    messages -= case == "email without message"
    assert any(text in what for what in found(store)), found(store)
    repaired = [finding async for finding in store.db.repair(store.clock)]
    assert all(finding.unit for finding in repaired if case != "modseq of an account")
    again = found(store)
    if case == "modseq of an account":  # the journal knows of modseqs that no message has
        again = [what for what in again if "journal" not in what]
    assert again == []
    assert store.value("SELECT count(*) FROM message") == messages
    await store.tidy()
    await store.deliver("after")
    await store.tags()


def spoil(store: "Store") -> None:
    """An octet of the first body."""
    segment, offset = store.rows("SELECT segment, offset FROM blob WHERE id = 1")[0]
    with segment_path(store.folder, segment).open("r+b") as file:
        file.seek(offset + 30)
        octet = file.read(1)
        file.seek(offset + 30)
        file.write(bytes([octet[0] ^ 1]))


def spoil_header(store: "Store") -> None:
    segment, offset = store.rows("SELECT segment, offset FROM blob WHERE id = 1")[0]
    with segment_path(store.folder, segment).open("r+b") as file:
        file.seek(offset)
        file.write(b"XXXX")


def spoil_large(store: "Store") -> None:
    path = large_path(store.folder, store.large_files()[0])
    os.truncate(path, 1000)


BROKEN = {
    "message without mailbox": (
        sql("INSERT INTO message VALUES(99, 1, 1, 1, 0, 0)"), "mailbox 99, UID 1: its mailbox is not there",
    ),
    "an octet": (spoil, "INBOX, UID 1: its body is damaged"),
    "a record": (spoil_header, "INBOX, UID 1: its body is damaged"),
    "a large file": (spoil_large, "INBOX, UID 4: its body is damaged"),
    "no large file": (lambda store: large_path(store.folder, store.large_files()[0]).unlink(), "INBOX, UID 4: its body is missing"),
    "no segment": (lambda store: segment_path(store.folder, 1).unlink(), "00000001.seg: the file is missing"),
    "short segment": (lambda store: os.truncate(segment_path(store.folder, 1), 100), "has 100 octets, but"),
    "overlap": (sql("UPDATE blob SET offset = offset - 10 WHERE id = 3"), "its body overlaps with another"),
    "place": (sql("UPDATE blob SET offset = 100000000 WHERE id = 1"), "beyond the end of its segment"),
    "segment of a blob": (sql("UPDATE blob SET segment = 77 WHERE id = 1"), "blob 1: its segment is not there"),
    "state": (sql("UPDATE segment SET state = 5"), "nobody knows state 5"),
    "email": (sql("DELETE FROM email WHERE id = 1"), "INBOX, UID 1: its email 1 is not there"),
    "blob": (sql("DELETE FROM blob WHERE id = 1"), "email 1: its body is not known"),
    "owner": (sql("UPDATE email SET account = 2 WHERE id = 1"), "UID 1: its email 1 belongs to another account"),
    "journal of a message": (sql("DELETE FROM journal WHERE kind = 1 AND uids = x'33'"), "UID 3: its last change is missing"),
    "modseq of the journal": (sql("INSERT INTO journal VALUES(1, 999, 1, 2, x'31', NULL)"), "modseq 999, mailbox 1: the account is at"),
    "account of the journal": (sql("INSERT INTO journal VALUES(99, 1, 1, 2, x'31', NULL)"), "there is no such account"),
    "kind": (sql("INSERT INTO journal VALUES(1, 1, 1, 9, x'31', NULL)"), "nobody knows kind 9"),
    "UIDs": (sql("UPDATE journal SET uids = x'332c31' WHERE kind = 2"), "its UIDs are not a set"),
    "emails": (sql("UPDATE journal SET emails = NULL WHERE kind = 3"), "its emails are not a set"),
    "cursor": (sql("INSERT INTO cursor VALUES('collector', 1, 999, 0)"), "collector of account 1 is at modseq 999"),
    "account of a mailbox": (sql("UPDATE mailbox SET account = 77 WHERE id = 1"), "no account, INBOX: it has no account"),
    "index": (
        sql("CREATE TABLE keep AS SELECT 1; PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage ="
            " (SELECT rootpage FROM sqlite_master WHERE name = 'journal_expunged') WHERE name = 'message_email'"),
        "table message:",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
async def test_R_025_what_cannot_be_repaired_is_told(store: "Store", case: str) -> None:
    damage, text = BROKEN[case]
    await filled(store)
    await store.stop()
    damage(store)
    assert any(text in finding.what for finding in store.db.check() if finding.unit is None), found(store)


async def test_a_database_of_another_version_is_refused(store: "Store") -> None:
    store.change("PRAGMA user_version = 99")
    with pytest.raises(Refused, match="newer"):
        found(store)
    store.change("PRAGMA user_version = 2")


async def test_no_database_is_no_healthy_one(store: "Store") -> None:
    await store.stop()
    store.path.unlink()
    with pytest.raises(FileNotFoundError):
        found(store)


@pytest.mark.usefixtures("small_segments")
async def test_work_that_goes_on_is_not_taken_for_damage(store: "Store", open_store: Any) -> None:
    other = await open_store()
    ended = asyncio.Event()

    async def work(one: "Store", name: str) -> None:
        waiting: list[int] = []
        n = 0
        while not ended.is_set():
            n += 1
            waiting += await one.deliver(f"{name}.{n}" + "L" * (n % 20 == 0))
            if len(waiting) > 4:
                await one.expunge(waiting.pop(0))
            await one.upkeep.round()
            one.clock.advance(181)

    tasks = [asyncio.create_task(work(one, f"w{n}")) for n, one in enumerate((store, other))]
    checks = 0
    while checks < 5 or store.value("SELECT max(id) FROM segment") < 8:
        checks += 1
        assert not any(task.done() for task in tasks)
        assert await asyncio.to_thread(found, store) == []
    ended.set()
    await asyncio.gather(*tasks)
