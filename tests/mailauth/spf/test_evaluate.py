import asyncio
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.world import DnsError
from posthouse.mailauth.spf import Result, SpfResult, check_host
from posthouse.mailauth.spf.limits import QUERIES_MAX, RECORD_MAX
from posthouse.testing.world import FakeResolver, FakeWorld

IP = "192.0.2.1"
SERVFAIL = DnsError("SERVFAIL", transient=True)


def policies(**texts: str) -> Mapping[str, Sequence[bytes]]:
    """TXT records by the first label of names under example.org."""
    return {f"{name}.example.org": [text.encode()] for name, text in texts.items()}


def at(ip: str, names: Iterable[str]) -> dict[str, Sequence[str]]:
    """Addresses of hosts that all have the same."""
    return {name: [ip] for name in names}


async def check(resolver: FakeResolver, *, ip: str = IP, sender: str = "ann@a.example.org") -> SpfResult:
    domain = sender.rpartition("@")[2]
    return await check_host(ip_address(ip), domain, sender, "mx.example.net", resolver)


async def result(resolver: FakeResolver, *, ip: str = IP, sender: str = "ann@a.example.org") -> Result:
    return (await check(resolver, ip=ip, sender=sender)).result


async def test_a_result_tells_what_matched() -> None:
    resolver = FakeResolver(txts=policies(a="v=spf1 include:b.example.org ~all", b="v=spf1 ip4:192.0.2.1"))
    text = "include:b.example.org"
    assert await check(resolver) == SpfResult(Result.PASS, f"matched {text}", text)
    assert await check(resolver, ip="192.0.2.2") == SpfResult(Result.SOFTFAIL, "matched ~all", "~all")
    assert await check(resolver, sender="ann@c.example.org") == SpfResult(Result.NONE, "no policy")


@pytest.mark.parametrize(
    "domain", ["", ".", "org", "org.", "a..org", f"{'x' * 64}.org", "[192.0.2.1]", "é.org", "a." * 200]
)
async def test_what_is_no_full_domain_name_is_not_looked_up(domain: str) -> None:
    resolver = FakeResolver()
    assert await result(resolver, sender=f"ann@{domain}") is Result.NONE
    assert resolver.asked == []


async def test_only_records_of_the_clients_version_are_asked_for() -> None:
    hosts = {"a.example.org": [IP, "2001:db8::1"]}
    txts = policies(a="v=spf1 a mx exists:e.example.org")
    for ip, kind in (
        (IP, "a"),
        ("2001:db8::1", "aaaa"),
        ("::ffff:192.0.2.1", "a"),
        ("2001:db8::1%eth0", "aaaa"),
    ):
        resolver = FakeResolver(a=hosts, txts=txts)
        assert await result(resolver, ip=ip) is Result.PASS
        assert resolver.asked == [("txt", "a.example.org"), (kind, "a.example.org")]
    resolver = FakeResolver(
        txts=policies(a="v=spf1 exists:e.example.org"), a={"e.example.org": ["127.0.0.2"]}
    )
    assert await result(resolver, ip="2001:db8::1") is Result.PASS
    assert resolver.asked[1:] == [("a", "e.example.org")]


async def test_names_hold_octets_as_they_are_written() -> None:
    """A backslash is no escape, and a blank is one octet of a label."""
    txts = policies(a=r"v=spf1 exists:a\046b%_.example.org")
    resolver = FakeResolver(txts=txts, a={r"a\\046b\032.example.org": ["127.0.0.2"]})
    assert await result(resolver) is Result.PASS


async def test_a_local_part_that_is_not_ascii_matches_nothing() -> None:
    """RFC 8616 §4."""
    for spec in ("%{l}", "%{L}", "%{s}"):
        resolver = FakeResolver(txts=policies(a="v=spf1" + f" exists:{spec}.example.org" * 3 + " -all"))
        assert await result(resolver, sender="jürgen@a.example.org") is Result.FAIL
        assert resolver.asked == [("txt", "a.example.org")]


@pytest.mark.parametrize(
    ("sender", "name"),
    [("a.example.org", "postmaster"), ("@a.example.org", "postmaster"), ('"x@y"@a.example.org', '"x@y"')],
)
async def test_the_local_part_of_the_sender(sender: str, name: str) -> None:
    resolver = FakeResolver(
        txts=policies(a="v=spf1 exists:%{l}.example.org"), a={f"{name}.example.org": [IP]}
    )
    assert await result(resolver, sender=sender) is Result.PASS


async def test_the_clients_name_is_best_the_domain_itself_then_one_below_it() -> None:
    record = policies(a="v=spf1 exists:%{p}._spf.example.net")
    names = ["c.example.org", "b.a.example.org", "a.example.org", r"x\010.a.example.org"]
    for _ in range(len(names)):
        resolver = FakeResolver(txts=record, a={name: [IP] for name in names}, ptrs={IP: names})
        await check(resolver)
        best = names[-2] if len(names) > 1 else "unknown"
        assert resolver.asked[-1] == ("a", f"{best}._spf.example.net")
        del names[-2:-1]


@pytest.mark.parametrize(
    "resolver",
    [
        pytest.param(FakeResolver(txts={"a.example.org": SERVFAIL}), id="record"),
        pytest.param(FakeResolver(txts=policies(a="v=spf1 a -all"), a={"a.example.org": SERVFAIL}), id="a"),
        pytest.param(
            FakeResolver(txts=policies(a="v=spf1 mx -all"), mxs={"a.example.org": SERVFAIL}), id="mx"
        ),
        pytest.param(
            FakeResolver(
                txts=policies(a="v=spf1 mx -all"),
                mxs={"a.example.org": [(1, "b.example.org")]},
                a={"b.example.org": SERVFAIL},
            ),
            id="exchange",
        ),
        pytest.param(
            FakeResolver(txts=policies(a="v=spf1 exists:b.example.org -all"), a={"b.example.org": SERVFAIL}),
            id="exists",
        ),
        pytest.param(
            FakeResolver(
                txts={**policies(a="v=spf1 include:b.example.org -all"), "b.example.org": SERVFAIL},
            ),
            id="include",
        ),
        pytest.param(
            FakeResolver(txts={**policies(a="v=spf1 redirect=b.example.org"), "b.example.org": SERVFAIL}),
            id="redirect",
        ),
    ],
)
async def test_R_160_what_dns_cannot_tell_is_temperror(resolver: FakeResolver) -> None:
    assert await check(resolver) == SpfResult(Result.TEMPERROR, "DNS failed: 'SERVFAIL'")


async def test_R_160_what_is_not_there_is_no_match() -> None:
    assert await result(FakeResolver(txts=policies(a="v=spf1 a mx -all"))) is Result.FAIL


async def test_failures_of_dns_about_the_client_are_not_the_domains() -> None:
    """RFC 7208 §5.5."""
    txts = policies(a="v=spf1 ptr a:%{p}.example.org -all")
    assert await result(FakeResolver(txts=txts, ptrs={IP: SERVFAIL})) is Result.FAIL
    assert (
        await result(FakeResolver(txts=txts, ptrs={IP: ["a.example.org"]}, a={"a.example.org": SERVFAIL}))
        is Result.FAIL
    )


# --- limits


@pytest.mark.parametrize("term", ["a:ok.example.org", "mx", "ptr", "include:ok.example.org"])
async def test_R_150_ten_terms_may_ask_dns(term: str) -> None:
    for count, wanted in ((10, Result.FAIL), (11, Result.PERMERROR)):
        resolver = FakeResolver(
            txts=policies(a="v=spf1" + f" -{term}" * count + " -all", ok="v=spf1 ?all"),
            a={"ok.example.org": ["127.0.0.1"]},
            mxs={"a.example.org": [(10, "ok.example.org")]},
            ptrs={IP: ["ok.example.org"]},
        )
        assert await result(resolver) is wanted
        assert len(resolver.asked) <= QUERIES_MAX


async def test_R_150_terms_of_includes_and_redirects_count_together() -> None:
    txts = policies(
        a="v=spf1 include:b.example.org redirect=c.example.org",
        b="v=spf1 a a a a a -all",
        c="v=spf1 a a a ip4:192.0.2.1",
        d="v=spf1 include:b.example.org redirect=e.example.org",
        e="v=spf1 a a a a ip4:192.0.2.1",
    )
    resolver = FakeResolver(txts=txts, a=at("127.0.0.1", txts))
    assert await result(resolver) is Result.PASS
    assert await result(resolver, sender="ann@d.example.org") is Result.PERMERROR


async def test_R_150_loops_of_includes_and_redirects_end() -> None:
    for record in (
        "v=spf1 include:a.example.org",
        "v=spf1 redirect=a.example.org",
        "v=spf1 include:b.example.org",
    ):
        resolver = FakeResolver(txts=policies(a=record, b="v=spf1 redirect=a.example.org"))
        assert await check(resolver) == SpfResult(Result.PERMERROR, "more than 10 terms that ask DNS")
        assert len(resolver.asked) == 11


async def test_R_150_two_terms_may_find_nothing() -> None:
    for terms, wanted in (
        ("a:x.example.org a:y.example.org", Result.FAIL),
        ("a:x.example.org mx exists:y.example.org", Result.PERMERROR),
        ("a:x.example.org a:x.example.org a:x.example.org", Result.PERMERROR),
        (
            "a:x.example.org exists:y..example.org mx:z..example.org ptr:..org mx",
            Result.FAIL,
        ),  # not asked for
        ("ptr ptr ptr ptr", Result.FAIL),  # one question
    ):
        assert await result(FakeResolver(txts=policies(a=f"v=spf1 {terms} -all"))) is wanted


async def test_R_150_mail_exchanges_without_addresses_of_the_version_are_one_void_term() -> None:
    """RFC 7208 §4.6.4 counts terms: three exchanges that have IPv4 only are no error for a client of IPv6."""
    exchanges = [f"mx{n}.example.org" for n in range(3)]
    resolver = FakeResolver(
        txts=policies(a="v=spf1 mx -all"),
        mxs={"a.example.org": [(10, name) for name in exchanges]},
        a=at("192.0.2.9", exchanges),
    )
    assert await result(resolver, ip="2001:db8::1") is Result.FAIL


async def test_R_150_ten_mx_names() -> None:
    for count, wanted in ((10, Result.PASS), (11, Result.PERMERROR), (500, Result.PERMERROR)):
        names = [f"mx{n}.example.org" for n in range(count)]
        resolver = FakeResolver(
            txts=policies(a="v=spf1 mx"),
            mxs={"a.example.org": list(enumerate(names))},
            a=at("127.0.0.1", names[:9]) | at(IP, names[9:]),
        )
        assert await result(resolver) is wanted
        assert len(resolver.asked) == (12 if wanted is Result.PASS else 2)


async def test_R_150_ten_ptr_names() -> None:
    names = [f"x{n}.a.example.org" for n in range(500)]
    resolver = FakeResolver(
        txts=policies(a="v=spf1 ptr ptr:example.org exists:%{p}.example.org -all"),
        ptrs={IP: names},
        a=at("127.0.0.1", names[:10]) | at(IP, names[10:]),
    )
    assert await result(resolver) is Result.FAIL
    assert resolver.asked[-1] == ("a", "unknown.example.org")
    assert len(resolver.asked) == 1 + 1 + 10 + 1


async def test_R_150_macros_that_would_expand_to_a_megabyte() -> None:
    term = "exists:" + "%{s}" * 1900 + ".example.org"
    assert len(term) < RECORD_MAX
    resolver = FakeResolver(txts=policies(a=f"v=spf1 {term} -all"))
    assert await result(resolver, sender="x." * 250 + "@a.example.org") is Result.FAIL
    assert len(resolver.asked[-1][1]) <= 253


async def test_R_150_an_explanation_is_never_fetched() -> None:
    txts: dict[str, Sequence[bytes]] = {
        **policies(a="v=spf1 -all exp=e.example.org"),
        "e.example.org": [b"x\r\ny"],
    }
    resolver = FakeResolver(txts=txts)
    assert await check(resolver) == SpfResult(Result.FAIL, "matched -all", "-all")
    assert resolver.asked == [("txt", "a.example.org")]


async def test_R_150_line_ends_in_a_record_reach_nobody() -> None:
    for record in (
        "v=spf1 exp=a\r\nX: y.example.org -all",
        "v=spf1 -all\r\nX",
        "v=spf1 x=\x1b[0m",
        "v=spf1 a:\r\n",
    ):
        found = await check(FakeResolver(txts=policies(a=record)))
        assert found.result is Result.PERMERROR
        assert found.reason.isascii()
        assert found.reason.isprintable()


async def test_R_150_long_records_are_read_to_their_end() -> None:
    """Over 450 octets, and as many as fit; the strings of a record are joined by the resolver."""
    networks = " ".join(f"ip4:10.{n >> 8}.{n & 255}.0/24" for n in range(400))
    assert (
        await result(FakeResolver(txts=policies(a=f"v=spf1 {networks} ip4:192.0.2.0/24 -all"))) is Result.PASS
    )
    found = await check(FakeResolver(txts=policies(a="v=spf1" + " a" * 4096 + " +all")))
    assert found == SpfResult(Result.PERMERROR, "record too long")
    mechanism = f"exists:{'x.' * 1000}example.org"
    resolver = FakeResolver(
        txts=policies(a=f"v=spf1 {mechanism}"), a={("x." * 121) + "example.org": ["127.0.0.2"]}
    )
    found = await check(resolver)
    assert found.result is Result.PASS
    assert found.mechanism == mechanism[:100]


async def test_R_150_an_evaluation_ends_with_its_callers_time(tmp_path: Path) -> None:
    resolver = FakeResolver(silent=frozenset({"a.example.org"}))
    with FakeWorld(tmp_path, resolver=resolver), pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await check(resolver)


# --- whatever the records say

NAMES = [f"{label}.example.org" for label in "abc"]
domains = st.sampled_from(
    [*NAMES, "x.example.org", "%{p}", "%{l}.example.org", "%{ir}.%{v}.arpa", "b%{h1}.c%{S5r-}.%{d3}"]
)
lengths = st.sampled_from(["", "/24", "//64", "/0//0"])
mechanisms = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(["include", "exists", "ptr"]), domains),
    st.builds("{}:{}{}".format, st.sampled_from(["a", "mx"]), domains, lengths),
    st.builds("{}{}".format, st.sampled_from(["a", "mx"]), lengths),
    st.sampled_from(["all", "ptr", "ip4:192.0.2.0/28", "ip6:2001:db8::/120", "moo"]),
)
directives = st.builds(str.__add__, st.sampled_from(["", "+", "-", "?", "~"]), mechanisms)
terms = directives | st.builds("redirect={}".format, domains) | st.sampled_from(["x=y", "exp=a.example.org"])
records = st.lists(terms, max_size=14).map(lambda found: " ".join(["v=spf1", *found]).encode())
addresses = st.sampled_from(["192.0.2.1", "192.0.2.77", "2001:db8::1", "2001:db8::ffff", "::ffff:192.0.2.1"])


def zone(values: st.SearchStrategy[list[object]]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(NAMES), values | st.just(SERVFAIL), max_size=3)


@given(
    st.builds(
        FakeResolver,
        txts=st.fixed_dictionaries(dict.fromkeys(NAMES, st.lists(records, min_size=1, max_size=1))),
        a=zone(st.lists(addresses, max_size=3)),
        mxs=zone(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["", *NAMES])), max_size=12)),
        ptrs=st.dictionaries(
            addresses, st.lists(st.sampled_from([*NAMES, r"\000.example.org"]), max_size=12)
        ),
    ),
    addresses,
    st.sampled_from(["ann@a.example.org", "a..b-c@a.example.org", "é@a.example.org"]),
    st.text(max_size=20),
)
async def test_R_150_no_records_ask_more_than_the_limit(
    resolver: FakeResolver, ip: str, sender: str, helo: str
) -> None:
    found = await check_host(ip_address(ip), "a.example.org", sender, helo, resolver)
    assert found.result is not Result.NONE
    assert found.reason.isascii()
    assert found.reason.isprintable()
    assert len(resolver.asked) <= QUERIES_MAX
    assert bool(found.mechanism) == found.reason.startswith("matched ")


@given(st.binary(max_size=300), st.text(max_size=30), st.text(max_size=30))
async def test_any_text_record_and_any_client_has_a_result(record: bytes, sender: str, helo: str) -> None:
    resolver = FakeResolver(txts={"a.example.org": [b"v=spf1 " + record]})
    found = await check_host(ip_address(IP), "a.example.org", sender, helo, resolver)
    assert found.result in Result
    assert (await check_host(ip_address(IP), sender, sender, helo, FakeResolver())).result is Result.NONE


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(0, 32))
async def test_ip4_matches_as_networks_do(ip: object, other: object, length: int) -> None:
    await _matches_as_networks_do(str(ip), str(other), length, f"ip4:{other}/{length}", f"a/{length}")


@given(st.ip_addresses(v=6), st.ip_addresses(v=6), st.integers(0, 128))
async def test_ip6_matches_as_networks_do(ip: object, other: object, length: int) -> None:
    await _matches_as_networks_do(str(ip), str(other), length, f"ip6:{other}/{length}", f"a//{length}")


async def _matches_as_networks_do(ip: str, other: str, length: int, *terms: str) -> None:
    client = ip_address(ip)
    mapped = getattr(client, "ipv4_mapped", None)
    is_inside = mapped is None and client in ip_network(f"{other}/{length}", strict=False)
    for term in terms:
        resolver = FakeResolver(txts=policies(a=f"v=spf1 {term} -all"), a={"a.example.org": [other]})
        assert await result(resolver, ip=ip) is (Result.PASS if is_inside else Result.FAIL)
