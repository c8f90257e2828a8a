"""The collector: what no message holds goes away, all the rest stays."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posthouse.db import sqlite
from posthouse.db.mail import collect
from posthouse.db.mail.collect import Collect
from posthouse.db.mail.schema import MAIL_SCHEMA
from posthouse.db.mail.units import (
    INBOX,
    Copy,
    CreateAccount,
    CreateMailbox,
    NoSuchEmail,
    RemoveAccount,
    RemoveMailbox,
)
from posthouse.db.sqlite import Schema, connect
from posthouse.testing.crash import NOW
from posthouse.testing.disk import FaultyDisk

if TYPE_CHECKING:
    from tests.db.mail.conftest import Store


async def test_an_email_goes_with_its_last_message(store: "Store") -> None:
    kept, gone = await store.deliver("kept", "gone")
    await store.expunge(gone)
    await store.tidy()
    assert await store.tags() == ["kept"]
    assert [store.value(f"SELECT count(*) FROM {table}") for table in ("email", "blob")] == [1, 1]
    assert store.value("SELECT used FROM account") == store.value("SELECT sum(size) FROM email")
    assert store.value("SELECT size - dead FROM segment") == store.value("SELECT 16 + length FROM blob")
    assert kept == 1


async def test_a_copy_holds_an_email(store: "Store") -> None:
    await store.db.run(CreateMailbox(store.account, "Archive", "", NOW))
    (uid,) = await store.deliver("copied")
    await store.db.run(Copy(store.inbox, (uid,), "Archive", NOW))
    await store.db.run(Copy(store.inbox, (uid,), "Archive", NOW, removes=True))
    await store.tidy()
    assert store.value("SELECT count(*) FROM email") == 1
    await store.db.run(RemoveMailbox(store.account, "Archive"))
    await store.tidy()
    assert store.value("SELECT count(*) FROM email") == 0
    assert store.value("SELECT count(*) FROM blob") == 0


async def test_a_blob_goes_with_its_last_email(store: "Store") -> None:
    other = await store.db.run(CreateAccount("bob", NOW))
    (uid,) = await store.deliver("both", accounts=(store.account, other))
    await store.expunge(uid)
    await store.tidy()
    assert store.rows("SELECT account, refs FROM email JOIN blob ON blob.id = blob") == [(other, 1)]
    await store.db.run(RemoveAccount("bob"))
    await store.tidy()
    assert store.value("SELECT count(*) FROM blob") == 0
    assert store.value("SELECT dead = size AND size > 0 FROM segment") == 1


async def test_what_was_just_removed_can_still_be_read(store: "Store") -> None:
    (uid,) = await store.deliver("gone")
    email = store.value("SELECT email FROM message")
    await store.expunge(uid)
    await store.upkeep.round()
    await store.db.locate(store.account, email)
    await store.upkeep.round()
    with pytest.raises(NoSuchEmail):
        await store.db.locate(store.account, email)


async def test_a_large_file_goes_after_the_commit(store: "Store") -> None:
    _, gone = await store.deliver("kept.L", "gone.L")
    await store.expunge(gone)
    await store.tidy()
    assert len(store.large_files()) == store.value("SELECT count(*) FROM blob") == 1
    assert store.value("SELECT count(*) FROM doomed") == 0
    assert await store.tags() == ["kept.L"]


async def test_a_large_file_goes_though_a_crash_came_between(store: "Store", open_store: Any) -> None:
    (uid,) = await store.deliver("gone.L")
    await store.expunge(uid)
    await store.db.run(Collect(store.account, 1_000_000))
    assert len(store.large_files()) == 1
    await store.stop()
    after = await open_store()
    await after.tidy()
    assert after.large_files() == []
    assert after.value("SELECT count(*) FROM doomed") == 0


async def test_long_work_is_done_in_units(store: "Store", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "UNIT_EMAILS", 7)
    uids = await store.deliver(*(f"m{n}" for n in range(50)))
    await store.expunge(*uids[:30])
    for uid in uids[30:45]:
        await store.expunge(uid)
    done = []
    while True:
        result = await store.db.run(Collect(store.account, 1_000_000))
        done.append(result.emails)
        if not result.more:
            break
    assert sum(done) == 45
    assert max(done) == 7
    assert collect.uncollected_emails(connect(store.path, store.disk.files), store.account) == set()
    assert await store.tags() == [f"m{n}" for n in range(45, 50)]


async def test_the_collector_stops_at_the_modseq_it_is_given(store: "Store") -> None:
    first, second = await store.deliver("first", "second")
    await store.expunge(first)
    modseq = store.value("SELECT modseq FROM account")
    await store.expunge(second)
    assert (await store.db.run(Collect(store.account, modseq))).emails == 1
    assert (await store.db.run(Collect(store.account, modseq))).emails == 0
    assert (await store.db.run(Collect(store.account, modseq + 10))).emails == 1


async def test_an_account_that_was_removed_leaves_nothing(store: "Store") -> None:
    number = await store.db.run(CreateAccount("bob", NOW))
    await store.deliver("one", "two.L", accounts=(number,))
    await store.db.run(RemoveAccount("bob"))
    await store.tidy()
    for table in ("mailbox", "email", "journal", "cursor"):
        assert store.value(f"SELECT count(*) FROM {table} WHERE account = ?", number) == 0
    assert store.value("SELECT count(*) FROM account WHERE id = ?", number) == 0
    assert store.large_files() == []


async def test_the_journal_is_pruned_up_to_a_floor(store: "Store", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "JOURNAL_KEPT", 20)
    monkeypatch.setattr(collect, "JOURNAL_SLACK", 5)
    monkeypatch.setattr(collect, "UNIT_EMAILS", 4)
    await store.deliver(*(f"m{n}" for n in range(50)))
    await store.tidy()
    modseq, floor = store.rows("SELECT modseq, journal_floor FROM account")[0]
    assert floor == modseq - 20
    assert store.rows("SELECT min(modseq), max(modseq), count(*) FROM journal") == [(floor + 1, modseq, 20)]


async def test_the_journal_keeps_what_the_collector_has_not_seen(
    store: "Store", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "JOURNAL_KEPT", 3)
    (uid,) = await store.deliver("gone")
    await store.expunge(uid)
    expunged = store.value("SELECT modseq FROM account")
    await store.deliver(*(f"m{n}" for n in range(20)))
    while await store.db.run(collect.PruneJournal(store.account)):
        pass
    assert store.value("SELECT journal_floor FROM account") == expunged - 1
    assert (await store.db.run(Collect(store.account, 1_000_000))).emails == 1


async def test_a_session_below_the_floor_learns_everything(
    store: "Store", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "JOURNAL_KEPT", 2)
    kept, gone = await store.deliver("kept", "gone")
    before = store.db.mailbox_named(store.account, INBOX)
    await store.expunge(gone)
    (new,) = await store.deliver("new")
    await store.db.run(Collect(store.account, 1_000_000))
    await store.deliver("later", "latest")
    await store.db.run(collect.PruneJournal(store.account))
    difference = await store.db.difference(store.inbox, before.modseq)
    assert [uid for uid, _ in difference.added] == [new, new + 1, new + 2]
    assert [uid for uid, _ in difference.changed] == [new, new + 1, new + 2]
    assert difference.vanished == [gone]
    assert kept not in difference.vanished


async def test_several_collectors_do_no_harm(store: "Store", open_store: Any) -> None:
    other = await open_store()
    uids = await store.deliver(*(f"m{n}" for n in range(40)))
    await store.expunge(*uids[::2])
    results = await asyncio.gather(
        *(one.db.run(Collect(store.account, 1_000_000)) for one in (store, other) * 3)
    )
    assert sum(result.emails for result in results) == 20
    assert await store.tags() == [f"m{n}" for n in range(1, 40, 2)]


def test_a_database_of_the_first_version_gets_its_new_tables(tmp_path: Path, disk: FaultyDisk) -> None:
    path = tmp_path / "old.db"
    first = Schema(MAIL_SCHEMA.name, MAIL_SCHEMA.application_id, MAIL_SCHEMA.migrations[:1])
    sqlite.prepare(path, first, disk.files)
    connection = connect(path, disk.files)
    connection.execute("INSERT INTO account(name) VALUES('ann')")
    connection.close()
    sqlite.prepare(path, MAIL_SCHEMA, disk.files)
    connection = connect(path, disk.files)
    assert [row.modseq for row in collect.account_states(connection, 0)] == [1]
    connection.close()
