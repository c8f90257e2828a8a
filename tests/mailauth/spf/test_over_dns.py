"""Our own resolver, and a server on loopback."""

import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import pytest

from posthouse.mailauth.spf import Result, check_host
from posthouse.net.resolver import StubResolver
from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.world import SimulatedClock
from posthouse.wire.dns.message import Rcode

LONG = "v=spf1 " + "ip4:198.51.100.1 " * 150  # 10 strings, over TCP
ZONE: Mapping[str, Sequence[str] | Answer] = {
    "example.org": [
        "MX 10 mx.example.net",
        f"TXT {LONG} mx ptr exists:%{{ir}}.%{{l}}._spf.%{{d}} redirect=b.example.org",
    ],
    "b.example.org": ["TXT something else", "TXT v=spf1 a:mx.example.org//64 -all"],
    "mx.example.org": ["A 192.0.2.1", "AAAA 2001:db8::1"],
    "MX.example.net": ["CNAME mx.example.org"],
    ip_address("192.0.2.2").reverse_pointer: ["PTR out.Example.org"],
    "out.example.org": ["A 192.0.2.2"],
    "3.2.0.192.ann._spf.example.org": ["A 127.0.0.2"],
    "servfail.example.org": Answer(rcode=Rcode.SERVFAIL),
}


@pytest.mark.parametrize(
    ("ip", "sender", "result"),
    [
        pytest.param("192.0.2.1", "ann@Example.ORG", Result.PASS, id="mx"),
        pytest.param("192.0.2.2", "ann@example.org", Result.PASS, id="ptr"),
        pytest.param("192.0.2.3", "ann@example.org", Result.PASS, id="exists"),
        pytest.param("192.0.2.3", "bob@example.org", Result.FAIL, id="redirect"),
        pytest.param("192.0.2.9", "ann@b.example.org", Result.FAIL, id="no match"),
        pytest.param("2001:db8::2", "ann@b.example.org", Result.PASS, id="IPv6"),
        pytest.param("192.0.2.1", "ann@nobody.example.org", Result.NONE, id="no such domain"),
        pytest.param("192.0.2.1", "ann@mx.example.org", Result.NONE, id="no record"),
        pytest.param("192.0.2.1", "ann@servfail.example.org", Result.TEMPERROR, id="SERVFAIL"),
    ],
)
async def test_results_over_dns(ip: str, sender: str, result: Result) -> None:
    async with LoopbackDns(ZONE) as dns:
        resolver = StubResolver(SimulatedClock(), os.urandom, override=dns.address)
        domain = sender.rpartition("@")[2]
        found = await check_host(ip_address(ip), domain, sender, "mx.example.net", resolver)
        await resolver.aclose()
    assert found.result is result
