"""Lists in DNS decide about clients of the real server; nothing is asked outside of this machine."""

import asyncio
import imaplib
import smtplib
from collections.abc import Sequence
from pathlib import Path

from posthouse.testing.dns import Answer, LoopbackDns
from posthouse.testing.refusal import reply_to
from posthouse.testing.server import Server
from posthouse.wire.dns.message import Rcode

MESSAGE = "From: bob@example.net\r\nSubject: hello\r\n\r\nA body.\r\n"
CONFIGURATION = """\
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

smtp tcp://127.0.0.1:$(early_port) {
    check {
        dnsbl ip.test {
            check_early
            reject_threshold 1
        }
    }
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(smtp_port) {
    check {
        dnsbl broken.test {
            reject_threshold 3
            good.test {
                score -1
            }
            both.test {
                client_ipv4 no
                ehlo
                mailfrom
                response 127.0.0.2 {
                    score 2
                    message "See http://both.test"
                }
                response 127.0.0.4/30 {
                    score 2
                    message "Not told: one message for each list"
                }
            }
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(patient_port) {
    check {
        dnsbl ip.test {
            quarantine_threshold 3
            ip.test {
                client_ipv6 no
                score 2
                responses 127.0.0.8/30
            }
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(strict_port) {
    check {
        dnsbl broken.test {
            dns_error_action reject
        }
    }
    deliver_to dummy
}

expect "nobody is refused because DNS is not asked" {
    from bob@example.net
    to ann@example.test
    delivered_to dummy
}

expect "clients are refused early" {
    endpoint tcp://127.0.0.1:$(early_port)
    from bob@example.net
    ip 192.0.2.9
    to ann@example.test
    dns a 9.2.0.192.ip.test 127.0.0.2
    dns txt 9.2.0.192.ip.test
    refused 554 5.7.0
}

expect "a check may be said to be silent" {
    endpoint tcp://127.0.0.1:$(early_port)
    from bob@example.net
    ip 192.0.2.9
    to ann@example.test
    dns a 9.2.0.192.ip.test 127.0.0.2
    dns txt 9.2.0.192.ip.test
    check dnsbl ignore
    accepted
}
"""
ZONE: dict[str, Sequence[str] | Answer] = {
    "1.0.0.127.broken.test": Answer(rcode=Rcode.SERVFAIL),
    "2.0.0.127.broken.test": Answer(rcode=Rcode.SERVFAIL),
    "2.0.0.127.ip.test": ["A 127.0.0.2"],
    "1.0.0.127.ip.test": ["A 127.0.0.2"],
    "1.0.0.127.good.test": ["A 127.0.0.2"],
    "spam.test.both.test": ["A 127.0.0.2"],
    "worse.test.both.test": ["A 127.0.0.2", "A 127.0.0.6", "TXT sends spam", "TXT all day"],
    "test.both.test": ["A 127.0.0.2"],
    "9.2.0.192.ip.test": ["A 127.0.0.2", "TXT an open relay"],
}


def greet(server: Server) -> str:
    with smtplib.SMTP("127.0.0.1", server.ports["early"]) as client:
        code, text = client.ehlo("client.test")
    return f"{code} {text.decode()}"


def mail(server: Server, sender: str, hello: str = "client.test", port: str = "smtp") -> str:
    with smtplib.SMTP("127.0.0.1", server.ports[port], local_hostname=hello) as client:
        return reply_to(lambda: client.sendmail(sender, "ann@example.test", MESSAGE))


def stored(server: Server, mailbox: str) -> int:
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login("ann@example.test", "any")
        return int(client.select(mailbox)[1][0] or 0)


async def test_lists_decide_about_clients_and_senders(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        server = Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))
        assert (
            await asyncio.to_thread(server.command, "imap-acct", "create", "ann@example.test")
        ).returncode == 0
        with server:
            await asyncio.to_thread(_ask, server)


def _ask(server: Server) -> None:
    # a list that fails lets mail in, and is logged
    assert mail(server, "bob@good.test") == "OK"
    failed = server.fields_of("no check action")
    assert (failed["check"], failed["list"], failed["smtp_code"]) == ("dnsbl", "broken.test", 451)
    assert mail(server, "bob@good.test", port="strict") == "451 4.7.0 DNS error during policy check"
    # the client's name or the sender's domain; one of the lists speaks for the client
    assert mail(server, "bob@spam.test") == "OK"
    assert server.fields_of("quarantined")["listed_identity"] == "127.0.0.1; spam.test"
    assert mail(server, "bob@good.test", hello="spam.test") == "OK"
    assert (stored(server, "INBOX"), stored(server, "Junk")) == (1, 2)
    # an answer that does not count, and a score that is not enough
    assert mail(server, "bob@good.test", port="patient") == "OK"
    assert (stored(server, "INBOX"), stored(server, "Junk")) == (2, 2)
    assert mail(server, "bob@worse.test") == "554 5.7.0 See http://both.test"
    told = server.fields_of("sends spam")
    assert (told["list"], told["reason"]) == ("good.test; both.test", "127.0.0.2; sends spam; all day")
    # at EHLO
    assert greet(server) == "554 5.7.0 Client identity is listed in the used DNSBL"
    assert server.fields_of("connection refused")["list"] == "ip.test"
    # what the lists that were tried in the background lack
    assert server.fields_of("it may list all")["list"] == "ip.test"


async def test_explain_asks_the_lists(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        server = Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", dns.address))

        def explain(port: str, *words: str) -> str:
            at = f"tcp://127.0.0.1:{server.ports[port]}"
            return server.command("explain", "-endpoint", at, "-to", "ann@example.test", *words).stdout

        refused = await asyncio.to_thread(explain, "early", "-from", "bob@spam.test", "-ip", "192.0.2.9")
        junk = await asyncio.to_thread(explain, "smtp", "-from", "bob@spam.test", "-ip", "192.0.2.9")
    assert "  554 5.7.0 Client identity is listed in the used DNSBL" in refused
    assert "9.2.0.192.ip.test" in refused
    assert "an open relay" in refused
    assert "quarantined" in junk
    assert "See http://both.test" in junk
