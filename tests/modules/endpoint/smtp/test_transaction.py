"""What a transaction writes into the log, keeps as events, and hands to its target."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope, RcptOptions
from posthouse.message.header import Header
from posthouse.modules.endpoint.smtp import LmtpEndpoint, SubmissionEndpoint
from posthouse.testing.smtp import KnownUsers, serving_smtp
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply


@dataclass
class WholeTarget:
    """A target, and its only delivery, whose message fails for nobody or for all."""

    commit_order: int = 2
    calls: list[str] = field(default_factory=list)

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> "WholeTarget":
        return self

    async def add_recipient(self, recipient: str) -> None:
        self.calls.append(f"add {recipient}")

    async def body(self, header: Header, body: Body) -> None:
        self.calls.append("body")

    async def commit(self) -> None:
        self.calls.append("commit")

    async def abort(self) -> None:
        self.calls.append("abort")


UNKNOWN = MailError(Reply(550, (5, 1, 1), "No such user"), module="target.test", mailbox="x")
MESSAGE = b"Subject: x\r\n\r\ntext\r\n.\r\n"


def words(fake: FakeWorld) -> list[str]:
    """What was logged, fields apart, without the start."""
    return [line.partition("\t")[0] for line in fake.log.lines if "listening" not in line]


async def test_an_accepted_message(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            port = talk.writer.get_extra_info("sockname")[1]
            await talk.to_data("bob@EXAMPLE.org", "eve@xn--bcher-kva.example")
            talk.send(b"TLS-Required: NO\r\nSubject: x\r\n\r\n..text\r\n.\r\n")
            assert await talk.hear() == "250 2.0.0 OK: queued"
    (message,) = target.messages
    assert message.reverse_path == "ann@example.net"
    assert message.recipients == ("bob@example.org", "eve@bücher.example")
    assert (message.header, message.body) == (b"TLS-Required: NO\r\nSubject: x\r\n", b".text\r\n")
    envelope = message.envelope
    assert re.fullmatch("[0-9a-f]{8}", envelope.id)
    assert envelope.tls_required_override
    assert not envelope.hide_client
    assert list(envelope.recipients) == ["bob@EXAMPLE.org", "eve@xn--bcher-kva.example"]
    assert envelope.connection is not None
    assert (envelope.connection.protocol, envelope.connection.hello) == ("ESMTP", "client.example")
    assert fake.log.fields_of("smtp", "incoming message") == [
        {
            "msg_id": envelope.id,
            "sender": "ann@example.net",
            "src_host": "client.example",
            "src_ip": f"127.0.0.1:{port}",
        }
    ]
    assert fake.log.fields_of("smtp", "RCPT ok") == [
        {"msg_id": envelope.id, "rcpt": "bob@EXAMPLE.org"},
        {"msg_id": envelope.id, "rcpt": "eve@xn--bcher-kva.example"},
    ]
    assert fake.log.fields_of("smtp", "accepted") == [{"msg_id": envelope.id}]
    assert [event.text for event in fake.events.messages[envelope.id]] == [
        "incoming message",
        "RCPT ok",
        "RCPT ok",
        "accepted",
    ]


async def test_a_raw_sender_is_kept_beside_its_clean_form(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<Ann@EXAMPLE.NET> BODY=8BITMIME SIZE=5 SMTPUTF8")
            await talk.say("RCPT TO:<b@example.org>", "DATA")
            talk.send(b".\r\n")
            await talk.hear()
    (message,) = target.messages
    assert (message.reverse_path, message.envelope.original_from) == ("Ann@example.net", "Ann@EXAMPLE.NET")
    options = message.envelope.options
    assert (options.body, options.size, options.utf8) == ("8BITMIME", 5, True)


async def test_what_dsn_asks_for_is_kept_for_each_recipient(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "dsn yes", target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net> RET=HDRS ENVID=a+2Bb")
            await talk.say("RCPT TO:<bob@EXAMPLE.org> NOTIFY=NEVER ORCPT=rfc822;Bob@example.org")
            await talk.say("RCPT TO:<eve@example.org>", "DATA")
            talk.send(b".\r\n")
            assert await talk.hear() == "250 2.0.0 OK: queued"
    envelope = target.messages[0].envelope
    assert (envelope.options.ret, envelope.options.envid) == ("HDRS", "a+b")
    assert envelope.recipient_options == {
        "bob@example.org": RcptOptions(frozenset({"NEVER"}), "rfc822;Bob@example.org")
    }


TO_BOTH = ("LHLO a", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", "RCPT TO:<eve@example.org>", "DATA")


async def test_a_failure_in_lmtp_is_logged_with_its_recipient(tmp_path: Path) -> None:
    target = KeptTarget(failing_for={"eve@example.org": UNKNOWN})
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target, kind=LmtpEndpoint) as served, served.talk() as talk:
            await talk.say(*TO_BOTH)
            talk.send(b".\r\n")
            assert await talk.hear() == "250 2.0.0 <bob@example.org> OK: queued"
            assert (await talk.hear()).startswith("550 5.1.1 <eve@example.org> No such user (msg ID = ")
        (fields,) = fake.log.fields_of("lmtp", "DATA error")
        assert (fields["rcpt"], fields["mailbox"]) == ("eve@example.org", "x")
        assert len(fake.log.fields_of("lmtp", "accepted")) == 1


async def test_lmtp_without_partial_results_answers_all_alike(tmp_path: Path) -> None:
    target = WholeTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target, kind=LmtpEndpoint) as served, served.talk() as talk:
            await talk.say(*TO_BOTH)
            talk.send(b".\r\n")
            for name in ("bob", "eve"):
                assert await talk.hear() == f"250 2.0.0 <{name}@example.org> OK: queued"
    assert target.calls == ["add bob@example.org", "add eve@example.org", "body", "commit"]


async def test_who_is_logged_in_is_logged(tmp_path: Path) -> None:
    target, users = KeptTarget(), KnownUsers({"ann@example.org": "secret"})
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, target=target, kind=SubmissionEndpoint, auth=(users,)) as served,
            served.talk() as talk,
        ):
            await talk.say("EHLO a", "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ=")
            await talk.to_data()
            talk.send(b"From: ann@example.org\r\n" + MESSAGE)
            assert await talk.hear() == "250 2.0.0 OK: queued"
    assert fake.log.fields_of("submission", "incoming message")[0]["username"] == "ann@example.org"
    envelope = target.messages[0].envelope
    assert envelope.hide_client
    assert envelope.connection is not None
    assert (envelope.connection.auth_user, envelope.connection.auth_password) == ("ann@example.org", "secret")


@pytest.mark.parametrize("end", ["RSET", "QUIT", "EHLO b", "MAIL FROM:<>"])
async def test_a_transaction_that_is_given_up_is_aborted_and_logged(tmp_path: Path, end: str) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<>", "RCPT TO:<bob@example.org>", end)
    assert target.calls == [("start", ""), ("add", "bob@example.org"), ("abort", "")]
    (fields,) = fake.log.fields_of("smtp", "aborted")
    assert [event.text for event in fake.events.messages[str(fields["msg_id"])]][-1] == "aborted"


async def test_nothing_is_begun_before_a_recipient(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>", "RSET", "MAIL FROM:<>", "QUIT")
    assert (target.calls, words(fake)) == ([], [])


async def test_without_deferring_mail_begins(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "defer_sender_reject no", target=target) as served,
            served.talk() as talk,
        ):
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>")
            assert target.calls == [("start", "ann@example.net")]
            await talk.say("MAIL FROM:<eve@example.net>")
    assert target.calls == [
        ("start", "ann@example.net"),
        ("start", "eve@example.net"),
        ("abort", ""),
        ("abort", ""),
    ]
    assert words(fake) == [
        "smtp: incoming message",
        "smtp: incoming message",
        "smtp: aborted",
        "smtp: aborted",
    ]


async def test_a_failing_second_mail_keeps_the_first(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "defer_sender_reject no", target=target) as served,
            served.talk() as talk,
        ):
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>", "RCPT TO:<bob@example.org>")
            target.failing["start"] = UNKNOWN
            assert (await talk.say("MAIL FROM:<eve@example.net>")).startswith(
                "550 5.1.1 No such user (msg ID"
            )
            assert (await talk.say("DATA")).startswith("354")
            talk.send(MESSAGE)
            assert await talk.hear() == "250 2.0.0 OK: queued"
    assert [message.reverse_path for message in target.messages] == ["ann@example.net"]
    (fields,) = fake.log.fields_of("smtp", "MAIL FROM error")
    assert (fields["smtp_code"], fields["target"], fields["mailbox"]) == (550, "target.test", "x")


async def test_only_the_first_errors_of_recipients_are_logged(tmp_path: Path) -> None:
    refused: dict[str, Exception] = {f"u{number}@example.org": UNKNOWN for number in range(4)}
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "max_logged_rcpt_errors 2", target=KeptTarget(refused=refused)) as served,
            served.talk() as talk,
        ):
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>")
            for recipient in refused:
                assert "No such user" in await talk.say(f"RCPT TO:<{recipient}>")
            port = talk.writer.get_extra_info("sockname")[1]
    assert words(fake) == [
        "smtp: incoming message",
        "smtp: RCPT error",
        "smtp: RCPT error",
        "smtp: too many RCPT errors, possible dictonary attack",
        "smtp: aborted",
    ]
    message_id = fake.log.fields_of("smtp", "incoming message")[0]["msg_id"]
    (attack,) = fake.log.fields_of("smtp", "too many RCPT errors, possible dictonary attack")
    assert attack == {"msg_id": message_id, "src_ip": f"127.0.0.1:{port}"}
    error = fake.log.fields_of("smtp", "RCPT error")[1]
    assert (error["rcpt"], error["smtp_code"], error["smtp_enchcode"]) == ("u1@example.org", 550, "5.1.1")


async def test_a_deferred_refusal_is_logged_once_and_counted(tmp_path: Path) -> None:
    target = KeptTarget(failing={"start": UNKNOWN})
    with FakeWorld(tmp_path) as fake:
        async with (
            serving_smtp(fake, "max_logged_rcpt_errors 2", target=target) as served,
            served.talk() as talk,
        ):
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>")
            replies = {await talk.say(f"RCPT TO:<u{number}@example.org>") for number in range(4)}
            await talk.say("QUIT")
            port = talk.writer.get_extra_info("sockname")[1]
    assert len(replies) == 1
    (error,) = fake.log.fields_of("smtp", "MAIL FROM error (deferred)")
    assert error["rcpt"] == "u0@example.org"
    text = "MAIL FROM repeated error a lot of times, possible dictonary attack"
    assert fake.log.fields_of("smtp", text) == [
        {"count": 3, "msg_id": error["msg_id"], "src_ip": f"127.0.0.1:{port}"}
    ]
    assert [event.text for event in fake.events.messages[str(error["msg_id"])]] == [
        "incoming message",
        "MAIL FROM error (deferred)",
    ]


@pytest.mark.parametrize("step", ["start", "body", "commit"])
async def test_an_error_that_nobody_foresaw_is_logged_with_its_place(tmp_path: Path, step: str) -> None:
    target = KeptTarget(failing={step: ZeroDivisionError("oops")})
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            await talk.say("EHLO a", "MAIL FROM:<ann@example.net>", "RCPT TO:<bob@example.org>")
            if step != "start":
                await talk.say("DATA")
                talk.send(MESSAGE)
                assert (await talk.hear()).startswith("451 4.3.0 Internal server error (msg ID = ")
            assert await talk.say("NOOP") == "250 2.0.0 I have successfully done nothing"
    text = "MAIL FROM error (deferred)" if step == "start" else "DATA error"
    (fields,) = fake.log.fields_of("smtp", text)
    assert fields["reason"] == "oops"
    assert "target.py" in str(fields["trace"])
    assert target.open == 0
    assert target.messages == []
    assert (("abort", "") in target.calls) is (step == "body")


async def test_a_refused_message_is_aborted_and_logged(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target) as served, served.talk() as talk:
            await talk.to_data()
            talk.send(b"Subject: x\r\n\r\nbare\nnewline\r\n.\r\n")
            assert (await talk.hear()).startswith("550 5.5.2 Bare CR or LF is not allowed (msg ID = ")
            await talk.to_data()
            talk.send(MESSAGE)
            assert await talk.hear() == "250 2.0.0 OK: queued"
    assert target.calls[:3] == [("start", "ann@example.net"), ("add", "bob@example.org"), ("abort", "")]
    assert len(target.messages) == 1
    assert fake.log.fields_of("smtp", "DATA error")[0]["smtp_code"] == 550
    assert fake.log.fields_of("smtp", "aborted") == []


@pytest.mark.parametrize("buffer", ["ram", "fs", "auto 100b", "auto 1M"])
@pytest.mark.parametrize("size", [0, 50, 100_000, 3_000_000])
async def test_bodies_of_all_sizes_come_whole_and_leave_nothing(
    tmp_path: Path, buffer: str, size: int
) -> None:
    target = KeptTarget()
    body = (b"0123456789" * 7 + b"\r\n") * (size // 72)
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, f"buffer {buffer}", target=target) as served, served.talk() as talk:
            await talk.to_data()
            talk.send(b"Subject: x\r\n\r\n" + body + b".\r\n")
            assert await talk.hear() == "250 2.0.0 OK: queued"
        assert list((fake.paths.state / "buffer").iterdir()) == []
    assert target.messages[0].body == body


async def test_traffic_is_mirrored_when_asked_for(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "io_debug yes\ndebug yes") as served, served.talk() as talk:
            await talk.say("NOOP")
    assert any("NOOP\\r\\n" in line for line in fake.log.lines if line.startswith("[debug] smtp: read"))
    assert any("done nothing" in line for line in fake.log.lines if line.startswith("[debug] smtp: write"))
