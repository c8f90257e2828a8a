"""Signatures in the real server: what users submit is signed, and what comes in is verified, with DNS of our own."""

import asyncio
import imaplib
import smtplib
from collections.abc import Mapping
from pathlib import Path

import dkim  # type: ignore[import-untyped]  # it has no types
import pytest

from posthouse.message.header import Header, find_body, split_fields
from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.refusal import reply_to
from posthouse.testing.server import NotStarted, Server
from posthouse.wire.dns.message import Rcode

USER = "ann@example.test"
BODY = b"..\r\nA body  with blanks,\t\r\n\r\nand empty lines at its end.\r\n\r\n\r\n"
MESSAGE = (
    b"From: Ann <ann@example.test>\r\n"
    b"Subject: a subject that\r\n  is folded \r\n"
    b"To: bob@example.net\r\n"
    b"Date: Sun, 22 Nov 2026 20:19:34 +0000\r\n"
    b"Message-ID: <1@example.test>\r\n"
    b"List-Id: <friends.example.test>\r\n"
    b"\r\n" + BODY
)
HEAD = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

imap tcp://127.0.0.1:$(imap_port) {
    auth dummy
    storage &local_mailboxes
    insecure_auth yes
}
"""
SIGNING = """
modify.dkim both {
    domains example.test bücher.test
    selector s
    newkey_algo rsa2048
}

submission tcp://127.0.0.1:$(submission_port) {
    auth dummy
    insecure_auth yes
    modify {
        &both
        dkim example.test second {
            newkey_algo ed25519
            key_path other/{selector}.key
        }
    }
    deliver_to &local_mailboxes
}

submission tcp://127.0.0.1:$(below_port) {
    auth dummy
    insecure_auth yes
    modify {
        dkim example.com s {
            newkey_algo ed25519
            sign_subdomains
            oversign_fields From
            sign_fields Subject Subject
            header_canon simple
            body_canon simple
            sig_expiry 1h
            hash sha256
            allow_multiple_from no
            require_sender_match off
        }
    }
    deliver_to &local_mailboxes
}
"""
CHECKING = """
smtp tcp://127.0.0.1:$(smtp_port) {
    check {
        dkim {
            broken_sig_action quarantine
            debug
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(strict_port) {
    check {
        dkim {
            required_fields From To
            broken_sig_action reject
            no_sig_action reject
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(open_port) {
    check {
        dkim {
            fail_open
            broken_sig_action reject
        }
    }
    deliver_to &local_mailboxes
}
"""
NONE_PASSES = "550 5.7.20 No passing DKIM signatures"


def send(
    server: Server,
    port: str,
    message: bytes = MESSAGE,
    sender: str = USER,
    options: tuple[str, ...] = (),
) -> str:
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname="client.test") as client:
        client.ehlo()
        if port in ("submission", "below"):
            client.login(USER, "any")
        return reply_to(lambda: client.sendmail(sender, [USER], message, options))


def newest(server: Server, mailbox: str = "INBOX") -> bytes:
    """The message that came last."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(USER, "any")
        client.select(mailbox)
        _, [part, *_] = client.fetch("*", "(BODY.PEEK[])")
        assert isinstance(part, tuple)
        return part[1]


def submitted(server: Server, port: str, **more: object) -> bytes:
    """A message as it is stored when it was submitted."""
    assert send(server, port, **more) == "OK"  # type: ignore[arg-type]  # as the caller says
    return newest(server)


def results(message: bytes) -> list[str]:
    """What the topmost Authentication-Results says, one method each."""
    value = Header.parse(message[: find_body(message)]).get(b"Authentication-Results")
    assert value is not None
    name, *said = value.decode().split("; ")
    assert name == "mx.example.test"
    return [one.strip() for one in said]


def fields(message: bytes) -> list[tuple[str, str]]:
    """Names and values in the header, without what the storage has put on top."""
    found = [field.decode().partition(":") for field in split_fields(message[: find_body(message) - 2])]
    return [
        (name, value.replace("\r\n", "").strip())
        for name, _, value in found
        if name not in ("Delivered-To", "Return-Path")
    ]


def names(message: bytes) -> list[str]:
    """The names of these fields."""
    return [name for name, _ in fields(message)]


def make_user(server: Server) -> None:
    assert server.command("imap-acct", "create", USER).returncode == 0


def records(server: Server) -> Mapping[str, str]:
    """The records that were made, by the name where they belong."""
    keys = server.state / "dkim_keys"
    files = {
        "s._domainkey.example.test": keys / "example.test_s.dns",
        "s._domainkey.xn--bcher-kva.test": keys / "bücher.test_s.dns",
        "s._domainkey.example.com": keys / "example.com_s.dns",
        "second._domainkey.example.test": server.state / "other" / "second.dns",
    }
    return {name: path.read_text() for name, path in files.items()}


async def test_what_is_submitted_is_signed_and_verified_where_it_comes_in(tmp_path: Path) -> None:
    async with LoopbackDns({}) as dns:
        flags = ("-debug.dnsoverride", dns.address)
        server = Server(tmp_path, HEAD + SIGNING + CHECKING, flags=flags)
        await asyncio.to_thread(make_user, server)
        with server:
            for name, record in records(server).items():
                dns.put(name, [f"TXT {record}"])
            await asyncio.to_thread(_sign_and_verify, server)


def _sign_and_verify(server: Server) -> None:
    told = server.fields_of("new key for signatures")
    assert told["record"] == "s._domainkey.example.test"
    assert told["file"] == str(server.state / "dkim_keys" / "example.test_s.dns")

    # two selectors, on top of everything else
    both = submitted(server, "submission")
    assert names(both)[:3] == ["DKIM-Signature", "DKIM-Signature", "Received"]
    assert both.endswith(b"\r\n\r\n" + BODY)
    assert "d=example.test; s=s; i=@example.test;" in fields(both)[1][1]
    assert dkim.DKIM(both).verify(
        idx=1, dnsfunc=lambda name, timeout=5: records(server)[name.decode().rstrip(".")].encode()
    )
    passes = "dkim=pass header.d=example.test header.i=@example.test"
    assert send(server, "smtp", both) == "OK"
    assert results(newest(server)) == [passes, passes]
    assert names(newest(server))[:2] == ["Authentication-Results", "Received"]
    assert {'"selector":"second"' in line for line in server.lines if "signature" in line} >= {True, False}

    # other senders
    assert "d=example.test; s=s;" in fields(submitted(server, "submission", sender=""))[1][1]
    assert "DKIM-Signature" not in names(submitted(server, "submission", sender="eve@example.net"))
    assert server.fields_of("no key for domain")["domain"] == "example.net"
    options = ("SMTPUTF8",)
    utf8 = submitted(server, "submission", sender="ann@bücher.test", options=options)
    assert "d=bücher.test; s=s; i=@bücher.test;" in fields(utf8)[0][1]
    assert send(server, "smtp", utf8, options=options) == "OK"
    assert results(newest(server)) == ['dkim=pass header.d=xn--bcher-kva.test header.i="@bücher.test"']
    a_labels = submitted(server, "submission", sender="ann@xn--bcher-kva.test")
    assert "d=xn--bcher-kva.test; s=s; i=@xn--bcher-kva.test;" in fields(a_labels)[0][1]

    # what was changed, what is not signed enough, what is not signed
    below = submitted(server, "below", sender="ann@mail.example.com")
    assert "c=simple/simple; d=example.com; s=s; i=@example.com;" in fields(below)[0][1]
    assert send(server, "open", below) == "OK"
    assert results(newest(server)) == ["dkim=pass header.d=example.com header.i=@example.com"]
    assert send(server, "strict", below) == NONE_PASSES
    assert send(server, "strict", both) == "OK"
    assert send(server, "strict", both.replace(b"is folded", b"is new")) == NONE_PASSES
    assert send(server, "strict", MESSAGE) == "550 5.7.20 No DKIM signatures"
    assert send(server, "open", MESSAGE) == "OK"
    assert results(newest(server)) == ["dkim=none"]
    assert send(server, "smtp", below + b"A last line.\r\n") == "OK"
    assert results(newest(server, "Junk")) == [
        'dkim=fail reason="body hash did not verify" header.d=example.com header.i=@example.com'
    ]
    assert send(server, "smtp", below.replace(b"s=s;", b"s=t;")) == "OK"
    assert results(newest(server, "Junk")) == [
        'dkim=permerror reason="no key" header.d=example.com header.i=@example.com'
    ]


async def test_R_160_a_key_that_dns_does_not_tell_now_defers_the_message(tmp_path: Path) -> None:
    failing = {
        f"{selector}._domainkey.example.test": Answer(rcode=Rcode.SERVFAIL) for selector in ("s", "second")
    }
    async with LoopbackDns(failing) as dns:
        server = Server(tmp_path, HEAD + SIGNING + CHECKING, flags=("-debug.dnsoverride", dns.address))
        await asyncio.to_thread(make_user, server)
        with server:
            await asyncio.to_thread(_without_dns, server)


def _without_dns(server: Server) -> None:
    signed = submitted(server, "submission")
    assert send(server, "smtp", signed) == "421 4.7.20 Temporary error during DKIM verification"
    assert send(server, "open", signed) == "OK"
    failed = (
        'dkim=temperror reason="key cannot be looked up now" header.d=example.test header.i=@example.test'
    )
    assert failed in results(newest(server))


def test_keys_are_made_by_the_server_alone_and_kept(tmp_path: Path) -> None:
    server = Server(tmp_path, HEAD + SIGNING)
    make_user(server)
    assert server.command("verify-config").returncode == 0
    (tmp_path / "message").write_bytes(MESSAGE)
    words = ("-auth", USER, "-from", USER, "-to", USER, "-ip", "192.0.2.1", str(tmp_path / "message"))
    told = server.command("explain", *words)
    assert told.returncode == 0, told.stdout + told.stderr
    assert not (server.state / "dkim_keys").exists()
    with server:
        before = records(server)
    key = server.state / "dkim_keys" / "example.test_s.key"
    key.chmod(0o644)
    at = len(server.lines)
    with server:
        assert records(server) == before
        assert str(key) in server.wait_for("other users may read", at)
    assert not [line for line in server.lines[at:] if "new key" in line]
    key.write_text("-----BEGIN PRIVATE KEY-----\nbm8ga2V5\n-----END PRIVATE KEY-----\n")
    with pytest.raises(NotStarted, match="no private key"):
        server.start()
    assert str(key) in server.command("verify-config").stderr
    assert not [line for line in server.lines if "bm8ga2V5" in line]
