"""The directives of the IMAP endpoint and its storage in the real server: who logs in to which account, and what accounts take."""

import imaplib
import json
import smtplib
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from posthouse.testing.server import Server

CONFIGURATION = """\
hostname mx.example.test
tls self_signed

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
    appendlimit 2K
    sqlite3_cache_size -2048
    sqlite3_busy_timeout 10000
    disable_recent no
    delivery_normalize casefold
    refuse_delivered yes
}

storage.imapsql old_ways {
    driver sqlite3
    dsn old.db
    sqlite_cache_size 500
    sqlite_busy_timeout 10000
    auth_map regexp "(.+)@old.test" "$1"
    auth_normalize casefold
}

imap tcp://127.0.0.1:$(mapped_port) {
    auth dummy
    insecure_auth yes
    sasl_login yes
    auth_map static {
        entry ann any
        entry stray any
    }
    auth_map_normalize casefold
    storage_map static {
        entry Ann ann@example.test
    }
    storage_map_normalize noop
    storage &local_mailboxes
}

imap tcp://127.0.0.1:$(plain_port) {
    auth dummy
    insecure_auth yes
    io_errors yes
    io_debug yes
    debug yes
    storage &local_mailboxes
}

imap tcp://127.0.0.1:$(old_port) {
    auth dummy
    insecure_auth yes
    storage &old_ways
}

lmtp tcp://127.0.0.1:$(lmtp_port) {
    deliver_to &local_mailboxes
}
"""
PASSWORD = "any"
ACCOUNT = "ann@example.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("storage"), CONFIGURATION)
    assert server.command("imap-acct", "create", ACCOUNT).returncode == 0
    with server:
        yield server


def client_of(server: Server, port: str) -> imaplib.IMAP4:
    return imaplib.IMAP4("127.0.0.1", server.ports[port], timeout=20)


def accounts(server: Server, storage: str) -> set[str]:
    done = server.command("imap-acct", "list", "--cfg-block", storage)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_login_is_offered_where_it_was_asked_for(server: Server) -> None:
    words = iter([b"Ann", PASSWORD.encode()])
    with client_of(server, "mapped") as client:
        assert "AUTH=LOGIN" in client.capabilities
        assert client.authenticate("LOGIN", lambda prompt: next(words))[0] == "OK"
    with client_of(server, "plain") as client:
        assert "AUTH=LOGIN" not in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            client.authenticate("LOGIN", lambda prompt: b"Ann")


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("ANN", "user is not in storage_map"),  # casefold for the one, as it is for the other
        ("stray", "user is not in storage_map"),
        (ACCOUNT, "user is not in auth_map"),
    ],
)
def test_users_that_are_not_mapped_do_not_log_in(server: Server, user: str, reason: str) -> None:
    with client_of(server, "mapped") as client, pytest.raises(imaplib.IMAP4.error):
        client.login(user, PASSWORD)
    line = server.wait_for(f'"username":"{user}"}}')
    assert json.loads(line.partition("\t")[2])["reason"] == reason


def test_mapped_users_share_an_account(server: Server) -> None:
    with client_of(server, "mapped") as mapped, client_of(server, "plain") as named:
        mapped.login("Ann", PASSWORD)
        assert mapped.create("shared")[0] == "OK"
        named.login(ACCOUNT, PASSWORD)
        assert named.select("shared")[0] == "OK"
    assert accounts(server, "local_mailboxes") == {ACCOUNT}


def test_the_deprecated_map_of_the_storage_works_too(server: Server) -> None:
    server.wait_for("auth_map and auth_normalize are deprecated, use storage_map of the imap endpoint")
    with client_of(server, "old") as client:
        client.login("BOB@old.test", PASSWORD)
    assert accounts(server, "old_ways") == {"bob"}


def test_messages_of_clients_have_a_bound_and_deliveries_have_not(server: Server) -> None:
    message = b"Subject: long\r\n\r\n" + b"line\r\n" * 400
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], "relay.example", timeout=20) as relay:
        assert relay.sendmail("eve@example.net", [ACCOUNT.upper()], message) == {}  # by delivery_normalize
    with client_of(server, "plain") as client:
        client.login(ACCOUNT, PASSWORD)
        assert "APPENDLIMIT=2048" in client.capability()[1][0].decode()
        status, [text] = client.append("INBOX", "", "", message)
        assert (status, text[:8]) == ("NO", b"[TOOBIG]")
        assert client.append("INBOX", "", "", message[:2048])[0] == "OK"
        assert client.select()[1] == [b"2"]


@pytest.mark.parametrize("recipient", ["ann@EXAMPLE.test", "bob@example.test"])
def test_recipients_are_normalised_before_they_are_looked_for(server: Server, recipient: str) -> None:
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], "relay.example", timeout=20) as relay:
        relay.ehlo()
        relay.mail("eve@example.net")
        assert relay.rcpt(recipient)[0] == (250 if recipient.startswith("ann") else 501)


def test_recent_messages_are_recent_once(server: Server) -> None:
    with client_of(server, "plain") as client:
        client.login(ACCOUNT, PASSWORD)
        client.create("Recent")
        client.append("Recent", "", "", b"Subject: x\r\n\r\n")
        for count in (b"1", b"0"):
            client.select("Recent")
            assert client.response("RECENT")[1] == [count]


def test_traffic_and_connections_that_break_off_are_logged_where_wanted(server: Server) -> None:
    address = ("127.0.0.1", server.ports["plain"])
    with socket.create_connection(address, timeout=20) as client, client.makefile("rb") as lines:
        lines.readline()
        client.sendall(b"broken STARTTLS\r\n")
        assert lines.readline().startswith(b"broken OK")
        client.sendall(b"This is no TLS\r\n" * 10)
        with suppress(ConnectionError):
            while client.recv(4096):  # at most an alert
                pass
    server.wait_for("imap: connection failed\t")
    assert server.wait_for("broken STARTTLS").startswith("[debug] imap: C\t")
    assert server.wait_for("broken OK").startswith("[debug] imap: S\t")


def test_refuse_delivered(server: Server) -> None:
    with (
        smtplib.LMTP("127.0.0.1", server.ports["lmtp"]) as lmtp,
        pytest.raises(smtplib.SMTPDataError) as refused,
    ):
        lmtp.sendmail("a@example.net", [ACCOUNT], f"Delivered-To: {ACCOUNT}\r\nSubject: again\r\n\r\n")
    assert refused.value.smtp_code == 554
    assert "5.4.6 " in str(refused.value.args[1])
    assert "Mail forwarding loop" in str(refused.value.args[1])
