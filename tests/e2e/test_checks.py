"""Checks in the real server: what clients hear, what is logged, and what becomes of the message."""

import asyncio
import imaplib
import os
import select
import smtplib
import socket
import ssl
import struct
from collections.abc import Sequence
from pathlib import Path

from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.milter import CONTINUE, FakeFilter, Trouble, answer
from posthouse.testing.refusal import reply_to
from posthouse.testing.server import Server
from posthouse.wire.dns.message import Rcode

MESSAGE = "From: ann@example.test\r\nSubject: hello\r\n\r\nA body.\r\n"
STORAGE = """\
hostname mx.example.test
tls self_signed

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


def stored(server: Server, mailbox: str = "INBOX", user: str = "ann@example.test") -> list[bytes]:
    """The messages in a mailbox."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(user, "any")
        client.select(mailbox)
        _, found = client.fetch("1:*", "(BODY.PEEK[])")
        return [part[1] for part in found if isinstance(part, tuple)]


def make_user(server: Server, user: str = "ann@example.test") -> None:
    assert server.command("imap-acct", "create", user).returncode == 0


# --- the stateless ones, on DNS of our own

STATELESS = """\
hostname mx.example.test
tls self_signed

smtp tcp://127.0.0.1:$(smtp_port) {
    source tls.test {
        check {
            require_tls
        }
        deliver_to dummy
    }
    source rdns.test {
        check {
            require_matching_rdns {
                fail_action reject
            }
        }
        deliver_to dummy
    }
    default_source {
        check {
            require_mx_record {
                fail_action reject
            }
        }
        deliver_to dummy
    }
}
"""
ZONE: dict[str, Sequence[str] | Answer] = {
    "1.0.0.127.in-addr.arpa": ["PTR client.example.net"],
    "good.test": ["MX 10 mx.good.test"],
    "address.test": ["A 192.0.2.1"],
    "null.test": ["MX 0 ."],
    "broken.test": Answer(rcode=Rcode.SERVFAIL),
}


def ask_stateless(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], local_hostname="client.example.net") as client:

        def mail(sender: str) -> str:
            return reply_to(lambda: client.sendmail(sender, "ann@example.test", MESSAGE))

        assert mail("bob@rdns.test") == "OK"
        assert mail("bob@good.test") == "OK"
        assert mail("") == "OK"
        assert mail("bob@tls.test") == "550 5.7.1 TLS conversation required"
        assert server.fields_of("MAIL FROM error")["check"] == "require_tls"
        assert mail("bob@unknown.test") == "550 5.7.0 DNS error during policy check"
        assert mail("bob@broken.test") == "450 4.7.0 DNS error during policy check"
        no_mx = "501 5.7.27 Domain in MAIL FROM does not have any MX records"
        assert mail("bob@address.test") == no_mx
        assert mail("bob@null.test") == "501 5.7.27 Domain in MAIL FROM has null MX record"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=context)
        assert mail("bob@tls.test") == "OK"
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], local_hostname="other.example.net") as client:
        refusal = reply_to(lambda: client.sendmail("bob@rdns.test", "ann@example.test", MESSAGE))
        assert refusal == "550 5.7.25 rDNS name does not match source hostname"
        line = server.fields_of('"rdns_name"')
        assert (line["rdns_name"], line["src_host"]) == ("client.example.net", "other.example.net")


async def test_tls_a_name_and_an_mx_record_can_be_required(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        with Server(tmp_path, STATELESS, flags=("-debug.dnsoverride", dns.address)) as server:
            await asyncio.to_thread(ask_stateless, server)


# --- authorize_sender

SUBMISSION = (
    STORAGE
    + """
submission tcp://127.0.0.1:$(submission_port) {
    auth dummy
    insecure_auth yes
    check {
        authorize_sender {
            user_to_email static {
                entry ann@example.test ann@example.test sales.test
            }
            malformed_action reject 554 5.6.0 "Broken header"
        }
    }
    deliver_to &local_mailboxes
}
"""
)


def test_users_send_only_from_addresses_that_are_theirs(tmp_path: Path) -> None:
    server = Server(tmp_path, SUBMISSION)
    make_user(server)
    own = "553 5.7.0 Unauthorized use of sender address"
    with server, smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
        client.login("ann@example.test", "secret")

        def mail(sender: str, *fields: str) -> str:
            message = "".join(f"{field}\r\n" for field in (*fields, "To: ann@example.test", "", "A body."))
            return reply_to(lambda: client.sendmail(sender, "ann@example.test", message))

        assert mail("ann@example.test", "From: Ann <ann@example.test>") == "OK"
        assert mail("any@sales.test", "From: ann@example.test") == "OK"
        assert mail("bob@example.test", "From: ann@example.test") == own
        line = server.fields_of("MAIL FROM error")
        assert (line["check"], line["username"]) == ("authorize_sender", "ann@example.test")
        assert mail("ann@example.test", "From: bob@example.test") == own
        assert mail("ann@example.test", "From: bob@example.test", "Sender: ann@example.test") == "OK"
        broken = mail("ann@example.test", "From: ann@example.test", "Resent-From: x")
        assert broken == "554 5.6.0 Broken header"
        assert len(stored(server)) == 3


# --- command

COMMAND = (
    STORAGE
    + """
smtp tcp://127.0.0.1:$(smtp_port) {
    source body.test {
        check {
            command $(script) {sender} {rcpts}
        }
        deliver_to &local_mailboxes
    }
    source slow.test {
        check {
            command sleep 1000 {
                timeout 50ms
            }
        }
        deliver_to &local_mailboxes
    }
    source rcpt.test {
        check {
            command $(script) {address} {
                run_on rcpt
                code 3 ignore
            }
        }
        deliver_to &local_mailboxes
    }
    default_source {
        check {
            command $(script) {
                timeout 500ms
            }
        }
        deliver_to &local_mailboxes
    }
}
"""
)
SCRIPT = """\
#!/bin/sh
case "$1" in
    fields@*) cat >/dev/null; printf 'X-One: %s\\nX-Two: folded\\n  line\\n' "$2";;
    junk@*) exit 2;;
    "") yes;;
    bad*) exit 1;;
    odd*) exit 9;;
    ignored*) exit 3;;
    crash@*) kill -9 $$;;
    wait@*) echo $$ > $0.pid; exec sleep 1000;;
esac
"""


def test_a_program_judges_messages(tmp_path: Path) -> None:
    script = tmp_path / "filter"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    os.mkfifo(script.with_suffix(".pid"))
    pipe = os.open(script.with_suffix(".pid"), os.O_RDWR)  # so that nobody waits for the other end
    server = Server(tmp_path, f"$(script) = {script}\n{COMMAND}")
    make_user(server)
    refused = "550 5.7.1 Message rejected for due to a local policy"
    failed = "450 4.0.0 Internal server error"
    with server:
        client = smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=20)  # others have longer

        def mail(sender: str, recipient: str = "ann@example.test") -> str:
            return reply_to(lambda: client.sendmail(sender, recipient, MESSAGE * 2000))

        assert mail("fields@body.test") == "OK"
        assert mail("bad@body.test") == refused
        assert mail("odd@body.test") == failed
        assert server.fields_of('"exit_code":9')["check"] == "command"
        assert mail("crash@body.test") == failed
        assert mail("a@slow.test") == failed
        assert mail("junk@body.test") == "OK"
        assert mail("a@rcpt.test", "bad@example.test") == refused
        assert mail("many@default.test") == failed
        assert server.fields_of("octets of output")["check"] == "command"
        (message,) = stored(server)
        assert b"\r\nX-One: ann@example.test\r\nX-Two: folded\r\n  line\r\n" in message
        assert message.index(b"X-One: ") < message.index(b"Received: ") < message.index(b"From: ")
        assert len(stored(server, "Junk")) == 1
        client.docmd("MAIL", "FROM:<a@rcpt.test>")
        client.send("RCPT TO:<wait@example.test>\r\n")
        assert select.select([pipe], [], [], 20)[0], "the program says nothing"
        process = os.pidfd_open(int(os.read(pipe, 100)))
        assert client.sock is not None
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
        client.close()
        assert select.select([process], [], [], 20)[0], "the program still runs"
        os.close(process)
    os.close(pipe)


# --- milter

FILTERED = (
    STORAGE
    + """
smtp tcp://127.0.0.1:$(smtp_port) {
    check {
        milter $(address)
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(open_port) {
    check {
        milter {
            endpoint unix:nobody.sock
            fail_open yes
        }
    }
    deliver_to &local_mailboxes
}
"""
)
ADDS = answer(b"h", b"X-Seen\0by the filter\0") + answer(b"m", b"\0\0\0\1From\0eve@x.test\0") + CONTINUE
REFUSALS: list[tuple[dict[bytes, bytes | Trouble], str, str]] = [
    ({b"R": answer(b"y", b"451 4.7.1 x\0")}, "451 4.7.1 Message rejected due to local policy", "RCPT error"),
    ({b"E": answer(b"r")}, "550 5.7.1 Message rejected due to local policy", "DATA error"),
    ({b"C": Trouble.END}, "451 4.7.1 I/O error during policy check", "MAIL FROM error"),
    ({b"L": Trouble.END}, "451 4.7.1 I/O error during policy check", "DATA error"),
    ({b"E": b"\xff\xff\xff\xff"}, "451 4.7.1 I/O error during policy check", "DATA error"),
]


def send(server: Server, port: str = "smtp") -> str:
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname="client.example.net") as client:
        return reply_to(lambda: client.sendmail("bob@example.net", "ann@example.test", MESSAGE))


async def test_R_190_filters_judge_messages_and_failing_ones_harm_none(tmp_path: Path) -> None:
    async with FakeFilter() as peer:
        server = Server(tmp_path, f"$(address) = {peer.address}\n{FILTERED}")
        make_user(server)
        with server:
            for peer.answers, reply, logged in REFUSALS:
                assert await asyncio.to_thread(send, server) == reply
                assert server.fields_of(logged)["check"] == "milter"
            assert await asyncio.to_thread(stored, server) == []
            peer.answers = {b"E": ADDS}
            assert await asyncio.to_thread(send, server) == "OK"
            assert await asyncio.to_thread(send, server, "open") == "OK"
            filtered, unfiltered = await asyncio.to_thread(stored, server)
            ignored = server.fields_of("change not supported, ignored")
            failed = server.fields_of("the filter failed, taking the message without it")
    assert (ignored["change"], ignored["milter"]) == ("change header", peer.address)
    assert "No such file" in str(failed["reason"])
    assert filtered.index(b"X-Seen: by the filter\r\n") < filtered.index(b"Received: ")
    assert peer.told(b"B")[-1] == b"A body.\r\n"
    for message in (filtered, unfiltered):
        assert message.endswith(MESSAGE.encode())
