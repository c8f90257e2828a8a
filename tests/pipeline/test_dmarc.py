"""DMARC in a pipeline: looked up beside the checks, judged by what they found, applied to the message."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from posthouse.core import spans
from posthouse.core.errors import MailError
from posthouse.core.world import DnsError
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import AuthResult, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.mailauth import domains
from posthouse.mailauth.dmarc.record import Mode
from posthouse.message.header import Header
from posthouse.pipeline.blocks import Rules, SourceRules
from posthouse.pipeline.facts import NOT_RUN, CheckAsked, Fact, Named
from posthouse.pipeline.rehearsal import Rehearsal
from posthouse.testing.checks import CheckList, ToldCheck
from posthouse.testing.pipeline import envelope, only, pipeline, send, to, told
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeResolver
from posthouse.wire.smtp.reply import Reply

FROM = b"From: ann@example.net\r\nSubject: hi\r\n\r\n"
RECORD = "_dmarc.example.net"
DKIM = AuthResult("dkim", "pass", "", {"header.d": "example.net", "header.i": "@example.net"})
NO_DKIM = AuthResult("dkim", "none")
SPF = AuthResult("spf", "pass", "", {"smtp.helo": "mx.example.com", "smtp.mailfrom": "example.net"})
NO_SPF = AuthResult("spf", "fail", "", {"smtp.helo": "mx.example.com", "smtp.mailfrom": "example.com"})
REFUSED = Reply(550, (5, 7, 1), "DMARC check failed")
REFUSED_NOW = Reply(450, (4, 7, 1), "DMARC check failed")
SERVFAIL = DnsError("SERVFAIL", transient=True)


def policy(text: str) -> FakeResolver:
    return FakeResolver(txts={RECORD: [f"v=DMARC1; {text}".encode()]})


def saying(*results: AuthResult) -> ToldCheck:
    """A check that gives these results of the message."""
    return ToldCheck({Stage.BODY: Verdict(auth_results=results)})


def judging(target: KeptTarget, check: ToldCheck, mode: Mode | None = Mode.TREE) -> Rules:
    return replace(only(to(target), checks=[check]), dmarc=mode)


async def judged(
    resolver: FakeResolver, *results: AuthResult, header: bytes = FROM, mode: Mode | None = Mode.TREE
) -> tuple[str, Envelope]:
    """`dmarc=` and what follows in Authentication-Results; the envelope. Raises MailError."""
    target, message = KeptTarget(), envelope()
    rules = judging(target, saying(*results), mode)
    await send(pipeline(rules, resolver=resolver), message, "bob@example.org", header=header)
    field = target.messages[0].header.decode().partition("\r\nSubject:")[0].replace("\r\n ", " ")
    return field.partition("; dmarc=")[2].partition("\r\n")[0], message


@pytest.mark.parametrize("results", [(DKIM, NO_SPF), (NO_DKIM, SPF), (DKIM, SPF)])
async def test_an_aligned_identifier_is_enough(results: Sequence[AuthResult]) -> None:
    found, message = await judged(policy("p=reject"), *results)
    assert found == "pass header.from=example.net"
    assert not message.quarantine


async def test_the_name_of_the_client_is_what_spf_is_of_without_sender() -> None:
    spf = AuthResult("spf", "pass", "", {"smtp.helo": "mx.example.net", "smtp.mailfrom": ""})
    assert (await judged(policy("p=reject"), NO_DKIM, spf))[0] == "pass header.from=example.net"


async def test_none_lets_in_what_fails() -> None:
    found, message = await judged(policy("p=none"), NO_DKIM, NO_SPF)
    assert found == 'fail reason="No aligned identifiers" header.from=example.net'
    assert not message.quarantine


async def test_quarantine_is_what_the_policy_wants() -> None:
    found, message = await judged(policy("p=quarantine"), NO_DKIM, NO_SPF)
    assert found.startswith("fail ")
    assert message.quarantine
    (line,) = told(message, "quarantined")
    assert (line["check"], line["reason"]) == ("dmarc", "No aligned identifiers")


async def test_reject_is_what_the_policy_wants() -> None:
    other = AuthResult("dkim", "pass", "", {"header.d": "example.com"})
    with pytest.raises(MailError) as refused:
        await judged(policy("p=reject"), other, NO_DKIM, NO_SPF)
    assert refused.value.reply == REFUSED
    assert refused.value.fields == {
        "check": "dmarc",
        "reason": "No aligned identifiers",
        "dkim_res": "pass, none",
        "dkim_domain": "example.com, ",
        "spf_res": "fail",
        "spf_from": "example.com",
    }


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        ([AuthResult("dkim", "temperror", "", DKIM.properties), NO_SPF], "DKIM authentication temp error"),
        ([NO_DKIM, AuthResult("spf", "temperror", "", SPF.properties)], "SPF authentication temp error"),
    ],
)
async def test_what_may_be_good_is_to_be_sent_again(results: Sequence[AuthResult], reason: str) -> None:
    with pytest.raises(MailError) as refused:
        await judged(policy("p=reject"), *results)
    assert (refused.value.reply, refused.value.fields["reason"]) == (REFUSED_NOW, reason)


async def test_a_policy_that_cannot_be_looked_up_is_to_be_sent_again() -> None:
    with pytest.raises(MailError) as refused:
        await judged(FakeResolver(txts={RECORD: SERVFAIL}), DKIM, SPF)
    assert refused.value.reply == REFUSED_NOW
    assert refused.value.fields["reason"] == "Policy lookup failed: SERVFAIL"


@pytest.mark.parametrize("results", [(), (DKIM,), (SPF,), (NO_DKIM,), (NO_SPF,)])
async def test_both_checks_are_needed(results: Sequence[AuthResult]) -> None:
    found, _ = await judged(policy("p=reject"), *results)
    assert found == (
        'none reason="Not enough information (required checks are disabled)" header.from=example.net'
    )


async def test_no_policy_is_none() -> None:
    assert (await judged(FakeResolver(), NO_DKIM, NO_SPF))[0] == "none header.from=example.net"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"From: ann@example.net\r\nFrom: eve@example.com\r\n", '"several From fields"'),
        (b"From: ann@example.net, eve@example.com\r\n", '"several addresses in From"'),
        (b"To: ann@example.net\r\n", '"no From field"'),
    ],
)
async def test_R_154_without_one_author_it_is_permerror_and_let_in(header: bytes, reason: str) -> None:
    resolver = policy("p=reject")
    found, message = await judged(resolver, NO_DKIM, NO_SPF, header=header + b"Subject: hi\r\n\r\n")
    assert found == f"permerror reason={reason}"
    assert not message.quarantine
    assert resolver.asked == []


async def test_it_is_off_unless_it_is_asked_for() -> None:
    resolver = policy("p=reject")
    assert (await judged(resolver, NO_DKIM, NO_SPF, mode=None))[0] == ""
    assert resolver.asked == []


async def test_the_mode_decides_how_the_policy_is_found() -> None:
    header = b"From: ann@a.b.example.net\r\nSubject: hi\r\n\r\n"
    resolver = policy("p=none; sp=quarantine")
    walked, message = await judged(resolver, NO_DKIM, NO_SPF, header=header)
    assert (walked.split(" ")[0], message.quarantine) == ("fail", True)
    assert ("txt", "_dmarc.b.example.net") in resolver.asked
    resolver = policy("p=none; sp=quarantine")
    listed, message = await judged(resolver, NO_DKIM, NO_SPF, header=header, mode=Mode.PSL)
    assert (listed.split(" ")[0], message.quarantine) == ("fail", True)
    assert resolver.asked == [("txt", "_dmarc.a.b.example.net"), ("txt", "_dmarc.example.net")]


async def test_no_name_is_asked_twice() -> None:
    resolver = policy("p=reject")
    await judged(resolver, DKIM, SPF)
    assert resolver.asked == [("txt", RECORD)]


async def test_a_pipeline_without_checks_needs_no_task() -> None:
    target = KeptTarget()
    rules = Rules(SourceRules("x.conf:1", to(target)), dmarc=Mode.TREE)
    send_it = send(pipeline(rules, resolver=policy("p=reject")), envelope(), "bob@example.org", header=FROM)
    tasks = asyncio.all_tasks()
    await send_it
    assert asyncio.all_tasks() == tasks
    assert b"dmarc=none reason=" in target.messages[0].header


class Watching(ToldCheck):
    """A check that looks at what DNS is asked meanwhile."""

    resolver = FakeResolver()
    seen: Sequence[tuple[str, str]] = ()

    async def hear(self, what: str, subject: str) -> None:
        await asyncio.sleep(0)
        self.seen = tuple(self.resolver.asked)


async def test_the_policy_is_looked_up_while_checks_look_at_the_message() -> None:
    check = Watching(saying(DKIM, SPF).says)
    check.resolver = policy("p=reject")
    rules = judging(KeptTarget(), check)
    await send(pipeline(rules, resolver=check.resolver), envelope(), "bob@example.org", header=FROM)
    assert check.seen == (("txt", RECORD),)


async def test_a_look_up_ends_when_a_check_rejects() -> None:
    reason = MailError(Reply(550, (5, 7, 1), "spam"))
    check = ToldCheck({Stage.BODY: Verdict(reason, reject=True)})
    resolver = FakeResolver(silent=frozenset({RECORD}))
    with pytest.raises(MailError) as refused:
        await send(
            pipeline(judging(KeptTarget(), check), resolver=resolver), envelope(), "b@x.test", header=FROM
        )
    assert refused.value is reason
    assert (resolver.waiting, check.open, len(asyncio.all_tasks())) == (0, 0, 1)


async def test_a_look_up_ends_when_the_client_leaves() -> None:
    check = saying(DKIM, SPF)
    resolver = FakeResolver(silent=frozenset({RECORD}))
    sending = asyncio.create_task(
        send(pipeline(judging(KeptTarget(), check), resolver=resolver), envelope(), "b@x.test", header=FROM)
    )
    while not resolver.waiting:
        await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert (resolver.waiting, check.open, len(asyncio.all_tasks())) == (0, 0, 1)


async def test_results_of_pipelines_below_do_not_count() -> None:
    target = KeptTarget()
    below = only(to(target), checks=[saying(DKIM, SPF)])
    rules = Rules(
        SourceRules("x.conf:1", to(below)), checks=(CheckList((saying(NO_DKIM, NO_SPF),)),), dmarc=Mode.TREE
    )
    with pytest.raises(MailError) as refused:
        await send(pipeline(rules, resolver=policy("p=reject")), envelope(), "bob@example.org", header=FROM)
    assert refused.value.reply == REFUSED


async def test_each_recipient_of_a_partial_delivery_hears_of_it() -> None:
    rules = judging(KeptTarget(), saying(NO_DKIM, NO_SPF))
    delivery = await pipeline(rules, resolver=policy("p=reject")).start_delivery(envelope(), "ann@a.test")
    await delivery.add_recipient("bob@example.org")
    statuses = await delivery.body_partial(Header.parse(FROM), MemoryBody(b""))
    await delivery.abort()
    error = statuses["bob@example.org"]
    assert isinstance(error, MailError)
    assert error.reply == REFUSED


async def test_the_look_up_is_a_span() -> None:
    events: list[bytes] = []
    spans.start(events.append)
    try:
        whole = spans.MessageSpans("Incoming Message", "1234abcd")
        await whole.around("DATA", judged(policy("p=none"), DKIM, SPF))
    finally:
        spans.stop()
    assert "DMARC/FetchRecord" in [json.loads(event)["name"] for event in events]


async def test_a_rehearsal_says_that_only_delivery_can_tell() -> None:
    facts: list[Fact] = []
    resolver = policy("p=reject")
    rules = judging(KeptTarget(), saying(NO_DKIM, NO_SPF))
    rehearsed = replace(
        pipeline(rules, resolver=resolver), rehearsal=Rehearsal(facts.append, lambda what: Named("x"))
    )
    message = envelope()
    await send(rehearsed, message, "bob@example.org", header=FROM)
    assert CheckAsked(Named("dmarc"), "body", "", NOT_RUN, reason="it looks at the message itself") in facts
    assert resolver.asked == []
    assert message.is_rehearsed


async def test_a_pipeline_with_the_list_of_public_suffixes_reads_it_at_its_start() -> None:
    domains._suffixes.cache_clear()
    await pipeline(judging(KeptTarget(), saying())).start()
    assert domains._suffixes.cache_info().currsize == 0
    await pipeline(Rules(SourceRules("", to(judging(KeptTarget(), saying(), Mode.PSL))))).start()
    assert domains._suffixes.cache_info().currsize == 1
