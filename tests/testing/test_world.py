import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest

from posthouse.core.world import Bus, Clock, DnsError, Listeners, Resolver, World
from posthouse.testing.world import FakeResolver, FakeWorld, SimulatedClock, make_context


def test_fakes_fill_the_protocols(tmp_path: Path) -> None:
    world: World = FakeWorld(tmp_path).world
    parts: tuple[Clock, Resolver, Bus, Listeners] = (
        world.clock,
        world.resolver,
        world.bus,
        world.listeners,
    )
    assert len(parts) == 4
    assert len(world.random(16)) == 16


def test_time_passes_only_by_advance() -> None:
    clock = SimulatedClock()
    wall, steady = clock.time(), clock.monotonic()
    clock.advance(15)
    clock.jump(-3600)
    assert clock.time() == wall + 15 - 3600
    assert clock.monotonic() == steady + 15


async def test_a_name_without_records_of_the_type_differs_from_one_that_does_not_exist() -> None:
    resolver = FakeResolver(a={"mx.example.org": ["192.0.2.1", "2001:db8::1"]})
    assert await resolver.addresses("mx.example.org") == [ip_address("192.0.2.1"), ip_address("2001:db8::1")]
    assert await resolver.addresses("mx.example.org", 4) == [ip_address("192.0.2.1")]
    assert await resolver.addresses("mx.example.org", 6) == [ip_address("2001:db8::1")]
    assert resolver.asked == [(kind, "mx.example.org") for kind in ("addresses", "a", "aaaa")]
    assert list(await resolver.mx("mx.example.org")) == []
    with pytest.raises(DnsError) as caught:
        await resolver.mx("example.net")
    assert not caught.value.transient
    assert resolver.asked[-1] == ("mx", "example.net")


async def test_errors_are_raised_as_given() -> None:
    resolver = FakeResolver(ptrs={"192.0.2.1": DnsError("SERVFAIL", transient=True)})
    with pytest.raises(DnsError, match="SERVFAIL"):
        await resolver.names(ip_address("192.0.2.1"))


async def test_a_silent_lookup_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    with FakeWorld(tmp_path, resolver=FakeResolver(silent=frozenset({"example.org"}))) as fake:
        lookup = asyncio.create_task(fake.resolver.txt("example.org"))
        await asyncio.sleep(0)
        assert fake.left_open() == ["lookup"]
        lookup.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lookup


async def test_the_bus_tells_its_subscribers_on_the_loop(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        heard: list[str] = []
        subscription = fake.bus.subscribe("credentials", heard.append)
        fake.bus.publish("credentials", "one")
        assert heard == []
        await asyncio.sleep(0)
        subscription.close()
        fake.bus.publish("credentials", "two")
        await asyncio.sleep(0)
        assert heard == ["one"]
        assert fake.bus.published == [("credentials", "one"), ("credentials", "two")]


def test_listeners_bind_free_ports(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        first = fake.listeners.take("tcp://0.0.0.0:25")
        second = fake.listeners.take("unix://x.sock")
        assert fake.listeners.port("tcp://0.0.0.0:25") == first.getsockname()[1]
        assert fake.listeners.bound["unix://x.sock"] == str(tmp_path / "run" / "x.sock")
        first.close()
        second.close()


def test_what_is_left_open_fails_the_test(tmp_path: Path) -> None:
    fake = FakeWorld(tmp_path)
    fake.bus.subscribe("credentials", print)
    fake.listeners.take("tcp://127.0.0.1:143")
    with pytest.raises(AssertionError, match="subscription to credentials, socket"):
        fake.__exit__(None, None, None)


def test_log_lines_are_found_by_logger_and_message(tmp_path: Path) -> None:
    fake = FakeWorld(tmp_path)
    context = fake.context("table.file", "aliases")
    context.log.info("reloaded", path="/x")
    assert context.label == "table.file/aliases"
    assert fake.log.fields_of("file", "reloaded") == [{"path": "/x"}]
    assert make_context(tmp_path).paths.state.is_dir()
