"""check.spf: who is asked about, what is done about the answer and when, and when DMARC decides instead."""

import asyncio
from collections.abc import Callable

import pytest

from posthouse.core.world import DnsError
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import PASS, AuthResult, Check, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.mailauth.dmarc.evaluation import Dmarc
from posthouse.mailauth.dmarc.record import Mode
from posthouse.message.header import Header
from posthouse.modules.check import spf
from posthouse.testing.world import FakeResolver, FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

SERVFAIL = DnsError("SERVFAIL", transient=True)
EARLY = "enforce_early yes"
RECORDS = {  # by the result for 192.0.2.7
    "pass": b"v=spf1 ip4:192.0.2.0/24 -all",
    "fail": b"v=spf1 -all",
    "softfail": b"v=spf1 ~all",
    "neutral": b"v=spf1 ?all",
    "permerror": b"v=spf1 what",
}
HEADER = Header.parse(b"From: bob@author.example\r\n\r\n")


@pytest.fixture
def dns(fake: FakeWorld) -> FakeResolver:
    return fake.resolver


def block(*directives: str) -> str:
    return "spf {\n" + "\n".join(directives) + "\n}"


async def verdicts(check: Check, envelope: Envelope, header: Header = HEADER) -> tuple[Verdict, Verdict]:
    """Of the connection stage, and of the body stage where that is one of the check."""
    state = check.start_check(envelope)
    try:
        early = await state.check_connection()
        late = await state.check_body(header, MemoryBody(b"")) if Stage.BODY in check.stages else PASS
    finally:
        await state.close()
    return early, late


async def early(check: Check, envelope: Envelope) -> Verdict:
    return (await verdicts(check, envelope))[0]


def what(verdict: Verdict) -> str:
    if verdict.reason is None:
        return "passed"
    return "rejected" if verdict.reject else "quarantined" if verdict.quarantine else "noted"


def said(verdict: Verdict) -> Reply | None:
    return None if verdict.reason is None else verdict.reason.reply


def publish(dns: FakeResolver, result: str, domain: str = "example.net") -> None:
    if result == "temperror":
        dns.txts = {domain: SERVFAIL}
    elif result != "none":
        dns.txts = {domain: [RECORDS[result]]}


# --- who is asked about


@pytest.mark.parametrize(
    ("sender", "hello", "asked", "mail_from"),
    [
        ("bob@example.net", "mx.example.org", "example.net", "example.net"),
        ("", "mx.example.org", "mx.example.org", ""),
        ("postmaster", "mx.example.org", "mx.example.org", ""),
        ("bob@bücher.example", "mx.example.org", "xn--bcher-kva.example", "bücher.example"),
        ("jürgen@example.net", "mx.example.org", "example.net", "example.net"),
    ],
)
async def test_the_domain_of_the_sender_is_asked_about_else_the_name_of_the_client(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    sender: str,
    hello: str,
    asked: str,
    mail_from: str,
) -> None:
    publish(dns, "pass", asked)
    verdict = await early(configured(block(EARLY)), envelope_of(sender=sender, hello=hello))
    properties = {"smtp.helo": hello, "smtp.mailfrom": mail_from}
    (result,) = verdict.auth_results
    assert (result.method, result.value, result.properties) == ("spf", "pass", properties)
    assert dns.asked == [("txt", asked)]


async def test_macros_see_the_postmaster_of_the_client_where_there_is_no_sender(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.txts = {"mx.example.org": [b"v=spf1 exists:%{l}.%{h}.seen.example -all"]}
    await early(configured(block(EARLY)), envelope_of(sender="", hello="mx.example.org"))
    assert dns.asked[-1] == ("a", "postmaster.mx.example.org.seen.example")


@pytest.mark.parametrize(
    ("sender", "hello"),
    [("bob", "mx.example.org"), ("bob@xn--a-.example", "mx.example.org"), ("", "xn--a-.example")],
)
@pytest.mark.parametrize("text", ["spf", block(EARLY, "fail_action ignore")])
async def test_what_is_no_address_is_rejected(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, sender: str, hello: str, text: str
) -> None:
    verdict = await early(configured(text), envelope_of(sender=sender, hello=hello))
    assert (what(verdict), said(verdict)) == ("rejected", Reply(550, (5, 1, 7), "Malformed address"))
    assert dns.asked == []


@pytest.mark.parametrize("text", ["spf", block(EARLY)])
@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"is_local": True}, "locally-generated message, skipping"),
        ({"ip": ""}, "no TCP connection, skipping"),
    ],
)
async def test_other_clients_are_skipped(
    fake: FakeWorld,
    configured: Configure,
    envelope_of: MakeEnvelope,
    how: dict[str, object],
    told: str,
    text: str,
) -> None:
    before = asyncio.all_tasks()
    assert await verdicts(configured(text), envelope_of(**how)) == (PASS, PASS)
    assert fake.resolver.asked == []
    assert fake.log.fields_of("spf", told)
    assert asyncio.all_tasks() == before


# --- what is done about it

RESULTS = [
    ("none", "noted", Reply(550, (5, 7, 23), "No SPF policy")),
    ("neutral", "noted", Reply(550, (5, 7, 23), "Neutral SPF result is not permitted")),
    ("pass", "passed", None),
    ("fail", "quarantined", Reply(550, (5, 7, 23), "SPF authentication failed")),
    ("softfail", "noted", Reply(550, (5, 7, 23), "SPF authentication soft-failed")),
    ("permerror", "noted", Reply(550, (5, 7, 23), "SPF authentication failed with a permanent error")),
    ("temperror", "noted", Reply(451, (4, 7, 23), "SPF authentication failed with a temporary error")),
]


@pytest.mark.parametrize(("result", "default", "reply"), RESULTS)
async def test_each_result_has_its_reply_and_default_action(
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    result: str,
    default: str,
    reply: Reply | None,
) -> None:
    publish(dns, result)
    at_mail = await early(configured(block(EARLY)), envelope_of())
    first, at_end = await verdicts(configured("spf"), envelope_of())
    assert first == PASS
    for verdict in (at_mail, at_end):
        assert (what(verdict), said(verdict)) == (default, reply)
        assert [one.value for one in verdict.auth_results] == [result]
        assert all(one.reason for one in verdict.auth_results)
        if verdict.reason is not None:
            assert verdict.reason.fields["check"] == "check.spf"


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ("none", "none"),
        ("neutral", "neutral"),
        ("fail", "fail"),
        ("softfail", "softfail"),
        ("permerror", "permerr"),
        ("temperror", "temperr"),
    ],
)
async def test_each_result_has_its_directive(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, result: str, name: str
) -> None:
    publish(dns, result)
    check = configured(block(f'{name}_action reject 450 4.7.99 "not so"'))
    _, verdict = await verdicts(check, envelope_of())
    assert (what(verdict), said(verdict)) == ("rejected", Reply(450, (4, 7, 99), "not so"))


async def test_no_policy_is_the_reason_of_none(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    _, verdict = await verdicts(configured("spf"), envelope_of())
    properties = {"smtp.helo": "client.example.net", "smtp.mailfrom": "example.net"}
    assert verdict.auth_results == (AuthResult("spf", "none", "no policy", properties),)


async def test_R_150_dns_that_takes_too_long_is_a_temporary_error(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spf, "TIME_LIMIT", 0)
    dns.silent = frozenset({"example.net"})
    verdict = await early(configured(block(EARLY)), envelope_of())
    assert [one.value for one in verdict.auth_results] == ["temperror"]
    assert dns.waiting == 0


# --- in the background


async def test_the_evaluation_goes_on_while_the_message_does(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    publish(dns, "pass")
    state = configured("spf").start_check(envelope_of())
    assert await state.check_connection() == PASS
    await asyncio.sleep(0)
    assert dns.asked == [("txt", "example.net")]
    await state.close()


async def test_the_evaluation_ends_with_the_message(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.silent = frozenset({"example.net"})
    before = asyncio.all_tasks()
    state = configured("spf").start_check(envelope_of())
    await state.check_connection()
    await asyncio.sleep(0)
    assert dns.waiting == 1
    await state.close()
    assert (dns.waiting, asyncio.all_tasks()) == (0, before)


async def test_a_crash_that_nobody_hears_of_is_logged(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*asked: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr(spf, "check_host", crash)
    state = configured("spf").start_check(envelope_of())
    await state.check_connection()
    await asyncio.sleep(0)
    await state.close()
    (fields,) = fake.log.fields_of("test", "a task in the background failed")
    assert fields["reason"] == "oops"
    with pytest.raises(RuntimeError):
        await verdicts(configured("spf"), envelope_of())
    assert len(fake.log.fields_of("test", "a task in the background failed")) == 1


async def test_a_rehearsal_hears_the_result_and_leaves_nothing_behind(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    publish(dns, "fail")
    envelope = envelope_of()
    envelope.is_rehearsed = True
    before = asyncio.all_tasks()
    verdict = await configured("spf").start_check(envelope).check_connection()
    assert (what(verdict), said(verdict)) == ("noted", Reply(550, (5, 7, 23), "SPF authentication failed"))
    assert asyncio.all_tasks() == before


# --- when DMARC decides


@pytest.mark.parametrize(
    ("policy", "author", "expected"),
    [
        (b"v=DMARC1; p=reject", "author.example", "passed"),
        (b"v=DMARC1; p=quarantine", "author.example", "passed"),
        (b"v=DMARC1; p=none", "author.example", "quarantined"),
        (b"v=DMARC1; p=none; sp=reject", "sub.author.example", "passed"),
        (b"v=DMARC1; p=reject; sp=none", "sub.author.example", "quarantined"),
        (b"something else", "author.example", "quarantined"),
    ],
)
async def test_a_policy_of_the_author_defers_the_action(
    fake: FakeWorld,
    dns: FakeResolver,
    configured: Configure,
    envelope_of: MakeEnvelope,
    policy: bytes,
    author: str,
    expected: str,
) -> None:
    dns.txts = {"example.net": [RECORDS["fail"]], "_dmarc.author.example": [policy]}
    header = Header.parse(f"From: bob@{author}\r\n\r\n".encode())
    _, verdict = await verdicts(configured("spf"), envelope_of(), header)
    assert what(verdict) == expected
    assert [one.value for one in verdict.auth_results] == ["fail"]
    told = fake.log.fields_of("spf", "deferring action due to a DMARC policy")
    assert [(one["result"], one["err"]) for one in told] == [("fail", "matched -all")] * (
        expected == "passed"
    )


@pytest.mark.parametrize(
    "header", [b"From: a@author.example\r\nFrom: b@author.example\r\n\r\n", b"Subject: hi\r\n\r\n"]
)
async def test_without_one_author_spf_acts(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope, header: bytes
) -> None:
    dns.txts = {"example.net": [RECORDS["fail"]], "_dmarc.author.example": [b"v=DMARC1; p=reject"]}
    _, verdict = await verdicts(configured("spf"), envelope_of(), Header.parse(header))
    assert what(verdict) == "quarantined"


async def test_a_policy_that_dns_does_not_tell_defers_nothing(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.txts = {"example.net": [RECORDS["fail"]], "_dmarc.author.example": SERVFAIL}
    assert what((await verdicts(configured("spf"), envelope_of()))[1]) == "quarantined"


async def test_the_policy_that_the_pipeline_has_looked_up_is_not_asked_for_again(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.txts = {"example.net": [RECORDS["fail"]], "_dmarc.author.example": [b"v=DMARC1; p=reject"]}
    envelope = envelope_of()
    envelope.dmarc = Dmarc([b"bob@author.example"], dns, Mode.PSL)
    await envelope.dmarc.policy()
    assert what((await verdicts(configured("spf"), envelope))[1]) == "passed"
    assert sorted(dns.asked) == [("txt", "_dmarc.author.example"), ("txt", "example.net")]


async def test_enforced_early_dmarc_is_not_asked(
    dns: FakeResolver, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    dns.txts = {"example.net": [RECORDS["fail"]], "_dmarc.author.example": [b"v=DMARC1; p=reject"]}
    check = configured(block(EARLY))
    assert what(await early(check, envelope_of())) == "quarantined"
    assert check.stages == {Stage.CONNECTION}
    assert dns.asked == [("txt", "example.net")]
