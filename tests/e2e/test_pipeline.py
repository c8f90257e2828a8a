"""The real server routes mail by its configuration: every directive of a pipeline, seen from outside."""

import imaplib
import smtplib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.testing.server import Server

USERS = ("ann", "bob", "sales", "archive", "catchall", "support")
CONFIGURATION = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

check.require_tls tls_wanted {
    fail_action reject 550 5.7.10 "TLS wanted"
}

table.static banned {
    entry "banned@example.net" "yes"
}

table.static helpdesk {
    entry "support@example.test" "yes"
}

checks strict {
    &tls_wanted
}

modifiers aliases {
    replace_rcpt static {
        entry "team@example.test" "ann@example.test" "bob@example.test"
        entry "circle@example.test" "loop@circle.test"
        entry "root@example.test" "postmaster"
    }
}

msgpipeline local_routing {
    destination catchall.test {
        modify {
            replace_rcpt regexp "(.+)@catchall.test" "catchall@example.test"
        }
        reroute {
            destination example.test {
                deliver_to &local_mailboxes
            }
            default_destination {
                reject 550 5.1.1 "not rewritten"
            }
        }
    }
    destination example.test {
        deliver_to &local_mailboxes
    }
    destination circle.test {
        deliver_to &round
    }
    destination nowhere.test { }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
}

msgpipeline round {
    deliver_to &local_routing
}

smtp tcp://127.0.0.1:$(smtp_port) {
    bare_postmaster yes
    modify &aliases
    source_in &banned {
        reject 550 5.7.1 "You are banned"
    }
    source strict.test {
        check &strict
        deliver_to &local_routing
    }
    source quarantine.test {
        check {
            require_tls {
                fail_action quarantine
            }
        }
        deliver_to &local_routing
    }
    source lenient.test {
        check {
            require_tls {
                fail_action ignore
            }
        }
        modify {
            replace_sender static {
                entry "old@lenient.test" "new@lenient.test"
            }
        }
        deliver_to &local_routing
    }
    source refused.test {
        reject 550 5.7.1 "We do not talk"
    }
    default_source {
        destination_in &helpdesk {
            deliver_to &local_mailboxes
        }
        destination postmaster {
            modify {
                replace_rcpt static {
                    entry "postmaster" "ann@example.test"
                }
            }
            deliver_to &local_mailboxes
        }
        destination sales@example.test {
            deliver_to &local_mailboxes
            reroute {
                modify {
                    replace_rcpt static {
                        entry "sales@example.test" "archive@example.test"
                    }
                }
                deliver_to &local_mailboxes
            }
        }
        destination checked.test {
            check &strict
            deliver_to &local_mailboxes
        }
        default_destination {
            deliver_to &local_routing
        }
    }
}

lmtp tcp://127.0.0.1:$(lmtp_port) {
    modify &aliases
    deliver_to &local_routing
}

imap tcp://127.0.0.1:$(imap_port) {
    auth dummy
    storage &local_mailboxes
    insecure_auth yes
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("server"), CONFIGURATION)
    for user in USERS:
        assert found.command("imap-acct", "create", f"{user}@example.test").returncode == 0
    with found:
        yield found


def send(server: Server, subject: str, sender: str, *recipients: str) -> None:
    """Raises what smtplib raises of a refusal."""
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.sendmail(sender, recipients, f"Subject: {subject}\r\n\r\nhello\r\n")


def refusal(server: Server, sender: str, recipient: str) -> str:
    """The reply to a recipient who is refused, without the ID of the message."""
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.ehlo()
        assert client.mail(sender)[0] == 250
        code, text = client.rcpt(recipient)
        assert code >= 400, text
        return f"{code} {text.decode()}".partition(" (msg ID")[0]


def found(server: Server, user: str, subject: str, mailbox: str = "INBOX") -> list[str]:
    """The header of each message with this subject in a mailbox of a user."""
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(f"{user}@example.test", "any password")
        client.select(mailbox, readonly=True)
        numbers = client.search(None, "SUBJECT", subject)[1][0].split()
        answers = [client.fetch(number.decode(), "(BODY.PEEK[HEADER])")[1][0] for number in numbers]
        return [answer[1].decode() for answer in answers if isinstance(answer, tuple)]


def test_a_named_pipeline_is_a_target(server: Server) -> None:
    send(server, "plain", "x@example.net", "ann@example.test")
    [header] = found(server, "ann", "plain")
    assert header.count("Received:") == 1


def test_an_alias_goes_to_several(server: Server) -> None:
    send(server, "alias", "x@example.net", "team@example.test")
    assert [len(found(server, user, "alias")) for user in ("ann", "bob")] == [1, 1]


def test_a_recipient_goes_to_several_targets(server: Server) -> None:
    send(server, "sold", "x@example.net", "sales@example.test")
    assert [len(found(server, user, "sold")) for user in ("sales", "archive")] == [1, 1]


def test_what_a_modifier_makes_is_routed_anew_by_reroute(server: Server) -> None:
    send(server, "caught", "x@example.net", "anybody@catchall.test")
    [header] = found(server, "catchall", "caught")
    assert "Delivered-To: catchall@example.test" in header


def test_a_table_chooses_the_destination(server: Server) -> None:
    send(server, "help", "x@example.net", "support@example.test")
    assert len(found(server, "support", "help")) == 1


def test_the_bare_postmaster_is_routed(server: Server) -> None:
    send(server, "master", "x@example.net", "root@example.test")
    assert len(found(server, "ann", "master")) == 1


def test_R_069_postmaster_needs_no_domain(server: Server) -> None:
    send(server, "domainless", "x@example.net", "Postmaster")
    assert len(found(server, "ann", "domainless")) == 1


@pytest.mark.parametrize("sender", ["x@example.net", ""])
def test_R_064_unknown_recipients_are_refused_in_the_session(server: Server, sender: str) -> None:
    """Nothing is accepted first and bounced later; known ones of the same message get it."""
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], "client.example.net") as client:
        client.ehlo_or_helo_if_needed()
        client.mail(sender)
        assert client.rcpt("nobody@other.test")[0] == 550
        assert client.rcpt("ann@example.test")[0] == 250
        assert client.data(f"Subject: only{len(sender)}\r\n\r\nx\r\n")[0] == 250
    assert len(found(server, "ann", f"only{len(sender)}")) == 1


def test_a_destination_without_a_word_discards(server: Server) -> None:
    send(server, "gone", "x@example.net", "x@nowhere.test")


@pytest.mark.parametrize(
    ("sender", "recipient", "reply"),
    [
        pytest.param("banned@example.net", "ann@example.test", "550 5.7.1 You are banned", id="source_in"),
        pytest.param("x@refused.test", "ann@example.test", "550 5.7.1 We do not talk", id="source reject"),
        pytest.param("x@strict.test", "ann@example.test", "550 5.7.10 TLS wanted", id="source check"),
        pytest.param("x@example.net", "ann@checked.test", "550 5.7.10 TLS wanted", id="destination check"),
        pytest.param("x@example.net", "x@other.test", "550 5.1.1 User doesn't exist", id="default"),
        pytest.param(
            "x@example.net",
            "circle@example.test",
            "554 5.4.6 Routing loop: the message goes round in a circle",
            id="circle",
        ),
    ],
)
def test_a_refusal_is_the_reply_to_rcpt(server: Server, sender: str, recipient: str, reply: str) -> None:
    assert refusal(server, sender, recipient) == reply


def test_an_alias_of_whom_one_is_refused_is_refused(server: Server) -> None:
    refusal(server, "x@example.net", "circle@example.test")
    assert '"effective_rcpt":"loop@circle.test"' in server.wait_for('"rcpt":"circle@example.test"')


def test_R_056_lmtp_tells_of_each_recipient_once(server: Server) -> None:
    commands = [b"LHLO x", b"MAIL FROM:<x@example.net>"]
    commands += [
        b"RCPT TO:<%b>" % name for name in (b"team@example.test", b"x@other.test", b"ann@example.test")
    ]
    commands += [b"DATA", b"Subject: each\r\n\r\nhello\r\n.", b"QUIT"]
    with socket.create_connection(("127.0.0.1", server.ports["lmtp"]), 20) as peer:
        peer.sendall(b"".join(command + b"\r\n" for command in commands[:6]))
        peer.sendall(b"".join(command + b"\r\n" for command in commands[6:]))
        replies = peer.makefile("rb").readlines()
    codes = [line[:3] for line in replies if line[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"550", b"250", b"354", b"250", b"250", b"221"]
    assert [len(found(server, user, "each")) for user in ("ann", "bob")] == [1, 1]


def test_a_check_quarantines(server: Server) -> None:
    at = len(server.lines)
    send(server, "suspect", "x@quarantine.test", "ann@example.test")
    assert (found(server, "ann", "suspect"), len(found(server, "ann", "suspect", "Junk"))) == ([], 1)
    assert "TLS conversation required" in server.wait_for("smtp: quarantined", at)


def test_a_check_that_is_ignored_is_logged_and_senders_are_replaced(server: Server) -> None:
    at = len(server.lines)
    send(server, "lenient", "old@lenient.test", "ann@example.test")
    [header] = found(server, "ann", "lenient")
    assert "Return-Path: <new@lenient.test>" in header
    assert "(envelope-sender <old@lenient.test>)" in " ".join(header.split())
    assert "TLS conversation required" in server.wait_for("smtp: no check action", at)


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("check {\n no_such_check\n }\n reject", "unknown module: no_such_check (namespace: check)"),
        ("deliver_to &nobody", "no such instance registered: nobody"),
        ("reject\n deliver_to dummy", "can't use reject and deliver_to in the same block"),
        ("reroute {\n }", "empty pipeline configuration, use 'reject' to reject messages"),
        ("source x.test {\n reject\n }", "missing or empty default source block"),
    ],
)
def test_a_mistake_is_told_before_the_server_starts(tmp_path: Path, block: str, text: str) -> None:
    server = Server(
        tmp_path, f"hostname mx.example.test\ntls off\nsmtp tcp://127.0.0.1:$(smtp_port) {{\n{block}\n}}\n"
    )
    told = server.command("verify-config")
    assert told.returncode != 0
    assert text in told.stdout + told.stderr
