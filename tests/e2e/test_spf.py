"""SPF decides about clients of the real server, and leaves it to DMARC where there is a policy."""

import asyncio
import imaplib
import json
import smtplib
from collections.abc import Callable, Sequence
from pathlib import Path

from posthouse.message.header import Header, find_body
from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.refusal import reply_to
from posthouse.testing.server import Server
from posthouse.wire.dns.message import Rcode

USER = "ann@example.test"
CONFIGURATION = """\
hostname mx.example.test
tls off
trace_file trace.json

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

imap tcp://127.0.0.1:$(imap_port) {
    auth dummy
    storage &local_mailboxes
    insecure_auth yes
}

smtp tcp://127.0.0.1:$(smtp_port) {
    check {
        spf
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(strict_port) {
    check {
        spf {
            none_action reject
            neutral_action reject
            fail_action reject
            softfail_action reject
            permerr_action reject
            temperr_action reject
            debug
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(early_port) {
    check {
        spf {
            enforce_early
            fail_action reject 551 5.7.99 "Not from there"
            temperr_action reject
        }
    }
    deliver_to &local_mailboxes
}

lmtp unix:lmtp.sock {
    check {
        spf
    }
    deliver_to &local_mailboxes
}

expect "clients that may not send are refused early" {
    endpoint tcp://127.0.0.1:$(early_port)
    from bob@example.net
    ip 192.0.2.9
    to ann@example.test
    dns txt example.net "v=spf1 -all"
    refused 551 5.7.99
}

expect "those that may are not" {
    endpoint tcp://127.0.0.1:$(early_port)
    from bob@example.net
    ip 192.0.2.9
    to ann@example.test
    dns txt example.net "v=spf1 ip4:192.0.2.0/24 -all"
    delivered_to local_mailboxes
}

expect "without DNS, and later than RCPT, nothing is known" {
    endpoint tcp://127.0.0.1:$(strict_port)
    from bob@example.net
    ip 192.0.2.9
    to ann@example.test
    delivered_to local_mailboxes
}
"""
INCLUDES = ["TXT v=spf1 " + " ".join(f"include:i{number}.test" for number in range(11)) + " -all"]
ZONE: dict[str, Sequence[str] | Answer] = {
    "pass.test": ["TXT v=spf1 ip4:127.0.0.0/8 -all"],
    "fail.test": ["TXT v=spf1 -all"],
    "soft.test": ["TXT v=spf1 ~all"],
    "neutral.test": ["TXT v=spf1 ?all"],
    "malformed.test": ["TXT v=spf1 what"],
    "servfail.test": Answer(rcode=Rcode.SERVFAIL),
    "refused.test": Answer(rcode=Rcode.REFUSED),
    "empty.test": [],
    "client.test": ["TXT v=spf1 a:client.test -all", "A 127.0.0.1"],
    #
    "loop.test": ["TXT v=spf1 include:loop.test -all"],
    "circle.test": ["TXT v=spf1 redirect=circle.test"],
    "many.test": INCLUDES,
    **{f"i{number}.test": ["TXT v=spf1 ?all"] for number in range(11)},
    "void.test": ["TXT v=spf1 a:no1.test a:no2.test a:no3.test -all"],
    "told.test": ["TXT v=spf1 exp=why.test -all"],
    "why.test": ["TXT you are\r\n250 OK"],
    "silent.test": Answer(silent=True),
    # deferred to DMARC
    "policy.test": ["TXT v=spf1 -all"],
    "_dmarc.policy.test": ["TXT v=DMARC1; p=reject"],
    "watched.test": ["TXT v=spf1 -all"],
    "_dmarc.watched.test": ["TXT v=DMARC1; p=none; sp=reject"],
}


def mail(server: Server, sender: str, port: str = "smtp", author: str = "") -> str:
    message = f"From: {author or sender or 'mailer-daemon@nowhere.test'}\r\nSubject: hello\r\n\r\nA body.\r\n"
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname="client.test") as client:
        return reply_to(lambda: client.sendmail(sender, USER, message))


def newest(server: Server, mailbox: str) -> str:
    """What the topmost Authentication-Results of the newest message in a mailbox says."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(USER, "any")
        client.select(mailbox)
        _, [part, *_] = client.fetch("*", "(BODY.PEEK[])")
        assert isinstance(part, tuple)
    value = Header.parse(part[1][: find_body(part[1])]).get(b"Authentication-Results")
    assert value is not None
    return value.decode().removeprefix("mx.example.test; ")


async def with_server(directory: Path, *steps: Callable[[Server], None]) -> list[str]:
    """Let these things happen to a server; gives the names of the spans that it wrote."""
    async with LoopbackDns(ZONE) as dns:
        server = Server(directory, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))
        made = await asyncio.to_thread(server.command, "imap-acct", "create", USER)
        assert made.returncode == 0, made.stderr
        with server:
            for step in steps:
                await asyncio.to_thread(step, server)
            path = Path(str(server.fields_of("tracing is on")["file"]))
    return [event["name"] for event in json.loads(path.read_bytes())]


async def test_spf_decides_about_clients(tmp_path: Path) -> None:
    names = await with_server(tmp_path, _by_default, _strictly, _early, _for_dmarc, _over_lmtp)
    assert {"check.spf/CheckConnection", "check.spf/CheckBody"} <= set(names)


def _by_default(server: Server) -> None:
    assert mail(server, "bob@pass.test") == "OK"
    identity = "smtp.helo=client.test smtp.mailfrom=pass.test"
    assert newest(server, "INBOX") == f'spf=pass reason="matched ip4:127.0.0.0/8" {identity}'
    assert mail(server, "bob@fail.test") == "OK"
    assert newest(server, "Junk").startswith('spf=fail reason="matched -all" smtp.helo=client.test')
    said = server.fields_of("quarantined")
    assert (said["check"], said["reason"], said["smtp_code"]) == ("check.spf", "matched -all", 550)
    for sender, result in [
        ("soft", "softfail"),
        ("neutral", "neutral"),
        ("none", "none"),
        ("empty", "none"),
        ("malformed", "permerror"),
        ("servfail", "temperror"),
        ("refused", "temperror"),
    ]:
        assert mail(server, f"bob@{sender}.test") == "OK"
        assert newest(server, "INBOX").startswith(f"spf={result} reason=")
    # the name of the client, where there is no sender
    assert mail(server, "") == "OK"
    assert newest(server, "INBOX") == 'spf=pass reason="matched a:client.test" smtp.helo=client.test'


def _strictly(server: Server) -> None:
    replies = {
        sender: mail(server, f"bob@{sender}.test", "strict")
        for sender in ("pass", "none", "neutral", "fail", "soft", "malformed", "servfail", "refused")
    }
    # what DNS cannot tell now is a temporary error
    now = "451 4.7.23 SPF authentication failed with a temporary error"
    assert replies == {
        "pass": "OK",
        "none": "550 5.7.23 No SPF policy",
        "neutral": "550 5.7.23 Neutral SPF result is not permitted",
        "fail": "550 5.7.23 SPF authentication failed",
        "soft": "550 5.7.23 SPF authentication soft-failed",
        "malformed": "550 5.7.23 SPF authentication failed with a permanent error",
        "servfail": now,
        "refused": now,
    }


def _early(server: Server) -> None:
    assert mail(server, "bob@policy.test", "early") == "551 5.7.99 Not from there"
    assert mail(server, "bob@servfail.test", "early").startswith("451 4.7.23 ")
    assert mail(server, "bob@pass.test", "early") == "OK"
    assert newest(server, "INBOX").startswith("spf=pass ")


def _for_dmarc(server: Server) -> None:
    assert mail(server, "bob@policy.test", "strict") == "OK"
    assert newest(server, "INBOX").startswith("spf=fail ")
    deferred = server.fields_of("deferring action due to a DMARC policy")
    assert (deferred["result"], deferred["err"]) == ("fail", "matched -all")
    refused = "550 5.7.23 SPF authentication failed"
    assert mail(server, "bob@fail.test", "strict", author="bob@policy.test") == "OK"
    assert mail(server, "bob@policy.test", "strict", author="bob@fail.test") == refused
    assert mail(server, "bob@watched.test", "strict") == refused
    assert mail(server, "bob@watched.test", "strict", author="bob@sub.watched.test") == "OK"
    assert mail(server, "bob@policy.test", "strict", author="a@policy.test, b@policy.test") == refused


def _within_bounds(server: Server) -> None:
    permanent = "550 5.7.23 SPF authentication failed with a permanent error"
    for domain in ("loop.test", "circle.test", "many.test", "void.test"):
        assert mail(server, f"bob@{domain}", "strict") == permanent
    assert mail(server, "bob@told.test", "strict") == "550 5.7.23 SPF authentication failed"


def _over_lmtp(server: Server) -> None:
    client = smtplib.LMTP(str(server.state.parent / "run" / "lmtp.sock"), local_hostname="client.test")
    with client:
        client.sendmail("bob@fail.test", USER, "From: bob@fail.test\r\n\r\n")
    assert server.fields_of("no TCP connection, skipping")


async def test_R_150_what_costs_too_much_is_a_permanent_error(tmp_path: Path) -> None:
    await with_server(tmp_path, _within_bounds)


async def test_a_client_that_leaves_ends_the_look_up(tmp_path: Path) -> None:
    names = await with_server(tmp_path, _leave)
    assert "DNS/TXT" in names


def _leave(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], local_hostname="client.test") as client:
        client.ehlo()
        client.mail("bob@silent.test")
        assert client.rcpt(USER)[0] == 250
        client.rset()
        assert mail(server, "bob@pass.test") == "OK"
    assert server.stop() == 0
    assert not any("background" in line for line in server.lines)


async def test_explain_asks_dns(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        server = Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))

        def explain(port: str, sender: str) -> str:
            at = f"tcp://127.0.0.1:{server.ports[port]}"
            words = (
                "-endpoint",
                at,
                "-to",
                USER,
                "-from",
                sender,
                "-ip",
                "127.0.0.1",
                "-helo",
                "client.test",
            )
            return server.command("explain", *words).stdout

        refused = await asyncio.to_thread(explain, "early", "bob@fail.test")
        later = await asyncio.to_thread(explain, "strict", "bob@fail.test")
    assert "  551 5.7.99 Not from there" in refused
    assert "v=spf1 -all" in refused
    assert "matched -all" in refused
    assert "noted: 550 5.7.23 SPF authentication failed (matched -all)" in later
    assert "it looks at the message itself" in later


async def test_R_162_without_dns_mail_comes_in(tmp_path: Path) -> None:
    server = Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", "127.0.0.1:1"))
    made = await asyncio.to_thread(server.command, "imap-acct", "create", USER)
    assert made.returncode == 0, made.stderr

    def send() -> None:
        with server:
            assert mail(server, "bob@fail.test") == "OK"
            assert newest(server, "INBOX").startswith("spf=temperror ")
            assert mail(server, "bob@fail.test", "early").startswith("451 4.7.23 ")

    await asyncio.to_thread(send)
