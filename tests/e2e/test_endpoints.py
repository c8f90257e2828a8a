"""The real server's ways in: LMTP over TCP and Unix sockets, proxies, submission, buffers, DSN, bounds."""

import email
import imaplib
import shutil
import smtplib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from posthouse.testing.server import Server

USER, SMALL_USER, PASSWORD = "ann@example.test", "bob@small.test", "correct horse"
PROXIED = b"PROXY TCP4 192.0.2.1 192.0.2.2 4321 25\r\n"
MESSAGE = "From: ann@example.test\r\nSubject: {}\r\n\r\ntext\r\n"
PIPELINE = """
    destination example.test {
        deliver_to &local_mailboxes
    }
    destination small.test {
        deliver_to &picky
    }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
"""
CONFIGURATION = """\
hostname mx.example.test
tls off

auth.pass_table local_authdb {
    table sql_table {
        driver sqlite3
        dsn credentials.db
        table_name passwords
    }
}

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn mailboxes.db
}

msgpipeline picky {
    check {
        command false {
            code 1 reject 552 5.2.2 "Mailbox is full"
        }
    }
    deliver_to &local_mailboxes
}

lmtp tcp://127.0.0.1:$(lmtp_port) unix:lmtp.sock {
    PIPELINE
}

smtp tcp://127.0.0.1:$(ram_port) {
    buffer ram
    max_message_size 100K
    max_recipients 2
    max_received 2
    dsn yes
    bare_newline normalize
    PIPELINE
}

smtp tcp://127.0.0.1:$(fs_port) {
    buffer fs
    max_connections_per_ip 1
    PIPELINE
}

smtp tcp://127.0.0.1:$(auto_port) tcp://127.0.0.1:$(second_port) {
    buffer auto 5b
    PIPELINE
}

smtp tcp://127.0.0.1:$(proxied_port) {
    proxy_protocol 127.0.0.0/8
    max_connections_per_ip 1
    PIPELINE
}

smtp tcp://127.0.0.1:$(strange_port) {
    proxy_protocol {
        trust 192.0.2.0/24 2001:db8::1
    }
    PIPELINE
}

smtp tcp://127.0.0.1:$(unwanted_port) {
    proxy_protocol 192.0.2.0/24 {
        untrusted reject
    }
    PIPELINE
}

smtp tcp://127.0.0.1:$(inside_port) {
    proxy_protocol {
        tls self_signed
    }
    PIPELINE
}

submission tcp://127.0.0.1:$(submission_port) {
    auth &local_authdb
    insecure_auth yes
    PIPELINE
}

imap tcp://127.0.0.1:$(imap_port) {
    auth &local_authdb
    storage &local_mailboxes
    insecure_auth yes
    proxy_protocol 127.0.0.1
}
""".replace("    PIPELINE", PIPELINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("endpoints"), CONFIGURATION)
    for words in (
        ("creds", "create", "-p", PASSWORD, USER),
        ("imap-acct", "create", USER),
        ("imap-acct", "create", SMALL_USER),
    ):
        done = server.command(*words)
        assert done.returncode == 0, done.stderr
    with server:
        yield server


def trace(server: Server) -> str:
    """The Received field of the newest message, on one line."""
    return " ".join(str(newest(server)["Received"]).split())


def newest(server: Server) -> email.message.Message:
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(USER, PASSWORD)
        (count, *_) = client.select()[1]
        assert count is not None
        _, [answer, *_] = client.fetch(count.decode(), "(BODY.PEEK[])")
        assert isinstance(answer, tuple)
        return email.message_from_bytes(answer[1])


@contextmanager
def smtp(server: Server, port: str, before: bytes = b"") -> Iterator[smtplib.SMTP]:
    """A client; `before`: octets that a proxy sends first."""
    client = smtplib.SMTP("127.0.0.1", server.ports[port], "client.example", timeout=20)
    try:
        assert client.sock is not None
        client.sock.sendall(before)
        yield client
    finally:
        client.close()


def swaks(*words: str) -> str:
    """What it said, both sides."""
    path = shutil.which("swaks")
    if path is None:
        pytest.skip("swaks is not installed")
    command = [path, "--protocol", "LMTP", "--from", "eve@example.net", "--ehlo", "relay.example", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("transport", ["tcp", "unix"])
def test_swaks_delivers_by_lmtp(server: Server, transport: str) -> None:
    if transport == "tcp":
        where = ["--server", f"127.0.0.1:{server.ports['lmtp']}"]
    else:
        where = ["--socket", str(server.state.parent / "run" / "lmtp.sock")]
    said = swaks(*where, "--to", USER, "--header", f"Subject: by LMTP over {transport}")
    assert f"<-  250 2.0.0 <{USER}> OK: queued" in said, said
    assert newest(server)["Subject"] == f"by LMTP over {transport}"
    received = trace(server)
    assert received.startswith("from relay.example")
    assert ("[127.0.0.1])" in received) is (transport == "tcp")
    assert " with LMTP id " in received


def test_R_056_lmtp_has_a_reply_for_each_recipient(server: Server) -> None:
    with smtplib.LMTP("127.0.0.1", server.ports["lmtp"], "relay.example") as client:
        client.ehlo()
        client.mail("eve@example.net")
        for recipient, code in ((USER, 250), (SMALL_USER, 250), ("nobody@example.test", 501), (USER, 250)):
            assert client.rcpt(recipient)[0] == code
        assert client.docmd("DATA")[0] == 354
        client.send(MESSAGE.format("partly") + ".\r\n")
        replies = [client.getreply() for _ in range(3)]
        assert replies[0] == replies[2] == (250, f"2.0.0 <{USER}> OK: queued".encode())
        assert replies[1][0] == 552, replies
        assert f"<{SMALL_USER}> ".encode() in replies[1][1]
        assert client.noop()[0] == 250
    assert newest(server)["Subject"] == "partly"


@pytest.mark.parametrize("port", ["ram", "fs", "auto", "second"])
def test_bodies_are_the_same_however_they_wait(server: Server, port: str) -> None:
    for body in ("", "x", "five\r\n", "grüße\r\n" * 3000):
        with smtp(server, port) as client:
            octets = (MESSAGE.format(f"{port} {len(body)}") + body).encode()
            assert client.sendmail("eve@example.net", [USER], octets, ["BODY=8BITMIME"]) == {}
        message = newest(server)
        assert message["Subject"] == f"{port} {len(body)}"
        payload = message.get_payload(decode=True)
        assert isinstance(payload, bytes)
        assert payload.rstrip(b"\r\n") == f"text\r\n{body}".encode().rstrip(b"\r\n")
    assert list((server.state / "buffer").iterdir()) == []


def test_bounds_of_a_message(server: Server) -> None:
    with smtp(server, "ram") as client:
        client.ehlo()
        assert client.esmtp_features["limits"] == "RCPTMAX=2"
        assert client.esmtp_features["size"] == "102400"
        client.mail("eve@example.net")
        assert client.rcpt(USER)[0] == client.rcpt(SMALL_USER)[0] == 250
        assert client.rcpt("third@example.test") == (452, b"4.5.3 Maximum limit of 2 recipients reached")
        code, text = client.data("Received: by a\r\n" * 3 + "\r\n")
        assert (code, text[:54]) == (554, b"5.4.6 Too many Received header fields (3), possible fo")
        client.mail("eve@example.net")
        client.rcpt(USER)
        code, text = client.data(b"Subject: x\r\n\r\n" + (b"y" * 900 + b"\r\n") * 120)
        assert (code, text[:36]) == (552, b"5.3.4 Maximum message size exceeded ")


def test_dsn_is_offered_only_where_it_was_asked_for(server: Server) -> None:
    with smtp(server, "ram") as client:
        client.ehlo()
        assert client.has_extn("dsn")
        assert client.mail("eve@example.net", ["RET=HDRS", "ENVID=a+2Bb"])[0] == 250
        assert client.rcpt(USER, ["NOTIFY=FAILURE", f"ORCPT=rfc822;{USER}"])[0] == 250
        assert client.data(MESSAGE.format("with DSN"))[0] == 250
    assert newest(server)["Subject"] == "with DSN"
    with smtp(server, "auto") as client:
        client.ehlo()
        assert not client.has_extn("dsn")
        assert client.mail("eve@example.net", ["RET=HDRS"]) == (504, b"5.5.4 RET is not implemented")


def test_addresses_of_other_alphabets(server: Server) -> None:
    with smtp(server, "auto") as client:
        client.ehlo()
        client.mail("ann@b\u00fccher.example", ["SMTPUTF8"])
        assert client.rcpt(USER)[0] == 250
        assert client.data(MESSAGE.format("SMTPUTF8"))[0] == 250
    assert " with UTF8ESMTP id " in trace(server)


def test_a_trusted_proxy_says_who_the_client_is(server: Server) -> None:
    at = len(server.lines)
    with smtp(server, "proxied", PROXIED) as client:
        assert client.sendmail("proxied@example.net", [USER], MESSAGE.format("by a proxy")) == {}
        with smtp(server, "proxied", PROXIED) as second:
            assert second.noop()[0] == 421  # of this client there is one already
        with smtp(server, "proxied", PROXIED.replace(b"192.0.2.1", b"192.0.2.7")) as other:
            assert other.noop()[0] == 250
    assert "[192.0.2.1])" in trace(server)
    assert '"src_ip":"192.0.2.1:4321"' in server.wait_for('"sender":"proxied@example.net"', at)


def test_R_057_a_stranger_does_not(server: Server) -> None:
    with smtp(server, "strange", PROXIED) as client:
        assert client.sendmail("eve@example.net", [USER], MESSAGE.format("by a stranger")) == {}
    assert "[127.0.0.1])" in trace(server)
    server.wait_for("connection from untrusted source 127.0.0.1:")


def test_R_057_a_stranger_may_be_refused(server: Server) -> None:
    with smtp(server, "unwanted", PROXIED) as client:
        assert client.noop() == (421, b"4.4.0 Connection error, sorry")
    assert "PROXY header from an untrusted source" in server.wait_for("connection failed\t")
    with smtp(server, "unwanted") as client:
        assert client.noop()[0] == 250


def test_tls_behind_the_header_of_a_proxy(server: Server) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.ports["inside"]), timeout=20) as plain:
        plain.sendall(PROXIED)
        with context.wrap_socket(plain) as protected, protected.makefile("rb") as lines:
            assert lines.readline().startswith(b"220 ")
            protected.sendall(b"EHLO client.example\r\n")
            keywords = {line[4:].split()[0] for line in iter(lines.readline, b"250 LIMITS RCPTMAX=20000\r\n")}
            assert b"REQUIRETLS" in keywords
            assert b"STARTTLS" not in keywords
            protected.sendall(b"MAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nDATA\r\n")
            for code in (b"250 ", b"250 ", b"354 "):
                assert lines.readline().startswith(code)
            protected.sendall(b"Subject: inside\r\n\r\n.\r\n")
            assert lines.readline() == b"250 2.0.0 OK: queued\r\n"
    received = trace(server)
    assert "[192.0.2.1])" in received
    assert " with ESMTPS id " in received


def test_imap_through_a_proxy(server: Server) -> None:
    at = len(server.lines)
    with socket.create_connection(("127.0.0.1", server.ports["imap"]), timeout=20) as client:
        client.sendall(PROXIED + b"a LOGIN ann wrong\r\nb LOGOUT\r\n")
        with client.makefile("rb") as lines:
            assert any(line.startswith(b"a NO ") for line in lines)
    assert '"src_ip":"192.0.2.1:4321"' in server.wait_for("authentication failed", at)


def test_more_connections_than_allowed(server: Server) -> None:
    with smtp(server, "fs"):
        with pytest.raises(smtplib.SMTPConnectError) as refused, smtp(server, "fs"):
            pass
        assert refused.value.smtp_code == 421
    with smtp(server, "auto"), smtp(server, "auto"):
        pass


def test_submission_completes_headers_and_hides_the_client(server: Server) -> None:
    with smtp(server, "submission") as client:
        client.ehlo()
        assert client.mail(USER) == (502, b"5.7.0 Please authenticate first")
        client.login(USER, PASSWORD)
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail(USER, [USER], "Subject: no author\r\n\r\n")
        assert refused.value.smtp_code == 554
        assert client.sendmail(USER, [USER], MESSAGE.format("submitted")) == {}
    message = newest(server)
    assert message["Message-ID"].endswith("@mx.example.test>")
    assert message["Date"].endswith(" +0000")
    assert message["Received"].startswith("by mx.example.test ")
    server.wait_for("submission: adding missing Message-ID\t")
