"""check.dnsbl: what is asked, what counts, what it costs, and what lists may do to us."""

import asyncio
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from posthouse.core.world import DnsError
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.check import PASS, Check, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.modules.check.dnsbl import Dnsbl
from posthouse.modules.check.dnsbl.asking import ANSWERS_MAX, REASON_MAX
from posthouse.testing.world import FakeResolver, FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

SERVFAIL = DnsError("SERVFAIL", transient=True)
LISTED = Reply(554, (5, 7, 0), "Client identity is listed in the used DNSBL")
UNKNOWN = Reply(451, (4, 7, 0), "DNS error during policy check")
CLIENT = "7.2.0.192"  # the address of the client, turned around
NIBBLES = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"


@pytest.fixture
def dns(fake: FakeWorld) -> FakeResolver:
    return fake.resolver


def block(text: str) -> str:
    """A check whose directives are parted by semicolons."""
    return "dnsbl {\n" + text.replace("; ", "\n") + "\n}"


async def at_connection(check: Check, envelope: Envelope) -> Verdict:
    return await check.start_check(envelope).check_connection()


def what(verdict: Verdict) -> str:
    if verdict.reason is None:
        return "passed"
    return "rejected" if verdict.reject else "quarantined" if verdict.quarantine else "noted"


def fields(verdict: Verdict) -> dict[str, object]:
    assert verdict.reason is not None
    return verdict.reason.log_fields()


# --- what is asked


async def test_the_octets_of_an_address_are_asked_turned_around_for_a_records_only(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"]}
    verdict = await at_connection(configured("dnsbl bl.test"), envelope_of())
    assert (verdict.quarantine, verdict.reject) == (True, False)
    assert verdict.reason is not None
    assert verdict.reason.reply == LISTED
    assert dns.asked == [("a", f"{CLIENT}.bl.test"), ("txt", f"{CLIENT}.bl.test")]


async def test_the_nibbles_of_an_ipv6_address_are_asked_turned_around(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{NIBBLES}.bl.test": ["127.0.0.2"]}
    assert (
        what(await at_connection(configured(block("bl.test")), envelope_of(ip="2001:db8::1")))
        == "quarantined"
    )


@pytest.mark.parametrize(
    ("directives", "ip", "asked"),
    [
        ("bl.test { ; client_ipv4 no; }", "192.0.2.7", False),
        ("bl.test { ; client_ipv6 no; }", "192.0.2.7", True),
        ("bl.test { ; client_ipv4 no; }", "2001:db8::1", True),
        ("bl.test { ; client_ipv6 no; }", "2001:db8::1", False),
    ],
)
async def test_a_list_is_asked_about_the_addresses_that_it_is_for(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    directives: str,
    ip: str,
    asked: bool,
) -> None:
    await at_connection(configured(block(directives)), envelope_of(ip=ip))
    assert bool(dns.asked) is asked


async def test_lists_that_are_arguments_are_not_asked_about_ipv6(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    assert await at_connection(configured("dnsbl bl.test"), envelope_of(ip="2001:db8::1")) == PASS
    assert dns.asked == []


@pytest.mark.parametrize(
    ("hello", "asked"),
    [
        ("client.example.net", "client.example.net.bl.test"),
        ("Client.Example.Net.", "client.example.net.bl.test"),
        ("bücher.example", "xn--bcher-kva.example.bl.test"),
        ("localhost", "localhost.bl.test"),
        ("[192.0.2.7]", None),
        ("[IPv6:2001:db8::1]", None),
        ("192.0.2.7", None),
        ("192.0.2.7.", None),
        (".", None),
        ("", None),
        ("xn--a-.example", None),
    ],
)
async def test_the_name_of_ehlo_is_asked_where_it_is_one(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, hello: str, asked: str | None
) -> None:
    check = configured(block("bl.test { ; client_ipv4 no; ehlo yes; }"))
    await at_connection(check, envelope_of(hello=hello))
    assert dns.asked == ([("a", asked)] if asked else [])


async def test_one_hit_of_a_list_counts_the_address_first(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    name = "client.example.net.bl.test"
    check = configured(block("bl.test { ; ehlo; }; reject_threshold 2"))
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"], name: ["127.0.0.2"]}
    verdict = await at_connection(check, envelope_of())
    assert what(verdict) == "quarantined"
    assert fields(verdict)["listed_identity"] == "192.0.2.7"
    dns.a = {name: ["127.0.0.2"]}
    assert fields(await at_connection(check, envelope_of()))["listed_identity"] == "client.example.net"


async def test_all_lists_are_asked_at_once(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.silent = frozenset({f"{CLIENT}.one.test", f"{CLIENT}.two.test"})
    check = configured("dnsbl one.test two.test")
    task = asyncio.create_task(at_connection(check, envelope_of()))
    while dns.waiting < 2:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert dns.waiting == 0


async def test_what_did_not_come_over_tcp_is_not_asked_about(
    fake: FakeWorld, dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    check = configured(block("bl.test { ; ehlo; mailfrom; }"))
    for envelope in (envelope_of(is_local=True), envelope_of(ip="")):
        state = check.start_check(envelope)
        assert await state.check_connection() == PASS
        assert await state.check_sender("bob@example.net") == PASS
    assert dns.asked == []
    assert fake.log.lines == [
        'dnsbl: locally-generated message, skipping\t{"msg_id":"0a1b2c3d"}',
        'dnsbl: no TCP connection, skipping\t{"msg_id":"0a1b2c3d"}',
    ]


# --- what counts


@pytest.mark.parametrize(
    ("directives", "answers", "outcome"),
    [
        pytest.param("", ["127.0.0.2"], "quarantined", id="default"),
        pytest.param("", ["127.0.1.2"], "passed", id="outside of the default"),
        pytest.param("", ["127.0.1.2", "127.0.0.3"], "quarantined", id="one of several"),
        pytest.param("", [], "passed", id="no data"),
        pytest.param("responses 127.0.1.2 10.0.0.0/8", ["10.1.2.3"], "quarantined", id="responses"),
        pytest.param("responses 127.0.1.2 10.0.0.0/8", ["127.0.0.2"], "passed", id="not in responses"),
        pytest.param("score 5", ["127.0.0.2"], "rejected", id="score"),
        pytest.param("score 0", ["127.0.0.2"], "passed", id="no score"),
        pytest.param("score -1", ["127.0.0.2"], "passed", id="good clients"),
    ],
)
async def test_answers_about_addresses_count_when_they_are_in_responses(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    directives: str,
    answers: list[str],
    outcome: str,
) -> None:
    dns.a = {f"{CLIENT}.bl.test": answers}
    check = configured(block(f"reject_threshold 5; bl.test {{ ; {directives}; }}"))
    assert what(await at_connection(check, envelope_of())) == outcome


@pytest.mark.parametrize("kind", ["argument", "name"])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param("127.0.0.2", "quarantined", id="listed"),
        pytest.param("127.9.8.7", "quarantined", id="any of them"),
        pytest.param("203.0.113.1", "passed", id="R-072: the zone has become somebody's web site"),
        pytest.param("127.255.255.254", "passed", id="R-072: the list refuses to answer"),
    ],
)
async def test_any_answer_of_lists_counts_for_names_and_where_nothing_else_is_said(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    kind: str,
    answer: str,
    outcome: str,
) -> None:
    dns.a = {f"{CLIENT}.bl.test": [answer], "client.example.net.bl.test": [answer]}
    named = block("bl.test { ; client_ipv4 no; ehlo; responses 192.0.2.1; }")
    check = configured("dnsbl bl.test" if kind == "argument" else named)
    assert what(await at_connection(check, envelope_of())) == outcome


RESPONSES = block(
    "quarantine_threshold 3; reject_threshold 10; bl.test { ; score 3"
    "; response 127.0.0.2 127.0.0.3 { ; score 4; message first; }"
    "; response 127.0.0.0/24 { ; score 6; message second; }"
    "; response 127.0.1.0/24 { ; score 2; }; response 127.0.1.9 { ; score -2; message ninth; }; }"
)


@pytest.mark.parametrize(
    ("answers", "outcome", "text"),
    [
        pytest.param(["127.0.0.9"], "quarantined", "second", id="one block"),
        pytest.param(["127.0.0.2", "127.0.0.3"], "rejected", "first", id="each counts once, and adds up"),
        pytest.param(["127.0.1.1"], "passed", "", id="not enough"),
        pytest.param(["127.0.1.9"], "quarantined", LISTED.text, id="a sum of 0 is the score of the list"),
        pytest.param(["127.0.2.1"], "passed", "", id="no block"),
    ],
)
async def test_response_blocks_give_score_and_message(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    answers: list[str],
    outcome: str,
    text: str,
) -> None:
    dns.a = {f"{CLIENT}.bl.test": answers}
    verdict = await at_connection(configured(RESPONSES), envelope_of())
    assert what(verdict) == outcome
    assert (verdict.reason.reply.text if verdict.reason else "") == text


async def test_scores_of_lists_add_up_and_good_ones_help(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.{zone}.test": ["127.0.0.2"] for zone in ("one", "two", "good")}
    lists = "reject_threshold 3; one.test two.test { ; score 2; }; good.test { ; score -1; }"
    assert what(await at_connection(configured(block(lists)), envelope_of())) == "rejected"
    dns.a = {f"{CLIENT}.{zone}.test": ["127.0.0.2"] for zone in ("one", "good")}
    assert what(await at_connection(configured(block(lists)), envelope_of())) == "quarantined"


async def test_the_messages_of_lists_and_what_is_logged_are_joined(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.{zone}.test": ["127.0.0.2"] for zone in ("one", "two", "three")}
    dns.txts = {f"{CLIENT}.one.test": [b"open relay", b"see http://one.test"]}
    told = "{ ; response 127.0.0.2 { ; score 1; message %s; }; }"
    check = configured(block(f"one.test {told % 'One'}; two.test; three.test {told % 'Three'}"))
    verdict = await at_connection(check, envelope_of())
    assert verdict.reason is not None
    assert verdict.reason.reply.text == "One; Three"
    assert fields(verdict) | {
        "check": "dnsbl",
        "module": "check.dnsbl",
        "list": "one.test; two.test; three.test",
        "listed_identity": "192.0.2.7; 192.0.2.7; 192.0.2.7",
        "reason": "open relay; see http://one.test; 127.0.0.2; 127.0.0.2",
    } == fields(verdict)


# --- hostile and failing lists


async def test_R_161_thousands_of_addresses_and_endless_texts_are_cut(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    many = [str(ip_address("127.0.1.0") + number) for number in range(4000)]
    dns.a = {f"{CLIENT}.bl.test": [*many[:ANSWERS_MAX], "127.0.0.2"]}
    assert await at_connection(configured(block("bl.test")), envelope_of()) == PASS
    dns.a = {f"{CLIENT}.bl.test": many}
    assert (
        len(str(fields(await at_connection(configured("dnsbl bl.test"), envelope_of()))["reason"]))
        == REASON_MAX
    )
    dns.txts = {f"{CLIENT}.bl.test": [b"\xff\x00" * 30_000] * 1000}
    assert (
        len(str(fields(await at_connection(configured("dnsbl bl.test"), envelope_of()))["reason"]))
        == REASON_MAX
    )


async def test_R_163_what_a_list_says_has_no_control_characters(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"]}
    dns.txts = {f"{CLIENT}.bl.test": ["spam\r\n\x1b[2J\u202e é".encode()]}
    assert (
        fields(await at_connection(configured("dnsbl bl.test"), envelope_of()))["reason"] == "spam???[2J? é"
    )


@pytest.mark.parametrize("error", [SERVFAIL, DnsError("timed out", transient=True)])
async def test_R_072_a_list_that_fails_lets_mail_in_and_is_logged(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, error: DnsError
) -> None:
    dns.a = {f"{CLIENT}.bl.test": error}
    verdict = await at_connection(configured("dnsbl bl.test other.test"), envelope_of())
    assert what(verdict) == "noted"
    assert fields(verdict)["list"] == "bl.test"
    assert fields(verdict)["reason"] == str(error)


async def test_R_160_a_list_that_fails_may_be_configured_to_reject_for_now(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bad.test": SERVFAIL, f"{CLIENT}.bl.test": ["127.0.0.2"]}
    check = configured(block("dns_error_action reject; bad.test bl.test"))
    verdict = await at_connection(check, envelope_of())
    assert what(verdict) == "rejected"
    assert verdict.reason is not None
    assert verdict.reason.reply == UNKNOWN
    check = configured(block("dns_error_action reject; reject_threshold 1; bad.test bl.test"))
    verdict = await at_connection(check, envelope_of())
    assert verdict.reason is not None
    assert verdict.reason.reply == LISTED


async def test_failing_lists_do_not_hide_others_that_know_the_client(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bad.test": SERVFAIL, f"{CLIENT}.bl.test": ["127.0.0.2"]}
    for action in ("ignore", "quarantine"):
        check = configured(block(f"dns_error_action {action}; bad.test bl.test"))
        assert fields(await at_connection(check, envelope_of()))["list"] == "bl.test"


async def test_a_silent_list_is_given_up(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.modules.check.dnsbl.asking.TIMEOUT", 0)
    dns.silent = frozenset({f"{CLIENT}.bl.test"})
    verdict = await at_connection(configured("dnsbl bl.test"), envelope_of())
    assert fields(verdict)["reason"] == "timed out"


async def test_a_list_that_does_not_say_why_has_its_answers_logged(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2", "127.0.0.4"]}
    dns.txts = {f"{CLIENT}.bl.test": SERVFAIL}
    verdict = await at_connection(configured("dnsbl bl.test"), envelope_of())
    assert fields(verdict)["reason"] == "127.0.0.2; 127.0.0.4"


# --- when


async def test_a_client_is_refused_early_where_that_is_wanted(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"]}

    async def early(directives: str) -> tuple[object, str]:
        check, envelope = configured(block(f"{directives}; bl.test")), envelope_of()
        assert isinstance(check, Dnsbl)
        refused = await check.check_early(_connection(envelope))
        return refused and refused.reply, what(await at_connection(check, envelope))

    assert await early("check_early; reject_threshold 1") == (LISTED, "rejected")
    assert await early("check_early") == (None, "quarantined")
    assert await early("reject_threshold 1") == (None, "rejected")


async def test_a_connection_is_asked_about_once_for_all_its_messages(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"]}
    check, envelope = configured(block("check_early; bl.test")), envelope_of()
    assert isinstance(check, Dnsbl)
    await check.check_early(_connection(envelope))
    for _ in range(3):
        assert what(await at_connection(check, envelope)) == "quarantined"
    assert dns.asked.count(("a", f"{CLIENT}.bl.test")) == 1
    await at_connection(check, envelope_of())
    assert dns.asked.count(("a", f"{CLIENT}.bl.test")) == 2


def _connection(envelope: Envelope) -> Connection:
    assert envelope.connection is not None
    return envelope.connection


# --- the sender


async def test_the_domain_of_the_sender_is_asked_in_the_sender_stage_and_added(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    check = configured(
        block("quarantine_threshold 1; reject_threshold 2; ip.test; from.test { ; mailfrom; }")
    )
    dns.a = {f"{CLIENT}.ip.test": ["127.0.0.2"], "example.com.from.test": ["127.0.0.2"]}
    state = check.start_check(envelope_of())
    assert what(await state.check_connection()) == "quarantined"
    assert await state.check_sender("bob@example.org") == PASS
    assert await state.check_sender("") == PASS
    verdict = await state.check_sender("Bob@Example.COM")
    assert what(verdict) == "rejected"
    assert fields(verdict)["listed_identity"] == "192.0.2.7; example.com"


async def test_a_list_that_knows_the_client_is_not_counted_again_for_the_sender(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {f"{CLIENT}.bl.test": ["127.0.0.2"], "example.com.bl.test": ["127.0.0.2"]}
    state = configured(block("reject_threshold 2; bl.test { ; mailfrom; }")).start_check(envelope_of())
    assert what(await state.check_connection()) == "quarantined"
    assert await state.check_sender("bob@example.com") == PASS
    assert ("a", "example.com.bl.test") not in dns.asked


async def test_a_sender_domain_that_is_the_name_of_ehlo_is_not_asked_twice(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    directives = "both.test { ; client_ipv4 no; ehlo; mailfrom; }; from.test { ; client_ipv4 no; mailfrom; }"
    state = configured(block(directives)).start_check(envelope_of(hello="Example.com"))
    await state.check_connection()
    await state.check_sender("bob@example.COM")
    assert dns.asked == [("a", "example.com.both.test"), ("a", "example.com.from.test")]


@pytest.mark.parametrize("sender", ["bob", "Postmaster", "bob@[192.0.2.1]", "bob@xn--a-.example", '"a"@'])
async def test_senders_without_a_name_are_not_asked_about(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, sender: str
) -> None:
    check = configured(block("bl.test { ; client_ipv4 no; mailfrom; }"))
    assert await check.start_check(envelope_of()).check_sender(sender) == PASS
    assert dns.asked == []


async def test_a_list_that_fails_for_the_sender_is_told_of(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.a = {"example.com.bl.test": SERVFAIL}
    check = configured(block("dns_error_action reject; bl.test { ; client_ipv4 no; mailfrom; }"))
    verdict = await check.start_check(envelope_of()).check_sender("bob@example.com")
    assert verdict.reason is not None
    assert (verdict.reject, verdict.reason.reply) == (True, UNKNOWN)


def test_only_checks_with_lists_for_senders_look_at_them(configured: Configure) -> None:
    assert configured("dnsbl bl.test").stages == {Stage.CONNECTION}
    assert configured(block("bl.test { ; mailfrom; }")).stages == {Stage.CONNECTION, Stage.SENDER}


# --- the configuration


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ("check_erly yes", "unexpected directive: check_erly: neither a directive nor a domain"),
        ("bl.test { ; scores 2; }", "unexpected directive: scores"),
        ("bl.test { ; score -1; ehlo; }", "score below 0 may not be asked for names"),
        ("bl.test { ; mailfrom; response 127.0.0.2 { ; score -1; }; }", "score below 0"),
        ("bl.test { ; response 127.0.0.2 { ; message x; }; }", "missing required directive: score"),
        ("bl.test { ; response { ; score 1; }; }", "expected at least one argument"),
        ("bl.test { ; response x { ; score 1; }; }", "expected IP addresses or networks: 'x'"),
        ("bl.test { ; responses x; }", "expected IP addresses or networks: 'x'"),
        ("bl.test a..b", "empty or long label in domain name"),
        ("quarantine_threshold many", "invalid integer: many"),
    ],
)
def test_mistakes_are_told(configured: Configure, directives: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(block(directives))
    assert text in str(caught.value)


def test_a_typing_error_is_shown_what_may_be_meant(configured: Configure) -> None:
    with pytest.raises(ConfigError, match="did you mean check_early"):
        configured(block("check_erly yes"))


def test_an_argument_that_is_no_domain_is_a_mistake(configured: Configure) -> None:
    with pytest.raises(ConfigError, match="the zone of a list is expected"):
        configured('dnsbl ""')


# --- the test of lists


async def tried(fake: FakeWorld, check: Check) -> list[str]:
    """What is logged about lists until all of them are tried."""
    assert isinstance(check, Dnsbl)
    await check.start()
    assert check._trying is not None
    await check._trying
    await check.stop()
    return [line.removeprefix("dnsbl: ") for line in fake.log.lines]


async def test_lists_that_are_well_are_not_talked_about(fake: FakeWorld, configured: Configure) -> None:
    nibbles = "2.0.0.0.0.0.f.7.f.f.f.f." + ".".join("0" * 20)
    labels = ("2.0.0.127", nibbles, "test")
    fake.resolver.a = {f"{label}.bl.test": ["127.0.0.2"] for label in labels}
    assert await tried(fake, configured(block("bl.test { ; ehlo; mailfrom; }"))) == []
    assert len(fake.resolver.asked) == 6


async def test_lists_that_are_dead_or_list_all_or_fail_are_told_of(
    fake: FakeWorld, configured: Configure
) -> None:
    fake.resolver.a = {
        "2.0.0.127.all.test": ["127.0.0.2"],
        "1.0.0.127.all.test": ["127.0.0.2"],
        "2.0.0.127.bad.test": SERVFAIL,
    }
    assert await tried(fake, configured("dnsbl dead.test all.test bad.test")) == [
        'DNS list lacks the test entry: it may be dead\t{"entry":"2.0.0.127","list":"dead.test"}',
        'DNS list has an entry that none may have: it may list all\t{"entry":"1.0.0.127","list":"all.test"}',
        'DNS list cannot be tested\t{"list":"bad.test","reason":"SERVFAIL"}',
    ]


async def test_the_start_does_not_wait_for_silent_lists_and_the_stop_gives_them_up(
    fake: FakeWorld, configured: Configure
) -> None:
    fake.resolver.silent = frozenset({"2.0.0.127.bl.test"})
    check = configured("dnsbl bl.test")
    assert isinstance(check, Dnsbl)
    await check.start()
    while not fake.resolver.waiting:
        await asyncio.sleep(0)
    await check.stop()
    assert fake.resolver.waiting == 0
    assert fake.log.lines == []
