"""DMARC in the real server: what SPF and DKIM found, what the policy of the author's domain wants, what comes of it."""

import asyncio
import imaplib
import json
import smtplib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import dkim  # type: ignore[import-untyped]  # it has no types
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from posthouse.mailauth.dkim.private_key import key_record
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

checks signed_or_sent {
    dkim {
        fail_open
    }
    spf
}

smtp tcp://127.0.0.1:$(smtp_port) {
    check &signed_or_sent
    dmarc
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(psl_port) {
    check &signed_or_sent
    dmarc yes
    dmarc_mode psl
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(off_port) {
    check &signed_or_sent
    deliver_to &local_mailboxes
}

msgpipeline judging {
    dmarc_mode psl
    dmarc yes
    check &signed_or_sent
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(half_port) {
    check {
        spf
    }
    dmarc yes
    deliver_to &judging
}

lmtp tcp://127.0.0.1:$(lmtp_port) {
    check &signed_or_sent
    dmarc yes
    deliver_to &local_mailboxes
}

expect "DMARC decides at DATA only" {
    endpoint tcp://127.0.0.1:$(smtp_port)
    from bob@reject.test
    to ann@example.test
    delivered_to local_mailboxes
}
"""
ZONE: dict[str, Sequence[str] | Answer] = {
    "ours.test": ["TXT v=spf1 ip4:127.0.0.0/8 -all"],
    "client.test": ["TXT v=spf1 ip4:127.0.0.0/8 -all"],
    "reject.test": ["TXT v=spf1 -all"],
    "lists.reject.test": ["TXT v=spf1 ip4:127.0.0.0/8 -all"],
    "slow.test": Answer(rcode=Rcode.SERVFAIL),
    "_dmarc.ours.test": ["TXT v=DMARC1; p=reject; aspf=s"],
    "_dmarc.client.test": ["TXT v=DMARC1; p=reject"],
    "_dmarc.reject.test": ["TXT v=DMARC1; p=reject; sp=quarantine; np=reject"],
    "sub.reject.test": ["TXT something"],
    "_dmarc.junk.test": ["TXT v=DMARC1; p=quarantine"],
    "_dmarc.watched.test": ["TXT v=DMARC1; p=none; rua=mailto:d@watched.test"],
    "_dmarc.slow.test": ["TXT v=DMARC1; p=reject"],
    "_dmarc.lost.test": Answer(rcode=Rcode.SERVFAIL),
    "_dmarc.lost2.test": Answer(rcode=Rcode.REFUSED),
    "_dmarc.twice.test": ["TXT v=DMARC1; p=reject", "TXT v=DMARC1; p=none"],
    "_dmarc.long.test": [f"TXT v=DMARC1; p=reject; rua={','.join(['mailto:d@long.test!10m'] * 1000)}"],
    "_dmarc.sampled.test": ["TXT v=DMARC1; p=reject; pct=0"],
    "_dmarc.b.tree.test": ["TXT v=DMARC1; p=reject; psd=n"],
}
FAILED: Final = "550 5.7.1 DMARC check failed"
FAILED_NOW: Final = "450 4.7.1 DMARC check failed"


def mail(server: Server, author: str, sender: str = "", port: str = "smtp", key: bytes = b"") -> str:
    """Send a message of an author (or of what else stands in From); signed for reject.test where there is a key."""
    message = f"From: {author}\r\nSubject: hello\r\n\r\nA body.\r\n".encode()
    if key:
        message = (
            dkim.sign(message, b"s", b"reject.test", key, include_headers=[b"From", b"Subject"]) + message
        )
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname="client.test") as client:
        return reply_to(lambda: client.sendmail(sender, USER, message))


def newest(server: Server, mailbox: str = "INBOX") -> str:
    """`dmarc=...` of the newest message in a mailbox; "" if there is none."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(USER, "any")
        client.select(mailbox)
        _, [part, *_] = client.fetch("*", "(BODY.PEEK[])")
        assert isinstance(part, tuple)
    values = Header.parse(part[1][: find_body(part[1])]).get_all(b"Authentication-Results")
    return values[0].decode().partition("; dmarc=")[2]


async def with_server(
    directory: Path, zone: dict[str, Sequence[str] | Answer], *steps: Callable[[Server], None]
) -> list[str]:
    """Let these things happen to a server; gives the names of the spans that it wrote."""
    async with LoopbackDns(zone) as dns:
        server = Server(directory, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))
        made = await asyncio.to_thread(server.command, "imap-acct", "create", USER)
        assert made.returncode == 0, made.stderr
        with server:
            for step in steps:
                await asyncio.to_thread(step, server)
            path = Path(str(server.fields_of("tracing is on")["file"]))
    return [event["name"] for event in json.loads(path.read_bytes())]


async def test_the_policy_of_the_author_is_applied(tmp_path: Path) -> None:
    names = await with_server(tmp_path, ZONE, _policies, _modes, _nested, _over_lmtp)
    assert "DMARC/FetchRecord" in names


def _policies(server: Server) -> None:
    none_aligned = 'fail reason="No aligned identifiers"'
    assert mail(server, "bob@ours.test", "bob@ours.test") == "OK"
    assert newest(server) == "pass header.from=ours.test"
    # strictly aligned or relaxed, by MAIL FROM or, without one, by EHLO
    assert mail(server, "bob@reject.test", "bob@lists.reject.test") == "OK"
    assert newest(server) == "pass header.from=reject.test"
    assert mail(server, "bob@client.test") == "OK"
    assert newest(server) == "pass header.from=client.test"
    assert mail(server, "bob@sub.ours.test", "bob@ours.test") == FAILED
    # SPF passes, but for somebody else
    assert mail(server, "bob@reject.test", "bob@ours.test") == FAILED
    refused = server.fields_of("DMARC check failed")
    told = ("check", "reason", "dkim_res", "spf_res", "spf_from")
    assert [refused[name] for name in told] == [
        "dmarc",
        "No aligned identifiers",
        "none",
        "pass",
        "ours.test",
    ]
    assert mail(server, "bob@junk.test", "bob@ours.test") == "OK"
    assert newest(server, "Junk") == f"{none_aligned} header.from=junk.test"
    assert server.fields_of("quarantined")["check"] == "dmarc"
    assert mail(server, "bob@watched.test", "bob@ours.test") == "OK"
    assert newest(server) == f"{none_aligned} header.from=watched.test"
    assert mail(server, "bob@nothing.test", "bob@ours.test") == "OK"
    assert newest(server) == "none header.from=nothing.test"
    assert mail(server, "bob@reject.test", "bob@ours.test", "off") == "OK"
    assert newest(server) == ""


def _without_dns(server: Server) -> None:
    for author in ("bob@lost.test", "bob@lost2.test"):
        assert mail(server, author, "bob@ours.test") == FAILED_NOW
    assert server.fields_of("Policy lookup failed")["check"] == "dmarc"
    assert mail(server, "bob@slow.test", "bob@slow.test") == FAILED_NOW
    assert server.fields_of("SPF authentication temp error")["spf_res"] == "temperror"


def _strange(server: Server) -> None:
    for author, reason in [
        ("bob@reject.test\r\nFrom: eve@ours.test", "several From fields"),
        ("bob@reject.test, eve@ours.test", "several addresses in From"),
    ]:
        assert mail(server, author, "bob@ours.test") == "OK"
        assert newest(server) == f'permerror reason="{reason}"'
    spaced = "bob@reject.test\r\nfrom : eve@ours.test"  # no header that all read in the same way
    assert mail(server, spaced, "bob@ours.test").startswith("554 ")
    # below the domain with the record: sp for what exists, np for what does not
    assert mail(server, "bob@sub.reject.test", "bob@ours.test") == "OK"
    assert newest(server, "Junk").endswith(" header.from=sub.reject.test")
    assert mail(server, "bob@nowhere.reject.test", "bob@ours.test") == FAILED
    assert mail(server, "bob@twice.test", "bob@ours.test") == "OK"
    assert newest(server) == "none header.from=twice.test"
    assert mail(server, "bob@long.test", "bob@ours.test") == FAILED


def _modes(server: Server) -> None:
    assert mail(server, "bob@a.b.tree.test", "bob@ours.test") == FAILED
    assert mail(server, "bob@a.b.tree.test", "bob@ours.test", "psl") == "OK"
    assert newest(server) == "none header.from=a.b.tree.test"
    assert mail(server, "bob@nowhere.reject.test", "bob@ours.test", "psl") == "OK"
    assert newest(server, "Junk").endswith(" header.from=nowhere.reject.test")
    assert mail(server, "bob@sampled.test", "bob@ours.test") == FAILED
    assert mail(server, "bob@reject.test", "bob@lists.reject.test", "psl") == "OK"
    assert newest(server) == "pass header.from=reject.test"


def _nested(server: Server) -> None:
    """Results of pipelines below do not count, and those below judge for themselves."""
    assert mail(server, "bob@junk.test", "bob@ours.test", "half") == "OK"
    assert newest(server, "Junk").startswith("fail ")
    assert mail(server, "bob@reject.test", "bob@ours.test", "half") == FAILED


def _over_lmtp(server: Server) -> None:
    """Each recipient hears of the policy."""
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], local_hostname="client.test") as client:
        message = "From: bob@reject.test\r\nSubject: hello\r\n\r\n"
        assert reply_to(lambda: client.sendmail("bob@ours.test", USER, message)) == (
            "550 5.7.1 <ann@example.test> DMARC check failed"
        )


async def test_R_160_what_dns_does_not_tell_now_is_to_be_sent_again(tmp_path: Path) -> None:
    await with_server(tmp_path, ZONE, _without_dns)


async def test_R_154_strange_authors_and_records(tmp_path: Path) -> None:
    await with_server(tmp_path, ZONE, _strange)


async def test_a_signature_of_the_author_is_enough(tmp_path: Path) -> None:
    key = generate_private_key(65537, 1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def send(server: Server) -> None:
        assert mail(server, "bob@reject.test", "bob@reject.test", key=pem) == "OK"
        assert newest(server) == "pass header.from=reject.test"
        assert server.fields_of("deferring action due to a DMARC policy")["result"] == "fail"
        assert mail(server, "bob@sub.reject.test", "bob@reject.test", key=pem) == "OK"
        assert newest(server) == "pass header.from=sub.reject.test"
        assert mail(server, "bob@ours.test", "bob@reject.test", key=pem) == FAILED
        assert server.fields_of("DMARC check failed")["dkim_domain"] == "reject.test"

    await with_server(tmp_path, ZONE | {"s._domainkey.reject.test": [f"TXT {key_record(key)}"]}, send)


async def test_a_key_that_dns_does_not_tell_is_to_be_sent_again(tmp_path: Path) -> None:
    key = generate_private_key(65537, 1024)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())

    def send(server: Server) -> None:
        assert mail(server, "bob@reject.test", "bob@ours.test", key=pem) == FAILED_NOW
        assert server.fields_of("DKIM authentication temp error")["dkim_res"] == "temperror"

    await with_server(tmp_path, ZONE | {"s._domainkey.reject.test": Answer(rcode=Rcode.SERVFAIL)}, send)


async def test_explain_says_that_only_delivery_can_tell(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        server = Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))

        def explain() -> str:
            at = f"tcp://127.0.0.1:{server.ports['smtp']}"
            return server.command(
                "explain", "-endpoint", at, "-to", USER, "-from", "bob@reject.test", "-ip", "127.0.0.1"
            ).stdout

        told = await asyncio.to_thread(explain)
    assert "dmarc" in told
    assert "it looks at the message itself" in told
