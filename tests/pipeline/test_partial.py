"""A message that may reach some of its recipients only (LMTP, queues): one status for each, as it was given."""

from collections.abc import Mapping

import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.buffer import Body, MemoryBody
from posthouse.framework.interfaces.check import AuthResult, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.target import Delivery
from posthouse.message.header import Header
from posthouse.pipeline.blocks import Rules
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.testing.checks import ToldCheck, ToldModifier
from posthouse.testing.pipeline import envelope, only, pipeline, to
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

QUOTA = MailError(Reply(452, (4, 2, 2), "over quota"))
BROKEN = MailError(Reply(451, (4, 3, 0), "broken"))


class Whole:
    """A target of which deliveries fail whole."""

    def __init__(self, kept: KeptTarget) -> None:
        self.kept = kept
        self.commit_order = kept.commit_order

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return _Whole(await self.kept.start_delivery(envelope, reverse_path))


class _Whole:
    def __init__(self, delivery: Delivery) -> None:
        self.add_recipient = delivery.add_recipient
        self.body = delivery.body
        self.commit = delivery.commit
        self.abort = delivery.abort


async def begun(rules: Rules, *recipients: str, message: Envelope | None = None) -> PipelineDelivery:
    delivery = await pipeline(rules).start_delivery(message or envelope(), "ann@example.net")
    for recipient in recipients:
        await delivery.add_recipient(recipient)
    return delivery


async def statuses(delivery: PipelineDelivery) -> Mapping[str, Exception | None]:
    return await delivery.body_partial(Header.parse(b"Subject: hi\r\n\r\n"), MemoryBody(b"hello\r\n"))


async def test_every_recipient_has_its_status_and_the_message_reaches_the_others() -> None:
    target = KeptTarget(failing_for={"eve@x.example": QUOTA})
    delivery = await begun(only(to(target)), "bob@x.example", "eve@x.example")
    assert await statuses(delivery) == {"bob@x.example": None, "eve@x.example": QUOTA}
    await delivery.commit()
    assert target.messages[0].recipients == ("bob@x.example",)
    assert target.open == 0


async def test_R_056_a_recipient_that_became_several_has_one_status_the_first_failure() -> None:
    target = KeptTarget(failing_for={"b@x.example": QUOTA, "c@x.example": BROKEN})
    alias = ToldModifier(
        recipients={
            "list@x.example": ("a@x.example", "b@x.example", "c@x.example"),
            "other@x.example": ("a@x.example",),
            "third@x.example": ("c@x.example",),
        }
    )
    given = ("list@x.example", "other@x.example", "third@x.example", "other@x.example")
    delivery = await begun(only(to(target), modifiers=[alias]), *given)
    assert await statuses(delivery) == {
        "list@x.example": QUOTA,
        "other@x.example": None,
        "third@x.example": BROKEN,
    }
    await delivery.commit()


async def test_statuses_come_back_through_nested_pipelines() -> None:
    target = KeptTarget(failing_for={"c@x.example": QUOTA})
    first = ToldModifier(recipients={"a@x.example": ("b@x.example",)})
    second = ToldModifier(recipients={"b@x.example": ("c@x.example",)})
    rules = only(to(only(to(target), modifiers=[second])), modifiers=[first])
    delivery = await begun(rules, "a@x.example", "d@x.example")
    assert await statuses(delivery) == {"a@x.example": QUOTA, "d@x.example": None}
    await delivery.commit()
    assert target.messages[0].recipients == ("d@x.example",)


async def test_a_target_that_fails_whole_fails_its_recipients_and_is_aborted_the_others_commit() -> None:
    good, bad = KeptTarget(), KeptTarget(failing={"body": BROKEN})
    delivery = await begun(only(to(Whole(good), Whole(bad))), "bob@x.example")
    assert await statuses(delivery) == {"bob@x.example": BROKEN}
    await delivery.commit()
    assert (len(good.messages), bad.messages, good.open, bad.open) == (1, [], 0, 0)
    assert bad.calls[-1] == ("abort", "")


async def test_a_nested_pipeline_that_fails_whole_is_aborted() -> None:
    target, check = KeptTarget(), ToldCheck({Stage.BODY: Verdict(BROKEN, reject=True)})
    delivery = await begun(only(to(only(to(target), checks=[check]))), "bob@x.example")
    assert await statuses(delivery) == {"bob@x.example": BROKEN}
    await delivery.commit()
    assert (target.messages, target.open, check.open) == ([], 0, 0)


async def test_a_target_without_any_success_is_aborted() -> None:
    target = KeptTarget(failing_for={"bob@x.example": QUOTA})
    delivery = await begun(only(to(target)), "bob@x.example")
    assert await statuses(delivery) == {"bob@x.example": QUOTA}
    await delivery.commit()
    assert (target.messages, target.open) == ([], 0)


async def test_a_refused_recipient_has_no_status_even_if_copies_were_placed() -> None:
    refusing = KeptTarget(refused={"bob@x.example": QUOTA})
    delivery = await begun(only(to(KeptTarget(failing={"body": BROKEN}), refusing)))
    with pytest.raises(MailError):
        await delivery.add_recipient("bob@x.example")
    assert await statuses(delivery) == {}
    await delivery.abort()


async def test_a_recipient_that_goes_nowhere_succeeds() -> None:
    delivery = await begun(only(to()), "bob@x.example")
    assert await statuses(delivery) == {"bob@x.example": None}
    await delivery.commit()


async def test_a_failure_before_the_targets_is_that_of_every_recipient() -> None:
    target = KeptTarget()
    check = ToldCheck({Stage.BODY: Verdict(QUOTA, reject=True)})
    delivery = await begun(only(to(target), checks=[check]), "bob@x.example", "eve@x.example")
    assert await statuses(delivery) == {"bob@x.example": QUOTA, "eve@x.example": QUOTA}
    await delivery.commit()  # nobody has anything to commit
    assert (target.messages, target.open, check.open) == ([], 0, 0)


async def test_the_partial_way_writes_the_same_header_and_quarantines() -> None:
    target, message = KeptTarget(), envelope()
    verdict = Verdict(
        quarantine=True, auth_results=(AuthResult("spf", "fail"),), fields=(b"X-Spam: yes\r\n",)
    )
    delivery = await begun(
        only(to(target), checks=[ToldCheck({Stage.BODY: verdict})]), "bob@x.example", message=message
    )
    await statuses(delivery)
    await delivery.commit()
    names = [line.partition(b":")[0] for line in target.messages[0].header.split(b"\r\n") if line[:1] != b" "]
    assert names == [b"X-Spam", b"Authentication-Results", b"Received", b"Subject", b""]
    assert message.quarantine


async def test_a_target_that_forgets_a_recipient_did_not_deliver() -> None:
    class Forgetful(KeptTarget):
        async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
            return _Forgetful(await KeptTarget.start_delivery(self, envelope, reverse_path))

    class _Forgetful(_Whole):
        async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
            return {}

    delivery = await begun(only(to(Forgetful())), "bob@x.example")
    [error] = (await statuses(delivery)).values()
    assert isinstance(error, MailError)
    assert error.reply == INTERNAL
    await delivery.abort()
