"""Modules whose calls are spans do what they would do without."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.app.timed_modules import time_module
from posthouse.core import spans
from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import CheckState, Stage
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.modifier import ModifierState
from posthouse.framework.interfaces.module import Module
from posthouse.framework.interfaces.target import Delivery, PartialDelivery, Target
from posthouse.message.header import Header
from posthouse.modules.dummy import Dummy
from posthouse.modules.limits.module import Limits
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.pipeline.pipeline import Pipeline
from posthouse.testing.checks import ToldCheck, ToldModifier
from posthouse.testing.pipeline import SENDER, envelope, only, pipeline, send, to
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import make_context

BOB, EVE = "bob@example.org", "eve@example.org"


class TargetModule(Module):
    def __init__(self, target: Target) -> None:
        self._target = target

    @property
    def commit_order(self) -> int:
        return self._target.commit_order

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return await self._target.start_delivery(envelope, reverse_path)


class CheckModule(Module):
    def __init__(self, check: ToldCheck) -> None:
        self._check = check
        self.stages, self.waits, self.only_asks_dns = check.stages, check.waits, check.only_asks_dns

    def start_check(self, envelope: Envelope) -> CheckState:
        return self._check.start_check(envelope)

    async def check_early(self, connection: Connection) -> MailError | None:
        return await self._check.check_early(connection)


class ModifierModule(Module):
    def __init__(self, modifier: ToldModifier) -> None:
        self._modifier = modifier

    def start_modifier(self, envelope: Envelope) -> ModifierState:
        return self._modifier.start_modifier(envelope)


class Names:
    """The names of the spans that were recorded, in the order in which they ended."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, event: bytes) -> None:
        found = json.loads(event)
        if found["ph"] == "X":
            self.names.append(found["name"])


@pytest.fixture
def recorded() -> Iterator[Names]:
    names = Names()
    spans.start(names)
    spans.enter_session("192.0.2.1:5")
    yield names
    spans.stop()


def target(target: Target, directory: Path, name: str) -> TargetModule:
    module = TargetModule(target)
    time_module(make_context(directory, name), module)
    return module


def timed_dummy(directory: Path) -> Dummy:
    context = make_context(directory, "dummy")
    module = Dummy(Dummy.Settings(args=(), ignored=()), context)
    time_module(context, module)
    return module


async def test_checks_and_modifiers_are_asked_as_they_are(tmp_path: Path, recorded: Names) -> None:
    check, modifier, kept = (
        ToldCheck(),
        ToldModifier({SENDER: "new@example.net"}, {BOB: (EVE,)}, [("X-A", "b")]),
        KeptTarget(),
    )
    checks, modifiers = CheckModule(check), ModifierModule(modifier)
    time_module(make_context(tmp_path, "check.told"), checks)
    time_module(make_context(tmp_path, "modify.told"), modifiers)
    await send(pipeline(only(to(kept), checks=[checks], modifiers=[modifiers])), envelope(), BOB)
    (message,) = kept.messages
    assert (message.reverse_path, message.recipients) == ("new@example.net", (EVE,))
    assert message.header.startswith(b"X-A: b\r\n")
    assert check.calls == [
        ("connection", ""),
        ("sender", SENDER),
        ("recipient", BOB),
        ("body", "Subject: hi\r\n"),
    ]
    assert check.open == modifier.open == 0
    assert recorded.names == [
        "check.told/CheckConnection",
        "check.told/CheckSender",
        "modify.told/RewriteSender",
        "check.told/CheckRcpt",
        "modify.told/RewriteRcpt",
        "check.told/CheckBody",
        "modify.told/RewriteBody",
    ]


async def test_targets_below_a_timed_pipeline_commit_in_their_order(tmp_path: Path, recorded: Names) -> None:
    mailbox, relay = KeptTarget(commit_order=2), KeptTarget(commit_order=0)
    inner = target(
        pipeline(only(to(target(mailbox, tmp_path, "mailbox"))), adds_received=False), tmp_path, "inner"
    )
    outer = pipeline(only(to(inner, target(relay, tmp_path, "relay"))))
    await send(outer, envelope(), BOB)
    assert mailbox.messages
    assert relay.messages
    assert [name for name in recorded.names if name.endswith("/Commit")] == ["relay/Commit", "mailbox/Commit"]
    assert "inner/AddRcpt" in recorded.names
    assert "inner/Body" in recorded.names


async def test_a_timed_pipeline_in_a_circle_is_stopped(tmp_path: Path, recorded: Names) -> None:
    circle = CircleModule()
    time_module(make_context(tmp_path, "round"), circle)
    message = envelope()
    delivery = await circle.start_delivery(message, SENDER)
    with pytest.raises(MailError, match="goes round in a circle"):
        await delivery.add_recipient(BOB)
    await delivery.abort()
    assert recorded.names[-1] == "round/Abort"


class CircleModule(Module):
    commit_order = 0

    def __init__(self) -> None:
        self.pipeline: Pipeline = pipeline(only(to(self)), adds_received=False)

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        return await self.pipeline.start_delivery(envelope, reverse_path)


async def test_results_for_each_recipient_pass_through(tmp_path: Path, recorded: Names) -> None:
    failure = MailError(INTERNAL)
    kept = KeptTarget(failing_for={EVE: failure})
    inner = target(pipeline(only(to(target(kept, tmp_path, "kept"))), adds_received=False), tmp_path, "inner")
    delivery = await inner.start_delivery(envelope(), SENDER)
    assert isinstance(delivery, PipelineDelivery)
    for recipient in (BOB, EVE):
        await delivery.add_recipient(recipient)
    assert await delivery.body_partial(Header.parse(b"\r\n"), MemoryBody(b"")) == {BOB: None, EVE: failure}
    await delivery.commit()
    assert kept.messages[0].recipients == (BOB,)
    assert recorded.names[-4:] == ["kept/Body", "inner/Body", "kept/Commit", "inner/Commit"]


async def test_a_delivery_is_partial_where_it_was(tmp_path: Path, recorded: Names) -> None:
    dummy = timed_dummy(tmp_path)
    whole = await dummy.start_delivery(envelope(), SENDER)
    some = await target(KeptTarget(), tmp_path, "kept").start_delivery(envelope(), SENDER)
    assert not isinstance(whole, PartialDelivery)
    assert isinstance(some, PartialDelivery)
    await whole.abort()
    await some.abort()


async def test_a_module_of_several_kinds_has_them_all(tmp_path: Path, recorded: Names) -> None:
    dummy = timed_dummy(tmp_path)
    await dummy.authenticate("ann", "secret")
    await dummy.lookup("ann")
    await dummy.start_delivery(envelope(), SENDER)
    assert recorded.names == ["dummy/Auth", "dummy/Lookup", "dummy/Start"]


async def test_greetings_and_limits_are_spans(tmp_path: Path, recorded: Names) -> None:
    refusal = MailError(INTERNAL)
    check = CheckModule(ToldCheck(early=refusal, stages=frozenset({Stage.BODY})))
    time_module(make_context(tmp_path, "check.told"), check)
    assert await check.check_early(Connection("ESMTP", "client", None)) is refusal
    settings = Limits.Settings(all_=(), ip=(), source=(), destination=())
    limits = Limits(settings, make_context(tmp_path, "limits"))
    time_module(make_context(tmp_path, "few"), limits)
    (await limits.take_destination("example.org")).release()
    assert recorded.names == ["check.told/CheckEarly", "few/TakeDest"]
