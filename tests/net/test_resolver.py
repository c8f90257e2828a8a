import asyncio
import os
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from posthouse.core.world import DnsError, Resolver
from posthouse.net.resolver import LOOKUPS_MAX, StubResolver, SystemFiles
from posthouse.testing.dns import NEGATIVE_TTL, Answer, LoopbackDns
from posthouse.testing.world import SimulatedClock
from posthouse.wire.dns.message import Rcode

ZONE: dict[str, list[str] | Answer] = {
    "example.org": [
        "MX 20 mx2.example.org",
        "MX 10 MX.example.org",
        "TXT v=spf1 -all",
        "TXT " + "x" * 300,
    ],
    "mx.example.org": ["60 A 192.0.2.1", "60 A 192.0.2.2", "60 AAAA 2001:db8::1"],
    "null.example.org": ["MX 0 ."],
    "www.example.org": ["30 CNAME mx.example.org"],
    "1.2.0.192.in-addr.arpa": ["PTR mx.example.org", "PTR other.example.org"],
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": ["PTR mx.example.org"],
    "broken.example.org": Answer(rcode=Rcode.SERVFAIL),
}


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock()


@pytest.fixture
async def dns() -> AsyncIterator[LoopbackDns]:
    async with LoopbackDns(ZONE) as server:
        yield server


@pytest.fixture
async def resolver(dns: LoopbackDns, clock: SimulatedClock) -> AsyncIterator[StubResolver]:
    made = StubResolver(clock, os.urandom, override=dns.address)
    yield made
    await made.aclose()


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until_asked(dns: LoopbackDns, questions: int) -> None:
    while len(dns.asked) < questions:
        await asyncio.sleep(0)


async def test_each_kind_of_lookup(resolver: Resolver) -> None:
    assert [str(ip) for ip in await resolver.addresses("mx.example.org")] == [
        "192.0.2.1",
        "192.0.2.2",
        "2001:db8::1",
    ]
    assert await resolver.mx("example.org") == [(10, "mx.example.org"), (20, "mx2.example.org")]
    assert await resolver.mx("null.example.org") == [(0, "")]
    assert await resolver.txt("example.org") == [b"v=spf1 -all", b"x" * 300]
    assert await resolver.names(ip_address("192.0.2.1")) == ["mx.example.org", "other.example.org"]
    assert await resolver.names(ip_address("2001:db8::1")) == ["mx.example.org"]
    assert await resolver.names(ip_address("::ffff:192.0.2.1")) == ["mx.example.org", "other.example.org"]
    assert await resolver.cname("www.example.org") == "mx.example.org"
    assert await resolver.cname("mx.example.org") is None


async def test_the_zone_of_an_address_is_no_part_of_its_name(resolver: Resolver, dns: LoopbackDns) -> None:
    dns.put(ip_address("fe80::1").reverse_pointer, ["PTR link.example.org"])
    assert await resolver.names(ip_address("fe80::1%eth0")) == ["link.example.org"]


async def test_names_may_end_with_a_dot_and_have_any_case(resolver: Resolver, dns: LoopbackDns) -> None:
    assert await resolver.mx("Example.ORG.") == await resolver.mx("example.org")
    assert len(dns.asked) == 1


async def test_R_160_missing_names_missing_records_and_failures_differ(resolver: Resolver) -> None:
    assert await resolver.mx("mx.example.org") == []
    assert await resolver.addresses("example.org") == []
    for name, transient in (("nobody.example.org", False), ("broken.example.org", True)):
        for lookup in (resolver.mx, resolver.txt, resolver.addresses, resolver.cname):
            with pytest.raises(DnsError, match=name) as caught:
                await lookup(name)
            assert caught.value.transient is transient


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".org", "ä.example.org", "a." * 200])
async def test_what_cannot_be_a_name_does_not_exist(resolver: Resolver, dns: LoopbackDns, name: str) -> None:
    with pytest.raises(DnsError) as caught:
        await resolver.mx(name)
    assert not caught.value.transient
    assert dns.asked == []


async def test_one_family_of_addresses_is_enough(resolver: Resolver, dns: LoopbackDns) -> None:
    dns.put("four.test", ["A 192.0.2.1", "CNAME broken.example.org"])  # AAAA follows the alias and fails
    assert [str(ip) for ip in await resolver.addresses("four.test")] == ["192.0.2.1"]


async def test_only_records_of_the_wanted_version_are_asked_for(resolver: Resolver, dns: LoopbackDns) -> None:
    assert [str(ip) for ip in await resolver.addresses("mx.example.org", 4)] == ["192.0.2.1", "192.0.2.2"]
    assert [str(ip) for ip in await resolver.addresses("mx.example.org", 6)] == ["2001:db8::1"]
    assert [asked.type for asked in dns.asked] == ["A", "AAAA"]
    with pytest.raises(DnsError):
        await resolver.addresses("nobody.example.org", 6)


async def test_answers_are_remembered_for_their_time(
    resolver: Resolver, dns: LoopbackDns, clock: SimulatedClock
) -> None:
    await resolver.addresses("www.example.org")
    assert len(dns.asked) == 2
    clock.advance(29)
    await resolver.addresses("www.example.org")
    assert len(dns.asked) == 2
    clock.advance(1)  # the alias is the first to end
    await resolver.addresses("www.example.org")
    assert len(dns.asked) == 4


async def test_what_is_not_there_is_remembered_as_the_zone_says(
    resolver: Resolver, dns: LoopbackDns, clock: SimulatedClock
) -> None:
    for asked in (1, 1, 2):
        with pytest.raises(DnsError):
            await resolver.mx("nobody.example.org")
        assert len(dns.asked) == asked
        clock.advance(NEGATIVE_TTL // 2)


@pytest.mark.parametrize("ttl", [0, 2**31])
async def test_R_165_answers_without_time_are_not_remembered(
    resolver: Resolver, dns: LoopbackDns, ttl: int
) -> None:
    dns.put("x.test", [f"{ttl} MX 10 mx.test"])
    for asked in (1, 2):
        assert await resolver.mx("x.test") == [(10, "mx.test")]
        assert len(dns.asked) == asked


async def test_failures_are_not_remembered(resolver: Resolver, dns: LoopbackDns) -> None:
    with pytest.raises(DnsError):
        await resolver.mx("broken.example.org")
    dns.put("broken.example.org", ["MX 10 mx.test"])
    assert await resolver.mx("broken.example.org") == [(10, "mx.test")]


async def test_equal_questions_under_way_are_asked_once(resolver: Resolver, dns: LoopbackDns) -> None:
    dns.hold()
    lookups = [asyncio.create_task(resolver.mx("example.org")) for _ in range(50)]
    await until_asked(dns, 1)
    dns.release()
    assert len({tuple(await lookup) for lookup in lookups}) == 1
    assert len(dns.asked) == 1


async def test_one_who_gives_up_does_not_end_the_lookup_of_others(
    resolver: Resolver, dns: LoopbackDns
) -> None:
    dns.hold()
    first, second = (asyncio.create_task(resolver.mx("example.org")) for _ in range(2))
    await until_asked(dns, 1)
    first.cancel()
    await asyncio.wait([first])
    dns.release()
    assert len(await second) == 2
    assert first.cancelled()
    assert len(dns.asked) == 1


async def test_R_162_a_lookup_that_nobody_waits_for_ends(resolver: StubResolver, dns: LoopbackDns) -> None:
    dns.hold()
    descriptors, tasks = open_files(), len(asyncio.all_tasks())
    lookups = [asyncio.create_task(resolver.addresses(f"x{n}.test")) for n in range(20)]
    await until_asked(dns, 40)
    for lookup in lookups:
        lookup.cancel()
    await asyncio.wait(lookups)
    while len(asyncio.all_tasks()) > tasks:
        await asyncio.sleep(0)
    assert open_files() == descriptors
    dns.release()
    assert len(await resolver.mx("example.org")) == 2


async def test_a_question_may_be_asked_again_at_once_after_it_was_given_up(
    resolver: Resolver, dns: LoopbackDns
) -> None:
    dns.hold()
    lookup = asyncio.create_task(resolver.mx("example.org"))
    await until_asked(dns, 1)
    lookup.cancel()
    dns.release()
    again = asyncio.create_task(resolver.mx("example.org"))
    assert len(await again) == 2
    assert lookup.cancelled()


async def test_R_162_lookups_under_way_are_bounded(resolver: Resolver, dns: LoopbackDns) -> None:
    dns.hold()
    lookups = [asyncio.create_task(resolver.txt(f"x{n}.test")) for n in range(LOOKUPS_MAX)]
    await until_asked(dns, 1)
    with pytest.raises(DnsError, match="too many lookups") as caught:
        await resolver.txt("one.more.test")
    assert caught.value.transient
    for lookup in lookups:
        lookup.cancel()
    await asyncio.wait(lookups)


async def test_R_161_aliases_that_the_server_does_not_follow_are_followed(
    resolver: Resolver, dns: LoopbackDns
) -> None:
    dns.put("a.test", Answer(["CNAME b.test"], chased=False))
    dns.put("b.test", Answer(["7 CNAME mx.example.org"], chased=False))
    assert len(await resolver.addresses("a.test")) == 3
    dns.put("c.test", Answer(["CNAME nobody.test"], chased=False))
    with pytest.raises(DnsError, match=r"c\.test: no such name") as caught:
        await resolver.mx("c.test")
    assert not caught.value.transient


@pytest.mark.parametrize("chased", [True, False])
async def test_R_161_loops_and_long_chains_of_aliases_are_transient_failures(
    resolver: Resolver, dns: LoopbackDns, chased: bool
) -> None:
    dns.put("a.test", Answer(["CNAME b.test"], chased=chased))
    dns.put("b.test", Answer(["CNAME a.test"], chased=chased))
    for n in range(20):
        dns.put(f"{n}.test", Answer([f"CNAME {n + 1}.test"], chased=chased))
    dns.put("20.test", ["MX 10 mx.test"])
    for name in ("a.test", "0.test"):
        with pytest.raises(DnsError, match="chain of aliases") as caught:
            await resolver.mx(name)
        assert caught.value.transient


async def test_R_161_500_targets_come_over_tcp(resolver: Resolver, dns: LoopbackDns) -> None:
    dns.put("x.test", [f"MX {n} mx{n}.example.org" for n in range(500)])
    assert len(await resolver.mx("x.test")) == 500


async def test_hosts_come_before_dns_and_are_read_again_when_they_change(
    tmp_path: Path, clock: SimulatedClock
) -> None:
    files = SystemFiles(tmp_path / "hosts", tmp_path / "resolv.conf")
    files.hosts.write_text("192.0.2.9 mx.example.org\n2001:db8::9 mx.example.org\n")
    resolver = StubResolver(clock, os.urandom, files=files)
    assert await resolver.addresses("MX.example.org.") == [ip_address("192.0.2.9"), ip_address("2001:db8::9")]
    assert await resolver.addresses("mx.example.org", 6) == [ip_address("2001:db8::9")]
    assert await resolver.names(ip_address("2001:db8::9")) == ["mx.example.org"]
    files.hosts.write_text("192.0.2.8 mx.example.org mx\n")
    clock.advance(5)
    assert await resolver.addresses("mx.example.org") == [ip_address("192.0.2.8")]
    assert await resolver.names(ip_address("192.0.2.8")) == ["mx.example.org", "mx"]


async def test_override_skips_hosts(dns: LoopbackDns, clock: SimulatedClock, tmp_path: Path) -> None:
    files = SystemFiles(tmp_path / "hosts", tmp_path / "resolv.conf")
    files.hosts.write_text("192.0.2.9 mx.example.org\n192.0.2.1 wrong.example.org\n")
    resolver = StubResolver(clock, os.urandom, override=dns.address, files=files)
    assert len(await resolver.addresses("mx.example.org")) == 3
    assert "wrong.example.org" not in await resolver.names(ip_address("192.0.2.1"))


async def test_servers_come_from_resolv_conf(tmp_path: Path, clock: SimulatedClock) -> None:
    files = SystemFiles(tmp_path / "hosts", tmp_path / "resolv.conf")
    files.resolv_conf.write_text("nameserver 127.77.77.77\n")  # nobody listens on its port 53
    resolver = StubResolver(clock, os.urandom, files=files)
    with pytest.raises(DnsError, match=r"127\.77\.77\.77") as caught:
        await resolver.mx("example.org")
    assert caught.value.transient


async def test_a_silent_server_is_a_transient_failure_after_the_time_out(
    dns: LoopbackDns, clock: SimulatedClock
) -> None:
    resolver = StubResolver(clock, os.urandom, override=dns.address, timeout=0.05)
    dns.put("slow.test", Answer(silent=True))
    with pytest.raises(DnsError, match="timed out") as caught:
        await resolver.txt("slow.test")
    assert caught.value.transient


async def test_closing_gives_up_what_is_under_way(dns: LoopbackDns, clock: SimulatedClock) -> None:
    resolver = StubResolver(clock, os.urandom, override=dns.address)
    dns.hold()
    lookup = asyncio.create_task(resolver.mx("example.org"))
    await until_asked(dns, 1)
    await resolver.aclose()
    with pytest.raises(asyncio.CancelledError):
        await lookup
