"""Modifiers change senders, recipients and headers at all levels, within limits."""

from dataclasses import replace

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import ModifierState
from posthouse.pipeline import expansion
from posthouse.pipeline.blocks import Rules, SourceRules
from posthouse.testing.checks import ModifierList, ToldModifier
from posthouse.testing.pipeline import envelope, only, pipeline, send, to, told
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

REFUSED = MailError(Reply(550, (5, 1, 1), "no"), module="modify.told")


def at_all_levels(
    root: ToldModifier, source: ToldModifier, destination: ToldModifier, *targets: KeptTarget
) -> Rules:
    block = SourceRules(
        "x.conf:1", to(*targets, modifiers=[destination]), modifiers=(ModifierList((source,)),)
    )
    return replace(only(to(), modifiers=[root]), default=block)


async def test_senders_are_rewritten_by_root_then_source_and_blocks_are_chosen_by_what_is_left() -> None:
    ours, others = KeptTarget(), KeptTarget()
    first = ToldModifier({"ann@example.net": "a@example.org"})
    second = ToldModifier({"a@example.org": "b@example.org"})
    source = SourceRules("x.conf:1", to(ours), modifiers=(ModifierList((second,)),))
    rules = replace(only(to(others), modifiers=[first]), by_key={"a@example.org": source})
    await send(pipeline(rules), envelope(), "bob@example.org")
    assert ours.messages[0].reverse_path == "b@example.org"
    assert ours.messages[0].envelope.original_from == "ann@example.net"
    assert (others.messages, first.open, second.open) == ([], 0, 0)


async def test_the_null_sender_can_be_rewritten() -> None:
    target = KeptTarget()
    modifier = ToldModifier({"": "bounces@example.org"})
    await send(pipeline(only(to(target), modifiers=[modifier])), envelope(""), "bob@example.org")
    assert target.messages[0].reverse_path == "bounces@example.org"


async def test_recipients_are_rewritten_at_all_levels_and_the_given_ones_are_kept() -> None:
    root = ToldModifier(recipients={"list@x.example": ("a@x.example", "b@x.example")})
    source = ToldModifier(recipients={"a@x.example": ("c@x.example",)})
    destination = ToldModifier(recipients={"c@x.example": ("d@x.example", "list@x.example")})
    target, message = KeptTarget(), envelope()
    await send(
        pipeline(at_all_levels(root, source, destination, target)), message, "list@x.example", "x@y.example"
    )
    assert target.messages[0].recipients == ("d@x.example", "list@x.example", "b@x.example", "x@y.example")
    assert message.original_recipients == {"d@x.example": "list@x.example", "b@x.example": "list@x.example"}
    assert root.calls == ["ann@example.net", "list@x.example", "x@y.example"]
    assert source.calls == ["ann@example.net", "a@x.example", "b@x.example", "x@y.example"]
    assert destination.calls[0] == "ann@example.net"
    assert (root.open, source.open, destination.open) == (0, 0, 0)


async def test_destinations_are_chosen_by_what_recipients_became() -> None:
    here, there = KeptTarget(), KeptTarget()
    modifier = ToldModifier(recipients={"bob@x.example": ("bob@here.example", "bob@there.example")})
    source = SourceRules("x.conf:1", to(), {"@here.example": to(here), "@there.example": to(there)})
    await send(
        pipeline(replace(only(to(), modifiers=[modifier]), default=source)), envelope(), "bob@x.example"
    )
    assert here.messages[0].recipients == ("bob@here.example",)
    assert there.messages[0].recipients == ("bob@there.example",)


async def test_a_recipient_that_became_nobody_is_accepted_and_goes_nowhere() -> None:
    target = KeptTarget()
    modifier = ToldModifier(recipients={"bob@x.example": ()})
    await send(pipeline(only(to(target), modifiers=[modifier])), envelope(), "bob@x.example")
    assert target.calls == []


async def test_a_destination_block_is_asked_for_the_sender_once_and_may_not_change_it() -> None:
    target, message = KeptTarget(), envelope()
    modifier = ToldModifier({"ann@example.net": "other@example.net"})
    await send(pipeline(only(to(target, modifiers=[modifier]))), message, "bob@x.example", "eve@x.example")
    assert modifier.calls == ["ann@example.net", "bob@x.example", "eve@x.example"]
    assert target.messages[0].reverse_path == "ann@example.net"
    [fields] = told(message, "a modifier of a destination changed the sender: ignored")
    assert (fields["rule"], fields["sender"]) == ("x.conf:1", "other@example.net")


async def test_headers_are_rewritten_by_root_then_source_then_destinations() -> None:
    target = KeptTarget()
    root, source, destination = (
        ToldModifier(adds=[("X-Level", level)]) for level in ("root", "source", "destination")
    )
    await send(pipeline(at_all_levels(root, source, destination, target)), envelope(), "bob@x.example")
    assert target.messages[0].header.startswith(
        b"X-Level: destination\r\nX-Level: source\r\nX-Level: root\r\nReceived:"
    )


async def test_a_refused_address_refuses_the_whole_recipient_before_anything_is_given() -> None:
    target = KeptTarget()
    modifier = ToldModifier(recipients={"all@x.example": ("a@x.example", "b@x.example")})
    last = ToldModifier(failing={"b@x.example": REFUSED})
    delivery = await pipeline(only(to(target, modifiers=[last]), modifiers=[modifier])).start_delivery(
        envelope(), "ann@example.net"
    )
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient("all@x.example")
    assert refused.value.fields["effective_rcpt"] == "b@x.example"
    assert target.calls == []
    await delivery.abort()
    assert (modifier.open, last.open) == (0, 0)


async def test_a_modifier_that_does_not_start_ends_the_message_and_the_others_are_closed() -> None:
    class Broken(ToldModifier):
        def start_modifier(self, envelope: Envelope) -> ModifierState:
            raise RuntimeError("oops")

    good = ToldModifier()
    with pytest.raises(RuntimeError):
        await pipeline(only(to(), modifiers=[good, Broken()])).start_delivery(envelope(), "ann@example.net")
    assert good.open == 0


def doubled(recipient: str) -> tuple[str, str]:
    local_part, _, domain = recipient.rpartition("@")
    return (f"{local_part}0@{domain}", f"{local_part}1@{domain}")


async def test_R_063_aliases_that_double_30_times_are_refused() -> None:
    target = KeptTarget()
    bombs = [ToldModifier(recipients=doubled) for _ in range(30)]
    delivery = await pipeline(only(to(target), modifiers=bombs)).start_delivery(envelope(), "ann@example.net")
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient("x@x.example")
    assert refused.value.reply == expansion.TOO_MANY
    assert sum(len(bomb.calls) for bomb in bombs) < 3 * expansion.RECIPIENT_MAX
    assert target.calls == []
    await delivery.abort()


async def test_R_063_a_message_has_a_limit_too_and_plain_recipients_do_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(expansion, "MESSAGE_MAX", 20)
    target = KeptTarget()
    modifier = ToldModifier(recipients={"list@x.example": tuple(f"{n}@x.example" for n in range(15))})
    delivery = await pipeline(only(to(target), modifiers=[modifier])).start_delivery(
        envelope(), "ann@example.net"
    )
    await delivery.add_recipient("list@x.example")
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient("list@x.example")
    assert refused.value.reply == expansion.TOO_MANY_NOW
    for number in range(30):
        await delivery.add_recipient(f"plain{number}@x.example")
    await delivery.abort()
