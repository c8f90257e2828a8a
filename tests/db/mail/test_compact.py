"""Compaction: segments come and go under deliveries, removals and readers; bodies stay what they are."""

import asyncio
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from posthouse.db import compact
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, Place, segment_path
from posthouse.db.compact import DropSegment, Relocate
from posthouse.db.files import Files
from posthouse.db.lease import BACKUP, LEASE, ReleaseLease, TakeLease
from posthouse.db.mail.units import NoSuchEmail
from posthouse.testing import crash

if TYPE_CHECKING:
    from tests.db.mail.conftest import Store

ROUNDS = int(os.environ.get("POSTHOUSE_CRASH_ROUNDS", "2"))

pytestmark = pytest.mark.usefixtures("small_segments")


def places(store: "Store") -> dict[int, Place]:
    """Where each blob of the log is."""
    rows = store.rows("SELECT id, segment, offset, length, crc FROM blob WHERE file IS NULL")
    return {row[0]: Place(*row[1:]) for row in rows}


def assert_sums_are_right(store: "Store") -> None:
    wrong = store.rows(
        "SELECT id, size, dead FROM segment WHERE size - dead <>"
        " (SELECT coalesce(sum(length + 16), 0) FROM blob WHERE segment = segment.id)"
    )
    assert wrong == []


async def test_a_segment_that_is_half_dead_is_given_up(store: "Store") -> None:
    tags = [f"m{n}" for n in range(40)]
    uids = await store.deliver(*tags)
    before = store.segment_files()
    await store.expunge(*(uid for uid in uids if uid % 5))
    await store.tidy()
    assert await store.tags() == [tag for tag, uid in zip(tags, uids, strict=True) if not uid % 5]
    assert len(store.segment_files()) < len(before) / 2
    assert store.segment_files() == [row[0] for row in store.rows("SELECT id FROM segment")]
    assert max(store.segment_files()) > max(before), "numbers are never used again"
    assert store.value("SELECT count(*) FROM doomed") == 0
    assert_sums_are_right(store)


async def test_a_segment_that_is_mostly_alive_stays(store: "Store") -> None:
    uids = await store.deliver(*(f"m{n}" for n in range(40)))
    before = places(store)
    await store.expunge(*(uid for uid in uids if not uid % 10))
    await store.tidy()
    after = places(store)
    sealed = {row[0] for row in store.rows("SELECT id FROM segment WHERE dead * 2 <= size")}
    assert all(
        after[blob] == place for blob, place in before.items() if blob in after and place.segment in sealed
    )
    assert_sums_are_right(store)


async def test_small_sealed_segments_are_joined(store: "Store", open_store: Any) -> None:
    await store.deliver("m1")
    store.change("UPDATE segment SET state = 1")
    await store.stop()
    other = await open_store()
    await other.deliver("m2")
    assert other.value("SELECT count(*) FROM segment") == 2
    await other.tidy()
    assert other.value("SELECT count(*) FROM segment") == 1
    assert await other.tags() == ["m1", "m2"]


async def test_a_body_that_was_removed_meanwhile_stays_away(store: "Store") -> None:
    uids = await store.deliver("kept", "gone", *(f"m{n}" for n in range(20)))
    first = store.value("SELECT min(id) FROM segment")
    connection_rows = store.rows(
        "SELECT id, offset, length, crc FROM blob WHERE segment = ? ORDER BY offset", first
    )
    reader = BlobReader(store.folder, Files())
    found = [(row[0], reader.body(Place(first, *row[1:]))) for row in connection_rows]
    reader.close()
    await store.expunge(uids[1])
    await store.tidy()
    unit = Relocate(first, tuple(blob for blob, _ in found), tuple(body for _, body in found))
    assert await store.db.run(unit) == len(found) - 1
    assert await store.db.run(unit) == 0, "they are there no more"
    assert_sums_are_right(store)
    assert (await store.tags())[0] == "kept"
    assert "gone" not in await store.tags()


async def test_a_segment_with_bodies_is_not_dropped(store: "Store") -> None:
    await store.deliver(*(f"m{n}" for n in range(20)))
    sealed = store.value("SELECT min(id) FROM segment WHERE state = 1")
    assert not await store.db.run(DropSegment(sealed, crash.NOW))
    assert sealed in store.segment_files()


async def test_the_segment_of_a_writer_is_not_touched(store: "Store") -> None:
    (uid,) = await store.deliver("m1")
    await store.expunge(uid)
    own = store.segment_files()
    await store.tidy()
    assert store.segment_files() == own
    assert not await store.db.run(DropSegment(own[0], crash.NOW))


async def test_nothing_goes_while_a_backup_has_its_lease(store: "Store") -> None:
    uids = await store.deliver(*(f"m{n}" for n in range(30)), "big.L")
    before = store.segment_files(), store.large_files()
    now = int(store.clock.time())
    await store.db.run(TakeLease(BACKUP, "somebody", now))
    await store.expunge(*uids)
    for _ in range(3):
        await store.upkeep.round()
    assert (store.segment_files(), store.large_files()) == before
    assert not await store.db.run(DropSegment(before[0][0], now))
    store.clock.advance(LEASE)
    await store.tidy()
    assert len(store.segment_files()) == 1
    assert store.large_files() == []


async def test_after_a_backup_all_goes_on(store: "Store") -> None:
    uids = await store.deliver(*(f"m{n}" for n in range(30)))
    await store.db.run(TakeLease(BACKUP, "somebody", int(store.clock.time())))
    await store.expunge(*uids)
    await store.db.run(ReleaseLease(BACKUP, "somebody"))
    await store.tidy()
    assert len(store.segment_files()) == 1


async def test_readers_meet_segments_that_are_gone(store: "Store", open_store: Any) -> None:
    uids = await store.deliver(*(f"m{n}" for n in range(30)))
    old = places(store)
    having, late = BlobReader(store.folder, Files()), BlobReader(store.folder, Files())
    first = min(old)
    body = having.body(old[first])
    await store.expunge(*uids[1:])
    await store.tidy()
    assert old[first].segment not in store.segment_files()
    assert having.body(old[first]) == body, "an open file stays readable"
    with pytest.raises(FileNotFoundError):
        late.body(old[first])
    having.close_unlinked()
    with pytest.raises(FileNotFoundError):
        having.body(old[first])
    having.close()
    late.close()


class Vanishing(Files):
    """Segments are gone as often as is said when somebody opens them to read."""

    def __init__(self, times: int) -> None:
        self.times = times

    def open(self, path: Path, flags: int) -> int:
        if path.suffix == ".seg" and flags == os.O_RDONLY and self.times:
            self.times -= 1
            raise FileNotFoundError(path)
        return super().open(path, flags)


@pytest.mark.parametrize(("times", "is_found"), [(1, True), (2, True), (3, False)])
async def test_a_segment_that_vanishes_is_looked_up_again(store: "Store", times: int, is_found: bool) -> None:
    await store.deliver("m1")
    email = store.value("SELECT email FROM message")
    files = Vanishing(times)
    reader = crash.open_database(store.path, files)
    await reader.start()
    try:
        if is_found:
            assert (await reader.locate(store.account, email))[1] == crash.message("m1")
        else:
            with pytest.raises(Damaged):
                await reader.locate(store.account, email)
    finally:
        await reader.stop()


async def test_R_025_a_damaged_body_stays_where_it_is(store: "Store") -> None:
    uids = await store.deliver(*(f"m{n}" for n in range(30)))
    place = places(store)[1]
    path = segment_path(store.folder, place.segment)
    with path.open("r+b") as file:
        file.seek(place.offset + 20)
        file.write(b"!!!!")
    content = path.read_bytes()
    await store.expunge(*uids[2:])
    await store.tidy()
    assert path.read_bytes() == content
    assert places(store)[1] == place
    assert places(store)[2].segment != place.segment
    assert len(store.segment_files()) == 2
    assert_sums_are_right(store)


async def test_a_large_body_moves_in_a_unit_of_its_own(
    store: "Store", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "UNIT_OCTETS", 100)
    uids = await store.deliver(*(f"m{n}" for n in range(30)))
    await store.expunge(*uids[:-12])
    await store.tidy()
    assert await store.tags() == [f"m{n}" for n in range(18, 30)]


async def read_all(store: "Store", stored: dict[int, str], removed: set[int], ended: asyncio.Event) -> int:
    """Read messages (by email) for as long as others work; gives how many."""
    chance = random.Random(1)
    count = 0
    while not ended.is_set() or not count:
        for email, tag in chance.sample(sorted(stored.items()), min(20, len(stored))):
            try:
                _, octets = await store.db.locate(store.account, email)
            except NoSuchEmail:
                assert email in removed
                continue
            assert octets == crash.message(tag)
            count += 1
        await asyncio.sleep(0)
    return count


async def change_much(store: "Store", seed: int, stored: dict[int, str], removed: set[int]) -> None:
    chance = random.Random(seed)
    own: list[tuple[int, int]] = []
    for n in range(60):
        tag = f"{seed}.{n}"
        (uid,) = await store.deliver(tag)
        email = store.db.rows(store.inbox, (uid,)).rows[0][-1]
        stored[email] = tag
        own.append((uid, email))
        if chance.random() < 0.8:
            uid, email = own.pop(chance.randrange(len(own)))
            removed.add(email)
            await store.expunge(uid)


async def tidy_up(stores: list["Store"], ended: asyncio.Event) -> None:
    """Each process has its turn, and looks whether it gets the lease."""
    while not ended.is_set():
        for store in stores:
            await store.upkeep.round()
            store.clock.advance(LEASE)


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_compaction_never_loses_or_mixes_a_body(
    store: "Store", open_store: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "UNIT_BODIES", 3)
    stores = [store, await open_store()]
    stored: dict[int, str] = {}
    removed: set[int] = set()
    ended = asyncio.Event()
    others = [asyncio.create_task(read_all(one, stored, removed, ended)) for one in stores]
    others.append(asyncio.create_task(tidy_up(stores, ended)))  # type: ignore[arg-type]
    await asyncio.gather(
        *(change_much(one, 10 * seed + n, stored, removed) for n, one in enumerate(stores * 2))
    )
    ended.set()
    await asyncio.gather(*others)
    for one in stores:
        await one.tidy()
    assert sorted(await store.tags()) == sorted(tag for email, tag in stored.items() if email not in removed)
    assert store.value("SELECT count(*) FROM blob") == len(stored) - len(removed)
    assert store.value("SELECT max(id) FROM segment") > len(store.segment_files()) + 5, "few segments went"
    assert_sums_are_right(store)
