from ipaddress import ip_address

import pytest

from posthouse.net.dns_cache import ENTRIES_MAX, ENTRY_DATA_MAX, KEPT_MAX, MISSING_KEPT_MAX, DnsCache, Outcome
from posthouse.testing.world import SimulatedClock
from posthouse.wire.dns.message import RecordType

QUESTION = ("example.org", RecordType.A)
FOUND = Outcome((ip_address("192.0.2.1"),))
MISSING = Outcome(error="no such name")


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
def cache(clock: SimulatedClock) -> DnsCache:
    return DnsCache(clock)


def test_an_answer_is_kept_for_its_time_to_live(cache: DnsCache, clock: SimulatedClock) -> None:
    cache.put(QUESTION, FOUND, 60)
    clock.advance(59)
    assert cache.get(QUESTION) == FOUND
    assert cache.get(("example.org", RecordType.AAAA)) is None
    clock.advance(1)
    assert cache.get(QUESTION) is None


@pytest.mark.parametrize(
    ("outcome", "ttl", "kept"),
    [
        pytest.param(FOUND, 0, 0, id="TTL 0"),
        pytest.param(MISSING, 0, 0, id="missing, TTL 0"),
        pytest.param(FOUND, 2**31, KEPT_MAX, id="TTL 2^31"),
        pytest.param(MISSING, 2**31, MISSING_KEPT_MAX, id="missing, TTL 2^31"),
        pytest.param(Outcome(), 2**31, MISSING_KEPT_MAX, id="no records"),
        pytest.param(Outcome(error="x", transient=True), 60, 0, id="failure"),
        pytest.param(Outcome((b"x" * 5000,)), 60, 0, id="much text"),
        pytest.param(Outcome(("x",) * (ENTRY_DATA_MAX + 1)), 60, 0, id="many records"),
    ],
)
def test_R_165_times_and_sizes_are_bounded(
    cache: DnsCache, clock: SimulatedClock, outcome: Outcome, ttl: int, kept: int
) -> None:
    cache.put(QUESTION, outcome, ttl)
    clock.advance(kept - 1)
    assert (cache.get(QUESTION) == outcome) is (kept > 0)
    clock.advance(1)
    assert cache.get(QUESTION) is None


def test_R_165_the_oldest_entry_makes_room(cache: DnsCache) -> None:
    for number in range(ENTRIES_MAX + 1):
        cache.put((str(number), RecordType.A), FOUND, 60)
    assert cache.get(("0", RecordType.A)) is None
    assert cache.get(("1", RecordType.A)) == FOUND


def test_an_answer_that_may_not_be_kept_replaces_an_older_one(cache: DnsCache) -> None:
    cache.put(QUESTION, FOUND, 60)
    cache.put(QUESTION, MISSING, 0)
    assert cache.get(QUESTION) is None
