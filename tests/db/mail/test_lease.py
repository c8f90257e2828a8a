"""Leases: one owner at a time, until it lets go or is dead for long enough."""

from typing import TYPE_CHECKING, Any

from posthouse.db.lease import COMPACTION, LEASE, ReleaseLease, TakeLease, is_held
from posthouse.db.sqlite import connect
from posthouse.testing.crash import NOW

if TYPE_CHECKING:
    from tests.db.mail.conftest import Store


async def test_a_lease_has_one_owner_until_it_runs_out(store: "Store") -> None:
    assert await store.db.run(TakeLease("job", "ann", NOW))
    assert not await store.db.run(TakeLease("job", "bob", NOW + LEASE - 1))
    assert await store.db.run(TakeLease("job", "ann", NOW + LEASE - 1))
    assert not await store.db.run(TakeLease("job", "bob", NOW + LEASE))
    assert await store.db.run(TakeLease("job", "bob", NOW + 2 * LEASE))


async def test_a_lease_can_be_given_back_by_its_owner_only(store: "Store") -> None:
    assert await store.db.run(TakeLease("job", "ann", NOW))
    await store.db.run(ReleaseLease("job", "bob"))
    assert not await store.db.run(TakeLease("job", "bob", NOW))
    await store.db.run(ReleaseLease("job", "ann"))
    assert await store.db.run(TakeLease("job", "bob", NOW))


async def test_a_clock_that_was_set_back_holds_nobody_up(store: "Store") -> None:
    assert await store.db.run(TakeLease("job", "ann", NOW + 100_000))
    connection = connect(store.path, store.disk.files)
    assert not is_held(connection, "job", NOW)
    connection.close()
    assert await store.db.run(TakeLease("job", "bob", NOW))


async def _with_work(store: "Store") -> None:
    """There is something to collect for whoever looks next."""
    (uid,) = await store.deliver("gone")
    await store.expunge(uid)
    await store.upkeep.round()


async def test_the_lease_of_a_killed_process_runs_out(store: "Store", open_store: Any) -> None:
    killed = store.upkeep
    await _with_work(store)
    assert await killed.round()
    other = await open_store()
    await other.upkeep.round()
    await _with_work(other)
    assert not await other.upkeep.round(), "the lease is not ours yet"
    store.clock.advance(LEASE)
    assert await other.upkeep.round()
    assert other.value("SELECT count(*) FROM email") == 0


async def test_a_process_that_stops_lets_go(store: "Store", open_store: Any) -> None:
    await _with_work(store)
    assert await store.upkeep.round()
    assert store.value("SELECT count(*) FROM lease WHERE name = ?", COMPACTION) == 1
    await store.upkeep.stop()
    other = await open_store()
    await _with_work(other)
    assert await other.upkeep.round()


async def test_a_process_that_lost_its_lease_stops_working(store: "Store", open_store: Any) -> None:
    await _with_work(store)
    await store.upkeep.round()
    store.clock.advance(LEASE)
    other = await open_store()
    await other.upkeep.round()
    await _with_work(other)
    assert await other.upkeep.round()
    (uid,) = await store.deliver("more")
    await store.expunge(uid)
    await store.upkeep.round()
    assert not await store.upkeep.round()
    assert store.value("SELECT count(*) FROM email") == 1
