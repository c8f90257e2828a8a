import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

import pytest

from posthouse.core.errors import MailError
from posthouse.core.world import IpAddress
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope as ConfigScope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.limits import Limits as LimitsRole
from posthouse.framework.registry import Catalogue, Registry
from posthouse.modules.limits import Limits
from posthouse.modules.limits.limiter import Concurrency, Line, Rate
from posthouse.modules.limits.scope import IDLE_TIME, KEYS_MAX, KEYS_OF_HOLDER_MAX
from posthouse.testing.loop import run_simulated
from posthouse.testing.world import FakeWorld, make_context

T = TypeVar("T")
ANN, BOB, EVE = (ip_address(f"192.0.2.{number}") for number in (1, 2, 3))


@pytest.fixture
def fake(tmp_path: Path) -> FakeWorld:
    return FakeWorld(tmp_path)


def make(fake: FakeWorld, *lines: str) -> Limits:
    """Limits with these lines, as a configuration has them."""
    context = fake.context("limits")
    children = tuple(Node(*_words(line), None, "x.conf", at) for at, line in enumerate(lines, 2))
    registry = Registry(Catalogue({}, {}, frozenset()), lambda *_: context)
    block = Node("limits", (), children, "x.conf", 1)
    return Limits(parse_settings(Limits.Settings, block, ConfigScope({}, fake.paths, registry)), context)


def _words(line: str) -> tuple[str, tuple[str, ...]]:
    name, *args = line.split()
    return name, tuple(args)


def simulated(fake: FakeWorld, main: Coroutine[Any, Any, T]) -> T:
    return run_simulated(fake.clock, main)


class Clients:
    """Each takes a message of the limits; when, is told."""

    def __init__(self, fake: FakeWorld, limits: Limits) -> None:
        self._clock = fake.clock
        self._limits = limits
        self._began = fake.clock.monotonic()
        self.passed: list[tuple[str, float]] = []  # who, and after how many seconds
        self.refused: list[tuple[str, float]] = []

    async def take(self, name: str, *, hold: float = 0, ip: IpAddress = ANN, source: str = "") -> None:
        try:
            slot = await self._limits.take_message(ip, source)
        except MailError:
            self.refused.append((name, self._after()))
            return
        self.passed.append((name, self._after()))
        await asyncio.sleep(hold)
        slot.release()

    def _after(self) -> float:
        return round(self._clock.monotonic() - self._began, 3)


def test_it_has_its_role(fake: FakeWorld) -> None:
    assert isinstance(make(fake), LimitsRole)


def test_without_lines_everything_passes(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake)
        for _ in range(1000):
            await limits.take_message(ANN, "")
            await limits.take_destination("example.org")

    simulated(fake, main())


def test_a_rate_lets_a_burst_pass_once_a_period(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "all rate 2 3s"))

    async def main() -> None:
        await asyncio.gather(*(clients.take(name) for name in "abcdefg"))

    simulated(fake, main())
    assert clients.passed == [("a", 0), ("b", 0), ("c", 3), ("d", 3)]
    assert sorted(clients.refused) == [("e", 5), ("f", 5), ("g", 5)]


def test_a_bucket_is_not_filled_drop_by_drop(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "all rate 2"))

    async def main() -> None:
        await clients.take("a", hold=0.9)
        await asyncio.gather(*(clients.take(name) for name in "bcd"))
        await asyncio.sleep(10)
        await asyncio.gather(*(clients.take(name) for name in "ef"))

    simulated(fake, main())
    assert clients.passed == [("a", 0), ("b", 0.9), ("c", 1), ("d", 1), ("e", 11), ("f", 11)]


def test_concurrency_lasts_until_the_release(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "all concurrency 2"))

    async def main() -> None:
        await asyncio.gather(*(clients.take(name, hold=2) for name in "abcdefg"))

    simulated(fake, main())
    assert clients.passed == [("a", 0), ("b", 0), ("c", 2), ("d", 2), ("e", 4), ("f", 4)]
    assert clients.refused == [("g", 5)]


def test_a_release_counts_once(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "all concurrency 1")
        slot = await limits.take_message(ANN, "")
        slot.release()
        slot.release()
        await limits.take_message(ANN, "")
        with pytest.raises(MailError):
            await limits.take_message(ANN, "")

    simulated(fake, main())


def test_who_comes_later_does_not_overtake(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "all concurrency 1", "all rate 3 1s"))

    async def late() -> None:
        await asyncio.sleep(0.5)
        await clients.take("late", hold=0.5)

    async def main() -> None:
        await asyncio.gather(*(clients.take(name, hold=0.5) for name in "abc"), late())

    simulated(fake, main())
    assert [name for name, _ in clients.passed] == ["a", "b", "c", "late"]


@pytest.mark.parametrize("line", ["all concurrency 1", "all rate 1 2s"])
def test_a_client_that_leaves_the_queue_is_skipped(fake: FakeWorld, line: str) -> None:
    clients = Clients(fake, make(fake, line))

    async def main() -> None:
        first = asyncio.create_task(clients.take("a", hold=2))
        leaves = asyncio.create_task(clients.take("b"))
        last = asyncio.create_task(clients.take("c"))
        await asyncio.sleep(1)
        leaves.cancel()
        await asyncio.gather(first, leaves, last, return_exceptions=True)

    simulated(fake, main())
    assert clients.passed == [("a", 0), ("c", 2)]


@pytest.mark.parametrize("line", [Concurrency(1), Rate(1, 4)])
def test_a_client_that_leaves_as_its_turn_comes_lets_the_next_pass(fake: FakeWorld, line: Line) -> None:
    async def main() -> None:
        limiter = line.limiter(fake.clock)
        assert limiter.take_now()
        leaves, stays = (asyncio.create_task(limiter.take()) for _ in range(2))
        await asyncio.sleep(0)
        fake.clock.advance(4)
        limiter.release()
        assert not limiter.take_now()
        leaves.cancel()
        await stays
        assert leaves.cancelled()

    simulated(fake, main())


def test_slots_come_back_when_a_later_limit_refuses_or_the_client_leaves(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "all concurrency 2", "ip concurrency 1", "source concurrency 1")
        await limits.take_message(ANN, "a.example")
        with pytest.raises(MailError):
            await limits.take_message(BOB, "a.example")
        waiting = asyncio.create_task(limits.take_message(ANN, "b.example"))
        await asyncio.sleep(1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await limits.take_message(BOB, "b.example")

    simulated(fake, main())


def test_scopes_are_taken_in_order_within_one_deadline(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "source concurrency 1", "all rate 1 3s"))

    async def main() -> None:
        await asyncio.gather(*(clients.take(name, hold=9) for name in "ab"))

    simulated(fake, main())
    assert clients.passed == [("a", 0)]
    assert clients.refused == [("b", 5)]  # 3 for the rate, 2 for the source


def test_each_key_has_its_own_limiters(fake: FakeWorld) -> None:
    clients = Clients(fake, make(fake, "ip rate 1 9s", "source rate 2 9s"))

    async def main() -> None:
        await asyncio.gather(
            clients.take("a", ip=ANN, source="x.example"),
            clients.take("b", ip=BOB, source="x.example"),
            clients.take("c", ip=ip_address("192.0.2.3"), source="x.example"),
            clients.take("d", ip=ANN, source="y.example"),
            clients.take("e", ip=ip_address("192.0.2.4"), source="y.example"),
        )

    simulated(fake, main())
    assert [name for name, _ in clients.passed] == ["a", "b", "e"]
    assert clients.refused == [("c", 5), ("d", 5)]


def test_destinations_are_counted_apart(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "destination concurrency 1")
        slot = await limits.take_destination("example.org")
        await limits.take_destination("example.net")
        with pytest.raises(MailError) as caught:
            await limits.take_destination("example.org")
        assert caught.value.fields == {"limit": "destination concurrency 1", "key": "example.org"}
        slot.release()
        await limits.take_destination("example.org")

    simulated(fake, main())


@pytest.mark.parametrize(
    "line", ["all rate 0", "ip rate -1 1h", "source concurrency 0", "all concurrency -5"]
)
def test_nothing_or_less_is_no_limit(fake: FakeWorld, line: str) -> None:
    async def main() -> None:
        limits = make(fake, line)
        for _ in range(1000):
            await limits.take_message(ANN, "")

    simulated(fake, main())


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("all speed 5", r"x\.conf:2: unknown limit: speed, valid ones are: \[rate concurrency\]"),
        ("user rate 5", r"x\.conf:2: unexpected directive: user"),
        ("all rate", r"x\.conf:2: expected rate BURST \[PERIOD\] or concurrency MAX"),
        ("all rate 1 1s 1s", "expected rate BURST"),
        ("all concurrency 1 1s", "expected rate BURST"),
        ("all rate much", "invalid integer: much"),
        ("all rate 1 soon", "invalid duration: soon"),
        ("all rate 1 0s", "the period of a rate must be longer than 0"),
        ("all", "expected at least one argument"),
    ],
)
def test_mistakes_are_told_with_their_line(fake: FakeWorld, line: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make(fake, line)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("2001:db8::1", "2001:db8::ffff:0:2", "2001:db8::/64"),
        ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_R_071_all_addresses_of_a_network_are_one_client(
    fake: FakeWorld, one: str, other: str, shown: str
) -> None:
    async def main() -> None:
        limits = make(fake, "ip concurrency 1")
        await limits.take_message(ip_address(one), "")
        with pytest.raises(MailError) as caught:
            await limits.take_message(ip_address(other), "")
        assert caught.value.fields["key"] == shown

    simulated(fake, main())


async def send_from(limits: Limits, client: IpAddress, *names: str) -> None:
    """One message from each of these domains."""
    for name in names:
        (await limits.take_message(client, name)).release()


def domains(count: int, label: str = "") -> list[str]:
    return [f"{label}{number}.example" for number in range(count)]


def test_R_071_the_number_of_keys_of_a_client_is_bounded(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "source rate 1 1h", "source concurrency 5")
        await send_from(limits, ANN, *domains(KEYS_OF_HOLDER_MAX))
        with pytest.raises(MailError) as caught:
            await limits.take_message(ANN, "one.too.many.example")
        assert str(caught.value.fields["limit"]) == "source keys"
        await asyncio.sleep(IDLE_TIME - 10)
        waits = asyncio.create_task(limits.take_message(ANN, "0.example"))
        await asyncio.sleep(10.001)
        assert isinstance(waits.exception(), MailError)  # its rate is spent
        await send_from(limits, ANN, "one.too.many.example")  # in place of 1.example, the longest idle
        await send_from(limits, ANN, "1.example")
        with pytest.raises(MailError):
            await limits.take_message(ANN, "3.example")

    simulated(fake, main())


def test_R_071_who_fills_the_table_keeps_nobody_out_and_gains_nothing(fake: FakeWorld) -> None:
    """Two clients with as many sender domains as the table has keys; a third has its share, and its counters stay."""

    async def main() -> None:
        limits = make(fake, "source rate 2 1h")
        await send_from(limits, EVE, "honest.example", "honest.example")
        for name in domains(KEYS_MAX):
            for attacker in (ANN, BOB):
                with suppress(MailError):  # beyond their share; until then they drive out each other
                    await send_from(limits, attacker, f"{attacker}.{name}")
        began = fake.clock.monotonic()
        await send_from(limits, EVE, *domains(100, "honest"))
        assert fake.clock.monotonic() == began  # nobody waited
        with pytest.raises(MailError) as caught:
            await limits.take_message(EVE, "honest.example")
        assert caught.value.fields["limit"] == "source rate 2 1h"

    simulated(fake, main())


@pytest.mark.parametrize("line", ["source rate 5 2s", "source concurrency 3"])
def test_R_071_keys_that_say_nothing_any_more_go_at_once(fake: FakeWorld, line: str) -> None:
    async def main() -> None:
        limits = make(fake, line)
        for _ in range(3):
            await send_from(limits, ANN, *domains(KEYS_OF_HOLDER_MAX))
            await asyncio.sleep(2)
            await send_from(limits, ANN, *domains(KEYS_OF_HOLDER_MAX, "other"))
            await asyncio.sleep(2)

    simulated(fake, main())


def test_R_071_a_key_that_is_not_full_stays_while_there_is_room(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "source rate 1 1h", "source rate 100 1s")
        await send_from(limits, ANN, "spent.example")
        await asyncio.sleep(3500)
        await send_from(limits, BOB, *domains(100))
        with pytest.raises(MailError):
            await limits.take_message(ANN, "spent.example")
        await asyncio.sleep(100)
        await send_from(limits, ANN, "spent.example")

    simulated(fake, main())


def test_R_071_the_networks_of_one_site_do_not_fill_the_table(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "ip rate 1 1h")
        for number in range(KEYS_OF_HOLDER_MAX):
            await send_from(limits, ip_address(f"2001:db8:0:{number:x}::1"), "")
        with pytest.raises(MailError) as caught:
            await limits.take_message(ip_address("2001:db8:0:ffff::1"), "")
        assert caught.value.fields["limit"] == "ip keys"
        await send_from(limits, ip_address("2001:db8:1::1"), "")

    simulated(fake, main())


def test_R_071_the_networks_of_one_site_leave_room_for_the_senders_of_others(fake: FakeWorld) -> None:
    """Each of its networks brings one sender domain only: together they are one client all the same."""

    async def main() -> None:
        limits = make(fake, "source rate 1 1h")
        for number, name in enumerate(domains(KEYS_MAX)):
            with suppress(MailError):  # beyond the site's share
                await send_from(limits, ip_address(f"2001:db8:0:{number:x}::1"), name)
        await send_from(limits, EVE, *domains(100, "honest"))

    simulated(fake, main())


def test_R_071_room_is_taken_of_keys_idle_for_a_minute_where_nobody_has_more(
    fake: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.modules.limits.scope.KEYS_MAX", 3)

    async def main() -> None:
        limits = make(fake, "destination rate 1 1h")
        for name in ("a", "b", "c"):
            (await limits.take_destination(name)).release()
            await asyncio.sleep(1)
        with pytest.raises(MailError):
            await limits.take_destination("d")
        await asyncio.sleep(IDLE_TIME - 3)
        (await limits.take_destination("d")).release()
        for name in ("b", "c", "d"):
            with pytest.raises(MailError):
                await limits.take_destination(name)

    simulated(fake, main())


def test_R_071_what_is_in_use_makes_no_room(fake: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.modules.limits.scope.KEYS_MAX", 2)

    async def main() -> None:
        limits = make(fake, "source concurrency 1")
        slots = [await limits.take_message(ANN, name) for name in ("a", "b")]
        await asyncio.sleep(IDLE_TIME * 2)
        with pytest.raises(MailError):
            await limits.take_message(ANN, "c")
        slots[0].release()
        await asyncio.sleep(IDLE_TIME + 1)
        await limits.take_message(ANN, "c")
        with pytest.raises(MailError):
            await limits.take_message(ANN, "b")

    simulated(fake, main())


def test_R_073_an_hourly_rate_stops_and_says_whom(fake: FakeWorld) -> None:
    async def main() -> None:
        limits = make(fake, "source rate 100 1h")
        for _ in range(100):
            (await limits.take_message(ANN, "stolen.example")).release()
            await asyncio.sleep(10)
        with pytest.raises(MailError) as caught:
            await limits.take_message(ANN, "stolen.example")
        assert (caught.value.reply.code, caught.value.reply.enhanced) == (451, (4, 4, 5))
        assert caught.value.reply.text == "High load, try again later"
        assert caught.value.log_fields()["limit"] == "source rate 100 1h"
        assert caught.value.log_fields()["key"] == "stolen.example"
        await asyncio.sleep(3600)
        await limits.take_message(ANN, "stolen.example")

    simulated(fake, main())


async def test_who_need_not_wait_makes_no_task_and_sets_no_timer(tmp_path: Path) -> None:
    limits = Limits(
        Limits.Settings(all_=(), ip=(), source=(), destination=()), make_context(tmp_path, "limits")
    )
    taking = limits.take_message(ANN, "")
    with pytest.raises(StopIteration):
        taking.send(None)
