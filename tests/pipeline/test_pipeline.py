"""A message goes where the rules say, whole or not at all."""

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.target import Delivery
from posthouse.message.header import Header
from posthouse.net.connection import TlsState
from posthouse.pipeline.blocks import DestinationRules, Rules, SourceRules
from posthouse.testing.checks import ToldCheck, ToldModifier
from posthouse.testing.pipeline import envelope, only, pipeline, send, to
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

NO_USER = Reply(550, (5, 1, 1), "User doesn't exist")
DATE = "Tue, 14 Nov 2023 22:13:20 +0000"


async def test_a_message_goes_to_every_target_of_its_block_once() -> None:
    one, two = KeptTarget(), KeptTarget()
    await send(pipeline(only(to(one, two))), envelope(), "bob@example.org", "eve@example.org")
    for target in (one, two):
        [message] = target.messages
        assert message.recipients == ("bob@example.org", "eve@example.org")
        assert message.body == b"hello\r\n"
        assert message.header.count(b"Received:") == 1
    assert (one.open, two.open) == (0, 0)


async def test_rules_choose_by_address_then_domain_then_default() -> None:
    exact, domain, default, postmaster = KeptTarget(), KeptTarget(), KeptTarget(), KeptTarget()
    keys = {"bob@example.org": to(exact), "@example.org": to(domain), "postmaster": to(postmaster)}
    rules = Rules(SourceRules("x.conf:1", to(default), keys))
    recipients = ("BOB@EXAMPLE.ORG", "eve@example.org", "x@other.example", "Postmaster", "y@postmaster")
    await send(pipeline(rules), envelope(), *recipients)
    assert exact.messages[0].recipients == ("BOB@EXAMPLE.ORG",)
    assert domain.messages[0].recipients == ("eve@example.org",)
    assert default.messages[0].recipients == ("x@other.example", "y@postmaster")
    assert postmaster.messages[0].recipients == ("Postmaster",)


async def test_the_sender_chooses_the_source_block_and_the_null_sender_the_default() -> None:
    ours, others = KeptTarget(), KeptTarget()
    keys = {"@example.org": SourceRules("x.conf:1", to(ours))}
    rules = Rules(SourceRules("x.conf:2", to(others)), keys)
    for sender in ("ann@Example.ORG", "ann@example.net", ""):
        await send(pipeline(rules), envelope(sender), "bob@example.org")
    assert [message.reverse_path for message in ours.messages] == ["ann@Example.ORG"]
    assert [message.reverse_path for message in others.messages] == ["ann@example.net", ""]


async def test_a_rejecting_block_answers_rcpt_with_its_reply_and_says_which_rule_it_was() -> None:
    target = KeptTarget()
    rules = Rules(
        SourceRules("x.conf:1", DestinationRules("x.conf:7", reject=NO_USER), {"@example.org": to(target)})
    )
    delivery = await pipeline(rules).start_delivery(envelope(), "ann@example.net")
    await delivery.add_recipient("bob@example.org")
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient("who@other.example")
    assert refused.value.reply == NO_USER
    assert refused.value.fields == {"effective_rcpt": "who@other.example", "rule": "x.conf:7"}
    await delivery.abort()
    assert (target.open, target.messages) == (0, [])


@pytest.mark.parametrize("recipient", ["nobody", "@example.org", "bob@", "bob@xn--\x00.example"])
async def test_R_041_a_recipient_without_lookup_form_is_refused(recipient: str) -> None:
    target = KeptTarget()
    delivery = await pipeline(only(to(target))).start_delivery(envelope(), "ann@example.net")
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient(recipient)
    assert refused.value.reply.code in (501, 553)
    await delivery.abort()
    assert target.calls == []


async def test_a_target_that_refuses_a_recipient_answers_it() -> None:
    target = KeptTarget(refused={"who@example.org": MailError(NO_USER, module="target.imapsql")})
    delivery = await pipeline(only(to(target))).start_delivery(envelope(), "ann@example.net")
    with pytest.raises(MailError) as refused:
        await delivery.add_recipient("who@example.org")
    assert refused.value.reply == NO_USER
    assert refused.value.fields["effective_rcpt"] == "who@example.org"
    await delivery.abort()


async def test_relays_commit_first_and_mailboxes_last() -> None:
    order: list[int] = []

    class Ordered(KeptTarget):
        def fail(self, step: str) -> None:
            if step == "commit":
                order.append(self.commit_order)

    targets = tuple(Ordered(commit_order=number) for number in (2, 0, 1))
    await send(pipeline(only(to(*targets))), envelope(), "bob@example.org")
    assert order == [0, 1, 2]


async def test_a_failing_commit_aborts_those_that_did_not_commit_yet() -> None:
    full = MailError(Reply(452, (4, 3, 1), "full"))
    relay, queue, mailbox = (
        KeptTarget(commit_order=0),
        KeptTarget(failing={"commit": full}, commit_order=1),
        KeptTarget(),
    )
    message = envelope()
    with pytest.raises(MailError):
        await send(pipeline(only(to(mailbox, queue, relay))), message, "bob@example.org")
    assert (len(relay.messages), queue.messages, mailbox.messages) == (1, [], [])
    assert (relay.open, queue.open, mailbox.open) == (0, 0, 0)
    assert "partly committed" in message.log.gathered.events[-1].text


async def test_a_failing_body_leaves_nothing_anywhere() -> None:
    good, bad = KeptTarget(), KeptTarget(failing={"body": MailError(Reply(451, (4, 3, 0), "no"))})
    with pytest.raises(MailError):
        await send(pipeline(only(to(good, bad))), envelope(), "bob@example.org")
    assert (good.messages, good.open, bad.open) == ([], 0, 0)


def client(name: str | None = None) -> Connection:
    connection = Connection("ESMTP", "client.example", ip_address("192.0.2.7"), 4711)
    if name is not None:
        connection.rdns = asyncio.get_running_loop().create_future()
        connection.rdns.set_result(name)
    return connection


async def received_of(connection: Connection | None, *, hide_client: bool = False) -> str:
    target = KeptTarget()
    message = envelope(connection=connection)
    message.hide_client = hide_client
    await send(pipeline(only(to(target))), message, "bob@example.org")
    header = Header.parse(target.messages[0].header)
    return (header.get(b"Received") or b"").decode()


async def test_the_received_field_says_who_gave_us_the_message() -> None:
    assert await received_of(client("mail.client.example")) == (
        "from client.example (mail.client.example [192.0.2.7]) by mx.example.org"
        f" (envelope-sender <ann@example.net>) with ESMTP id 1234abcd; {DATE}"
    )


async def test_a_client_without_a_name_is_its_address() -> None:
    assert "from client.example ([192.0.2.7]) by" in await received_of(client())


async def test_a_submitting_client_is_not_told_of() -> None:
    connection = client("home.client.example")
    connection.tls = TlsState("TLSv1.3", "")
    connection.protocol = "ESMTPS"
    assert (await received_of(connection, hide_client=True)).startswith("by mx.example.org (envelope-sender")


async def test_a_name_that_does_not_come_is_waited_for_one_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("posthouse.pipeline.stamp.RDNS_PATIENCE", 0.01)
    connection = client()
    connection.rdns = asyncio.get_running_loop().create_future()
    assert "from client.example ([192.0.2.7]) by" in await received_of(connection)
    assert not connection.rdns.cancelled()


class Stuck(KeptTarget):
    """A target of which one step never ends."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step
        self.reached = asyncio.Event()

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        delivery = await KeptTarget.start_delivery(self, envelope, reverse_path)

        async def hang(*args: object) -> None:
            self.reached.set()
            await asyncio.Event().wait()

        setattr(delivery, self.step, hang)
        return delivery


@pytest.mark.parametrize("step", ["add_recipient", "body", "commit"])
async def test_a_message_that_is_cancelled_is_aborted_everywhere(step: str) -> None:
    before, stuck, after = KeptTarget(commit_order=2), Stuck(step), KeptTarget(commit_order=2)
    check, modifier = ToldCheck(), ToldModifier()
    inner = only(to(before, stuck, after), modifiers=[modifier])
    task = asyncio.create_task(send(pipeline(only(to(inner), checks=[check])), envelope(), "bob@example.org"))
    await stuck.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [target.open for target in (before, stuck, after)] == [0, 0, 0]
    assert (check.open, modifier.open) == (0, 0)
    assert after.messages == []


async def test_an_abort_that_is_cancelled_reaches_the_others_first() -> None:
    stuck, good = Stuck("abort"), KeptTarget()
    delivery = await pipeline(only(to(stuck, good))).start_delivery(envelope(), "ann@example.net")
    await delivery.add_recipient("bob@example.org")
    task = asyncio.create_task(delivery.abort())
    await stuck.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert good.open == 0


async def test_a_target_that_does_not_start_refuses_the_recipient() -> None:
    target, other = KeptTarget(failing={"start": MailError(NO_USER)}), KeptTarget()
    source = SourceRules("x.conf:1", to(target), {"@example.org": to(other)})
    delivery = await pipeline(Rules(source)).start_delivery(envelope(), "ann@example.net")
    for _ in range(2):
        with pytest.raises(MailError) as refused:
            await delivery.add_recipient("bob@example.com")
        assert refused.value.fields["effective_rcpt"] == "bob@example.com"
    await delivery.add_recipient("bob@example.org")
    await delivery.abort()
    assert (target.open, other.open) == (0, 0)


@pytest.mark.parametrize("is_partial", [False, True])
async def test_a_target_that_refused_all_its_recipients_gets_no_message(is_partial: bool) -> None:
    refusing = KeptTarget(refused={"bob@example.com": MailError(NO_USER)})
    broken = KeptTarget(refused={"bob@example.net": RuntimeError("oops")})
    good = KeptTarget()
    keys = {"@example.com": to(refusing), "@example.net": to(only(to(broken)))}
    rules = Rules(SourceRules("x.conf:1", to(good), keys))
    delivery = await pipeline(rules).start_delivery(envelope(), "ann@example.net")
    await delivery.add_recipient("bob@example.org")
    for recipient, error in (("bob@example.com", MailError), ("bob@example.net", RuntimeError)):
        with pytest.raises(error):
            await delivery.add_recipient(recipient)
    content = Header.parse(b"Subject: hi\r\n\r\n"), MemoryBody(b"hello\r\n")
    if is_partial:
        assert await delivery.body_partial(*content) == {"bob@example.org": None}
    else:
        await delivery.body(*content)
    await delivery.commit()
    assert len(good.messages) == 1
    for target in (refusing, broken):
        assert (target.messages, target.open, target.calls[-1]) == ([], 0, ("abort", ""))
        assert ("body", "") not in target.calls
