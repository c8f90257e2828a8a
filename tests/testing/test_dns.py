import asyncio

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest

from posthouse.testing.dns import Answer, LoopbackDns


async def ask(server: LoopbackDns, name: str, kind: str, *, tcp: bool = False) -> dns.message.Message:
    """Ask with dnspython, which reads strictly."""
    query = dns.message.make_query(name, kind, use_edns=0)
    exchange = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
    return await exchange(query, "127.0.0.1", port=server.port, timeout=5)


@pytest.mark.parametrize("tcp", [False, True])
@pytest.mark.parametrize(
    "record",
    [
        "A 192.0.2.1",
        "AAAA 2001:db8::1",
        "MX 10 mx.example.org.",
        "PTR host.example.org.",
        "MX 0 .",
        "CNAME x.test.",
    ],
)
async def test_answers_are_what_the_zone_says(record: str, tcp: bool) -> None:
    kind, data = record.split(" ", 1)
    async with LoopbackDns({"Example.org": [f"77 {record}"]}) as server:
        message = await ask(server, "example.org", kind, tcp=tcp)
        assert [rrset.to_text() for rrset in message.answer] == [f"example.org. 77 IN {kind} {data}"]
        assert server.asked == [("example.org", kind, "tcp" if tcp else "udp")]


async def test_long_texts_are_split_and_truncated_over_udp() -> None:
    async with LoopbackDns({"example.org": ["TXT " + "x" * 2000]}) as server:
        assert (await ask(server, "example.org", "TXT")).flags & dns.flags.TC
        (answer,) = (await ask(server, "example.org", "TXT", tcp=True)).answer
        assert b"".join(answer[0].strings) == b"x" * 2000


async def test_missing_names_and_missing_records_differ_and_have_a_soa() -> None:
    async with LoopbackDns({"example.org": ["A 192.0.2.1"]}) as server:
        nothing = await ask(server, "example.org", "MX")
        nobody = await ask(server, "example.net", "MX")
    assert (nothing.rcode(), nobody.rcode()) == (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    assert len(nothing.authority) == len(nobody.authority) == 1


async def test_aliases_are_followed() -> None:
    zone: dict[str, list[str] | Answer] = {
        "a.test": ["CNAME b.test"],
        "b.test": ["A 192.0.2.1"],
        "c.test": Answer(["CNAME b.test"], chased=False),
    }
    async with LoopbackDns(zone) as server:
        assert len((await ask(server, "a.test", "A")).answer) == 2
        assert len((await ask(server, "c.test", "A")).answer) == 1


async def test_answers_wait_until_they_are_released() -> None:
    async with LoopbackDns({"example.org": ["A 192.0.2.1"]}) as server:
        server.hold()
        question = asyncio.create_task(ask(server, "example.org", "A"))
        while not server.asked:
            await asyncio.sleep(0)
        assert not question.done()
        server.release()
        assert len((await question).answer) == 1
