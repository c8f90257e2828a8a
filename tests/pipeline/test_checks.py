"""Checks of a message are asked once, in their stages, together; what they find has one order."""

import asyncio
from dataclasses import replace

import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.actions import REJECTED
from posthouse.framework.interfaces.check import AuthResult, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.message.header import Header
from posthouse.pipeline.blocks import DestinationRules, Rules, SourceRules
from posthouse.testing.checks import CheckList, ToldCheck, ToldModifier
from posthouse.testing.pipeline import envelope, only, pipeline, send, to, told
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

SPAM = MailError(Reply(550, (5, 7, 1), "spam"), module="check.told", score=9)
BUSY = MailError(Reply(452, (4, 3, 1), "full"), module="check.told")
REJECT = Verdict(SPAM, reject=True)
QUARANTINE = Verdict(SPAM, quarantine=True)
BOTH = Verdict(SPAM, quarantine=True, reject=True)
CONNECTED = [("connection", ""), ("sender", "ann@example.net")]
BODY = ("body", "Subject: hi\r\n")


def by_sender(check: ToldCheck, destination: DestinationRules) -> Rules:
    """A pipeline with one source block, and a check in it."""
    return Rules(SourceRules("x.conf:1", destination, checks=(CheckList((check,)),)))


async def test_a_check_hears_the_stages_of_a_message_in_order() -> None:
    check, target = ToldCheck(), KeptTarget()
    await send(pipeline(only(to(target), checks=[check])), envelope(), "bob@example.org", "eve@example.org")
    recipients = [("recipient", "bob@example.org"), ("recipient", "eve@example.org")]
    assert check.calls == [*CONNECTED, *recipients, BODY]
    assert check.open == 0


async def test_a_check_is_not_asked_in_stages_that_are_not_its_own() -> None:
    check = ToldCheck(stages=frozenset({Stage.SENDER}))
    await send(pipeline(only(to(KeptTarget()), checks=[check])), envelope(), "bob@example.org")
    assert check.calls == CONNECTED[1:]


async def test_a_check_of_several_levels_has_one_state_and_hears_everything_once() -> None:
    check = ToldCheck()
    source = SourceRules("x.conf:1", to(KeptTarget(), checks=[check]), checks=(CheckList((check, check)),))
    rules = Rules(source, checks=(CheckList((check,)), CheckList((check,))))
    await send(pipeline(rules), envelope(), "bob@example.org")
    assert check.calls == [*CONNECTED, ("recipient", "bob@example.org"), BODY]


async def test_a_check_that_is_met_late_hears_what_it_missed_and_that_counts() -> None:
    late = ToldCheck({"bob@example.org": Verdict(auth_results=(AuthResult("spf", "pass"),))})
    domain = to(KeptTarget(), checks=[late])
    target = KeptTarget()
    source = SourceRules("x.conf:1", to(target), {"@example.com": domain})
    rules = Rules(source)
    await send(pipeline(rules), envelope(), "bob@example.org", "eve@example.org", "joe@example.com")
    missed = [("recipient", "bob@example.org"), ("recipient", "eve@example.org")]
    assert late.calls == [*CONNECTED, *missed, ("recipient", "joe@example.com"), BODY]
    assert b"Authentication-Results: mx.example.org; spf=pass" in target.messages[0].header


async def test_each_level_sees_the_sender_and_the_recipients_as_they_are_there() -> None:
    first, second, third = ToldCheck(), ToldCheck(), ToldCheck()
    source = SourceRules("x.conf:1", to(KeptTarget(), checks=[third]), checks=(CheckList((second,)),))
    modifier = ToldModifier({"ann@example.net": "Ann@new.example"}, {"bob@example.org": ("b@new.example",)})
    rules = replace(only(to(), checks=[first], modifiers=[modifier]), default=source)
    await send(pipeline(rules), envelope(), "bob@example.org")
    assert first.calls[1:3] == [("sender", "ann@example.net"), ("recipient", "bob@example.org")]
    assert second.calls[1:3] == [("sender", "Ann@new.example"), ("recipient", "bob@example.org")]
    assert third.calls[1:4] == [
        ("sender", "Ann@new.example"),
        ("recipient", "bob@example.org"),
        ("recipient", "b@new.example"),
    ]


@pytest.mark.parametrize("stage", Stage)
async def test_a_check_rejects_in_any_stage_and_nothing_is_left(stage: Stage) -> None:
    check, target = ToldCheck({stage: REJECT}), KeptTarget()
    with pytest.raises(MailError) as refused:
        await send(pipeline(only(to(target), checks=[check])), envelope(), "bob@example.org")
    assert refused.value is SPAM
    assert (check.open, target.open, target.messages) == (0, 0, [])


@pytest.mark.parametrize("stage", Stage)
async def test_a_check_that_raises_is_a_temporary_failure(stage: Stage) -> None:
    check, target = ToldCheck({stage: RuntimeError("oops")}), KeptTarget()
    with pytest.raises(MailError) as refused:
        await send(pipeline(only(to(target), checks=[check])), envelope(), "bob@example.org")
    fields = refused.value.log_fields()
    assert refused.value.reply == INTERNAL
    assert (fields["check"], fields["reason"]) == ("ToldCheck", "oops")
    assert "RuntimeError at" in str(fields["trace"])
    assert (check.open, target.open) == (0, 0)


@pytest.mark.parametrize(("raised", "reply"), [(BUSY, BUSY.reply), (SPAM, INTERNAL)])
async def test_what_a_check_raises_is_never_permanent(raised: MailError, reply: Reply) -> None:
    rules = only(to(KeptTarget()), checks=[ToldCheck({Stage.SENDER: raised})])
    with pytest.raises(MailError) as refused:
        await pipeline(rules).start_delivery(envelope(), "ann@example.net")
    assert refused.value.reply == reply


async def test_a_check_that_does_not_start_is_a_failure_and_the_others_are_closed() -> None:
    class Broken(ToldCheck):
        def start_check(self, envelope: Envelope) -> CheckState:
            raise RuntimeError("oops")

    good = ToldCheck()
    with pytest.raises(RuntimeError):
        await pipeline(only(to(), checks=[good, Broken()])).start_delivery(envelope(), "ann@example.net")
    assert good.open == 0


async def test_a_refused_recipient_does_not_refuse_others_and_is_refused_again_without_asking() -> None:
    check, target = ToldCheck({"eve@example.org": REJECT}), KeptTarget()
    delivery = await pipeline(only(to(target), checks=[check])).start_delivery(envelope(), "ann@example.net")
    await delivery.add_recipient("bob@example.org")
    for _ in range(2):
        with pytest.raises(MailError) as refused:
            await delivery.add_recipient("eve@example.org")
        assert refused.value is SPAM
    await delivery.add_recipient("bob@example.org")
    await delivery.abort()
    assert check.calls == [*CONNECTED, ("recipient", "bob@example.org"), ("recipient", "eve@example.org")]
    assert check.open == 0


async def test_a_late_check_that_refuses_what_it_missed_does_so_for_every_recipient_of_its_block() -> None:
    late = ToldCheck({Stage.SENDER: REJECT})
    delivery = await pipeline(only(to(KeptTarget(), checks=[late]))).start_delivery(
        envelope(), "ann@example.net"
    )
    for _ in range(2):
        with pytest.raises(MailError):
            await delivery.add_recipient("bob@example.org")
        assert late.open == 0
    assert late.calls == CONNECTED * 2
    await delivery.abort()


async def test_the_first_rejection_in_the_order_of_the_configuration_is_the_answer() -> None:
    other = MailError(Reply(550, (5, 7, 2), "other"))
    checks = [ToldCheck(waits=True), ToldCheck({Stage.BODY: REJECT}, waits=True)]
    checks += [ToldCheck({Stage.BODY: Verdict(other, reject=True)}), ToldCheck({Stage.BODY: QUARANTINE})]
    message = envelope()
    with pytest.raises(MailError) as refused:
        await send(pipeline(only(to(KeptTarget()), checks=checks)), message, "bob@example.org")
    assert refused.value is SPAM
    assert told(message, "quarantined") == []


async def test_a_rejection_without_a_reason_has_the_usual_text() -> None:
    rules = only(to(KeptTarget()), checks=[ToldCheck({Stage.SENDER: Verdict(reject=True)})])
    with pytest.raises(MailError) as refused:
        await pipeline(rules).start_delivery(envelope(), "ann@example.net")
    assert refused.value.reply == REJECTED


@pytest.mark.parametrize("verdict", [QUARANTINE, BOTH], ids=["quarantine", "both flags"])
@pytest.mark.parametrize("stage", Stage)
async def test_quarantine_is_logged_and_told_to_targets(stage: Stage, verdict: Verdict) -> None:
    target, message = KeptTarget(), envelope()
    rules = only(to(target), checks=[ToldCheck({stage: verdict})])
    await send(pipeline(rules), message, "bob@example.org")
    assert target.messages[0].envelope.quarantine
    [fields] = told(message, "quarantined")
    assert (fields["smtp_msg"], fields["score"], fields["msg_id"]) == ("spam", 9, "1234abcd")


async def test_a_reason_that_costs_nothing_is_only_logged() -> None:
    target, message = KeptTarget(), envelope()
    rules = only(to(target), checks=[ToldCheck({Stage.SENDER: Verdict(SPAM)})])
    await send(pipeline(rules), message, "bob@example.org")
    assert not target.messages[0].envelope.quarantine
    [fields] = told(message, "no check action")
    assert fields["reason"] == "spam"


async def test_a_message_without_objections_is_not_quarantined() -> None:
    target = KeptTarget()
    await send(pipeline(only(to(target), checks=[ToldCheck()])), envelope(), "bob@example.org")
    assert not target.messages[0].envelope.quarantine


async def test_two_checks_that_wait_do_so_together_and_the_others_need_no_task() -> None:
    barrier = asyncio.Barrier(2)
    first, second = (ToldCheck(waits=True, together=barrier) for _ in range(2))
    inline = ToldCheck()
    await send(pipeline(only(to(), checks=[first, inline, second])), envelope(), "bob@example.org")
    me = asyncio.current_task()
    assert set(inline.tasks) == {me}
    assert me not in first.tasks
    assert me not in second.tasks


async def test_one_check_that_waits_needs_no_task() -> None:
    check = ToldCheck(waits=True)
    await send(pipeline(only(to(), checks=[check, ToldCheck()])), envelope(), "bob@example.org")
    assert set(check.tasks) == {asyncio.current_task()}


async def test_a_client_that_leaves_cancels_what_checks_wait_for() -> None:
    for count in (1, 2):
        checks = [ToldCheck(waits=True, together=asyncio.Barrier(3)) for _ in range(count)]
        start = pipeline(only(to(), checks=checks)).start_delivery(envelope(), "ann@example.net")
        task = asyncio.create_task(start)
        while not all(check.calls for check in checks):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [check.open for check in checks] == [0] * count


async def test_what_pipelines_write_has_its_order() -> None:
    first = ToldCheck({Stage.BODY: Verdict(fields=(b"X-One: 1\r\n", b"X-Two: 2\r\n"))}, waits=True)
    results = (AuthResult("spf", "pass", "", {"smtp.helo": "mail.example.net"}), AuthResult("dkim", "none"))
    second = ToldCheck({Stage.SENDER: Verdict(auth_results=results, fields=(b"X-Three: 3\r\n",))}, waits=True)
    target, signer = KeptTarget(), ToldModifier(adds=[("DKIM-Signature", "x")])
    rules = only(to(target), checks=[first, second], modifiers=[signer])
    await send(pipeline(rules), envelope(), "bob@example.org")
    header = Header.parse(target.messages[0].header)
    names = [line.partition(b":")[0] for line in header.to_bytes().split(b"\r\n") if line[:1] not in b"\t "]
    assert names == [
        b"DKIM-Signature",
        b"X-Three",  # found first
        b"X-One",
        b"X-Two",
        b"Authentication-Results",
        b"Received",
        b"Subject",
    ]
    found = header.get(b"Authentication-Results")
    assert found == b"mx.example.org; spf=pass smtp.helo=mail.example.net; dkim=none"


async def test_without_results_there_is_no_field_of_them() -> None:
    target = KeptTarget()
    await send(pipeline(only(to(target), checks=[ToldCheck()])), envelope(), "bob@example.org")
    assert b"Authentication-Results" not in target.messages[0].header


async def test_results_that_were_forged_in_our_name_are_taken_out_but_checks_see_them() -> None:
    forged = (
        b"Authentication-Results: (c) MX.example.org 1;\r\n spf=pass\r\n"
        b'authentication-results: "mx.example.org"; dkim=pass\r\n'
    )
    others = b"Authentication-Results: mx.example.net; spf=fail\r\nSubject: hi\r\n"
    check, target = ToldCheck(), KeptTarget()
    rules = only(to(target), checks=[check])
    await send(pipeline(rules), envelope(), "bob@example.org", header=forged + others + b"\r\n")
    assert target.messages[0].header.endswith(b"+0000\r\n" + others)
    assert check.calls[-1] == ("body", (forged + others).decode())


async def test_a_header_field_of_a_check_that_is_none_fails_the_message() -> None:
    check, target = ToldCheck({Stage.BODY: Verdict(fields=(b"no field\r\n",))}), KeptTarget()
    with pytest.raises(ValueError, match="is no field"):
        await send(pipeline(only(to(target), checks=[check])), envelope(), "bob@example.org")
    assert (target.open, target.messages) == (0, [])


async def test_checks_of_blocks_that_are_not_used_are_not_asked() -> None:
    unused = ToldCheck()
    source = SourceRules("x.conf:1", to(KeptTarget()), {"@example.com": to(checks=[unused])})
    await send(pipeline(Rules(source)), envelope(), "bob@example.org")
    assert unused.calls == []


async def test_a_check_of_the_source_block_hears_of_messages_of_this_block_only() -> None:
    check = ToldCheck()
    rules = replace(by_sender(check, to()), by_key={"@example.com": SourceRules("x.conf:2", to())})
    await send(pipeline(rules), envelope("ann@example.com"), "bob@example.org")
    assert check.calls == []
    await send(pipeline(rules), envelope(), "bob@example.org")
    assert check.calls[0] == ("connection", "")


CLIENT = Connection("ESMTP", "client.example", None)


async def test_a_greeting_is_refused_by_the_first_check_that_objects() -> None:
    barrier = asyncio.Barrier(2)
    fine = ToldCheck(waits=True, together=barrier)
    listed = ToldCheck(early=SPAM, waits=True, together=barrier)
    rules = only(to(), checks=[fine, listed, ToldCheck(early=BUSY)])
    assert await pipeline(rules).check_early(CLIENT) is SPAM
    assert fine.calls == [("early", "client.example")]
    assert listed.open == 0


async def test_a_greeting_that_nobody_objects_to_is_welcome() -> None:
    assert await pipeline(only(to(), checks=[ToldCheck()])).check_early(CLIENT) is None
    assert await pipeline(Rules(SourceRules("x.conf:1", to()))).check_early(CLIENT) is None


async def test_an_early_check_that_raises_refuses_the_greeting_for_now() -> None:
    refused = await pipeline(only(to(), checks=[ToldCheck(early=OSError("oops"))])).check_early(CLIENT)
    assert refused is not None
    assert refused.reply == INTERNAL
