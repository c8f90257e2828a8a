"""Pipelines within pipelines: they end together, and none goes round for ever."""

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.config.build import build
from posthouse.framework.config.globals import read_globals
from posthouse.framework.config.node import ConfigError
from posthouse.framework.config.parser import parse
from posthouse.framework.interfaces.check import AuthResult, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.target import Delivery
from posthouse.modules.catalogue import CATALOGUE
from posthouse.modules.msgpipeline import MsgPipeline
from posthouse.pipeline.blocks import Rules, SourceRules
from posthouse.pipeline.expansion import CIRCLE, NESTED_MAX, TOO_MANY
from posthouse.pipeline.pipeline import Pipeline, Router
from posthouse.testing.checks import ToldCheck, ToldModifier
from posthouse.testing.pipeline import envelope, only, pipeline, send, to
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

FULL = MailError(Reply(452, (4, 3, 1), "full"))


def nested(rules: Rules) -> Pipeline:
    return pipeline(rules, adds_received=False)


class Loose:
    """A target whose pipeline is known later, as those of circles are."""

    commit_order = 0
    pipeline: Pipeline

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return await self.pipeline.start_delivery(envelope, reverse_path)


async def test_a_reroute_block_has_rules_of_its_own() -> None:
    inner, outer = KeptTarget(), KeptTarget()
    modifier = ToldModifier({"ann@example.net": "srs@example.org"}, {"bob@x.example": ("bob@y.example",)})
    rules = only(to(inner), modifiers=[modifier])
    message = envelope()
    await send(pipeline(only(to(outer, rules))), message, "bob@x.example")
    assert (outer.messages[0].recipients, outer.messages[0].reverse_path) == (
        ("bob@x.example",),
        "ann@example.net",
    )
    assert (inner.messages[0].recipients, inner.messages[0].reverse_path) == (
        ("bob@y.example",),
        "srs@example.org",
    )
    assert inner.messages[0].header.count(b"Received:") == 1
    assert (inner.open, outer.open, modifier.open) == (0, 0, 0)


async def test_nested_pipelines_write_results_in_their_name_on_their_own_header() -> None:
    inner, outer = KeptTarget(), KeptTarget()
    check = ToldCheck({Stage.BODY: Verdict(auth_results=(AuthResult("spf", "pass"),))})
    await send(pipeline(only(to(only(to(inner), checks=[check]), outer))), envelope(), "bob@x.example")
    assert inner.messages[0].header.startswith(b"Authentication-Results: mx.example.org; spf=pass")
    assert b"Authentication-Results" not in outer.messages[0].header
    assert check.open == 0


async def test_the_recipient_of_the_client_is_known_behind_several_pipelines() -> None:
    target, message = KeptTarget(), envelope()
    first = ToldModifier(recipients={"a@x.example": ("b@x.example",)})
    second = ToldModifier(recipients={"b@x.example": ("c@x.example",)})
    rules = only(to(only(to(target), modifiers=[second])), modifiers=[first])
    await send(pipeline(rules), message, "a@x.example")
    assert message.original_recipients == {"b@x.example": "a@x.example", "c@x.example": "a@x.example"}


async def test_what_a_nested_target_refuses_is_told_with_its_address() -> None:
    refusing = KeptTarget(refused={"b@x.example": MailError(Reply(550, (5, 1, 1), "no"))})
    modifier = ToldModifier(recipients={"a@x.example": ("b@x.example",)})
    rules = only(to(only(to(refusing), modifiers=[modifier])))
    with pytest.raises(MailError) as refused:
        await send(pipeline(rules), envelope(), "a@x.example")
    assert refused.value.fields["effective_rcpt"] == "b@x.example"
    assert (refusing.open, modifier.open) == (0, 0)


async def test_all_nested_targets_commit_in_one_order() -> None:
    order: list[int] = []

    class Ordered(KeptTarget):
        def fail(self, step: str) -> None:
            if step == "commit":
                order.append(self.commit_order)

    mailbox, queue, relay, late = (Ordered(commit_order=number) for number in (2, 1, 0, 0))
    rules = only(to(nested(only(to(mailbox, queue))), nested(only(to(nested(only(to(relay)))))), late))
    await send(pipeline(rules), envelope(), "bob@x.example")
    assert order == [0, 0, 1, 2]


async def test_a_commit_that_fails_aborts_all_nested_targets_that_did_not_commit_yet() -> None:
    relay, queue = KeptTarget(commit_order=0), KeptTarget(failing={"commit": FULL}, commit_order=1)
    mailbox, check = KeptTarget(), ToldCheck()
    rules = only(to(nested(only(to(mailbox), checks=[check])), nested(only(to(queue, relay)))))
    with pytest.raises(MailError):
        await send(pipeline(rules), envelope(), "bob@x.example")
    assert (len(relay.messages), queue.messages, mailbox.messages) == (1, [], [])
    assert (relay.open, queue.open, mailbox.open, check.open) == (0, 0, 0, 0)


async def test_an_abort_reaches_all_even_when_one_fails() -> None:
    class Broken(KeptTarget):
        async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
            delivery = await KeptTarget.start_delivery(self, envelope, reverse_path)

            async def fail() -> None:
                raise RuntimeError("oops")

            delivery.abort = fail  # type: ignore[method-assign]  # a target that breaks its contract
            return delivery

    broken, good, message = Broken(), KeptTarget(), envelope()
    delivery = await pipeline(only(to(nested(only(to(broken))), good))).start_delivery(
        message, "ann@x.example"
    )
    await delivery.add_recipient("bob@x.example")
    await delivery.abort()
    assert good.open == 0
    assert [event.text for event in message.log.gathered.events] == ["aborting a delivery failed"]


async def test_R_062_a_message_that_goes_round_in_a_circle_is_stopped() -> None:
    loop, target, check = Loose(), KeptTarget(), ToldCheck()
    loop.pipeline = nested(only(to(target, loop), checks=[check]))
    delivery = await pipeline(only(to(loop))).start_delivery(envelope(), "ann@x.example")
    for _ in range(3):  # a client that tries again changes nothing
        with pytest.raises(MailError) as refused:
            await delivery.add_recipient("bob@x.example")
        assert (refused.value.reply, refused.value.reply.code) == (CIRCLE, 554)
    await delivery.abort()
    assert (target.open, target.messages, check.open) == (0, [], 0)
    assert target.calls.count(("start", "ann@x.example")) == NESTED_MAX


async def test_a_circle_is_legal_for_messages_that_leave_it() -> None:
    loop, target = Loose(), KeptTarget()
    alias = ToldModifier(recipients={"a@x.example": ("b@x.example",)})
    source = SourceRules("x.conf:1", to(loop, modifiers=[alias]), {"b@x.example": to(target)})
    loop.pipeline = nested(Rules(source))
    await send(loop, envelope(), "a@x.example")
    assert target.messages[0].recipients == ("b@x.example",)


async def test_as_many_pipelines_as_are_allowed_pass_a_message_on() -> None:
    target = KeptTarget()
    rules = only(to(target))
    for _ in range(NESTED_MAX):
        rules = only(to(rules))
    await send(pipeline(rules), envelope(), "bob@x.example")
    assert len(target.messages) == 1
    with pytest.raises(MailError) as refused:
        await send(pipeline(only(to(rules))), envelope(), "bob@x.example")
    assert refused.value.reply == CIRCLE


async def test_R_063_nested_pipelines_that_double_recipients_are_counted_together() -> None:
    target = KeptTarget()
    rules = only(to(target))
    for _ in range(30):
        double = ToldModifier(recipients=lambda recipient: (f"0{recipient}", f"1{recipient}"))
        rules = only(to(rules), modifiers=[double])
    with pytest.raises(MailError) as refused:
        await send(pipeline(rules), envelope(), "x@x.example")
    assert refused.value.reply == TOO_MANY
    assert target.messages == []


def built(text: str, fake: FakeWorld) -> dict[str, MsgPipeline]:
    """The pipelines of a configuration, by name."""
    configured = build(
        read_globals(parse(f"hostname mx.example.org\ntls off\n{text}", "x.conf").nodes, fake.paths),
        CATALOGUE,
        lambda module, instance, node, debug: fake.context(module, instance, debug=debug),
    )
    found = (module for _, module in configured.registry.lifetime if isinstance(module, MsgPipeline))
    return {
        context.instance: module
        for module in found
        for context, one in configured.registry.lifetime
        if one is module
    }


async def test_pipelines_of_the_configuration_may_refer_to_each_other_in_a_circle(fake: FakeWorld) -> None:
    pipelines = built(
        """
        msgpipeline one {
            deliver_to &two
        }
        msgpipeline two {
            destination example.org {
                deliver_to dummy
            }
            default_destination {
                deliver_to &one
            }
        }
        smtp tcp://127.0.0.1:25 {
            deliver_to &one
        }""",
        fake,
    )
    one = pipelines["one"]
    assert isinstance(one, Router)
    assert one.pipeline.hostname == "mx.example.org"
    await send(one, envelope(), "bob@example.org")
    with pytest.raises(MailError) as refused:
        await send(one, envelope(), "bob@example.net")
    assert refused.value.reply == CIRCLE


async def test_a_pipeline_may_be_written_where_it_is_used(fake: FakeWorld) -> None:
    pipelines = built(
        """
        smtp tcp://127.0.0.1:25 {
            deliver_to msgpipeline {
                hostname inner.example.org
                reject 550 5.1.1 inner
            }
        }""",
        fake,
    )
    with pytest.raises(MailError) as refused:
        await send(pipelines["msgpipeline"], envelope(), "bob@example.org")
    assert refused.value.reply.text == "inner"
    assert pipelines["msgpipeline"].pipeline.hostname == "inner.example.org"


@pytest.mark.parametrize("hostname", ["a..b", "two words", ""])
async def test_the_hostname_of_a_pipeline_is_one(fake: FakeWorld, hostname: str) -> None:
    text = f'smtp tcp://127.0.0.1:25 {{\ndeliver_to msgpipeline {{\nhostname "{hostname}"\nreject\n}}\n}}'
    with pytest.raises(ConfigError, match=r"x\.conf:4: hostname .* is not the name of a host"):
        built(text, fake)


async def test_the_hostname_of_a_pipeline_is_written_in_a_labels(fake: FakeWorld) -> None:
    text = "smtp tcp://127.0.0.1:25 {\ndeliver_to msgpipeline {\nhostname mx.bücher.example\nreject\n}\n}"
    assert built(text, fake)["msgpipeline"].pipeline.hostname == "mx.xn--bcher-kva.example"
