"""Clients that people have work unmodified."""

import email.message
import email.policy
import imaplib
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import imap_tools
import imapclient
import pytest

from posthouse.testing.server import CLEARTEXT, Server

USER, PASSWORD = "ann@example.test", "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("clients"), CLEARTEXT)
    assert server.command("creds", "create", "-p", PASSWORD, USER).returncode == 0
    assert server.command("imap-acct", "create", USER).returncode == 0
    with server:
        yield server


@pytest.fixture
def anyone() -> ssl.SSLContext:
    """Trusts the self-signed certificate of the test server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def message(subject: str) -> email.message.EmailMessage:
    made = email.message.EmailMessage()
    made["From"], made["To"], made["Subject"] = "Bob <bob@example.net>", USER, subject
    made.set_content("Grüße\n.\n.. dots\n")
    made.add_attachment(
        bytes(range(256)) * 40, maintype="application", subtype="octet-stream", filename="b.bin"
    )
    return made


def inbox(server: Server) -> imaplib.IMAP4:
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
    client.login(USER, PASSWORD)
    client.select()
    return client


def needs(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


def newest(server: Server) -> bytes:
    with inbox(server) as client:
        count = client.select()[1][0]
        assert count is not None
        _, [answer, *_] = client.fetch(count.decode(), "(BODY.PEEK[])")
        assert isinstance(answer, tuple)
        return answer[1]


def test_smtplib_sends_and_imaplib_reads_it_unchanged(server: Server) -> None:
    sent = message("from smtplib").as_bytes(policy=email.policy.SMTP)
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.sendmail("bob@example.net", USER, sent)
    octets = newest(server)
    assert octets.startswith(
        b"Delivered-To: ann@example.test\r\nReturn-Path: <bob@example.net>\r\nReceived: from "
    )
    assert octets.endswith(sent)


def test_smtplib_submits_over_starttls_and_implicit_tls(server: Server, anyone: ssl.SSLContext) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["submission"]) as client:
        client.starttls(context=anyone)
        client.login(USER, PASSWORD)
        client.sendmail(USER, USER, f"From: {USER}\r\nSubject: over starttls\r\n\r\nx\r\n")
    assert b"Subject: over starttls\r\n" in newest(server)
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], context=anyone) as client:
        client.login(USER, PASSWORD)
        client.sendmail(USER, USER, f"From: {USER}\r\nSubject: over tls\r\n\r\nx\r\n")
    assert b"Subject: over tls\r\n" in newest(server)
    with smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], context=anyone) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login(USER, "wrong")
        assert refused.value.smtp_code == 535


def test_imaplib_over_tls(server: Server, anyone: ssl.SSLContext) -> None:
    with imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=anyone) as client:
        assert client.login(USER, PASSWORD)[0] == "OK"
        assert client.append("INBOX", "(\\Seen)", "", b"Subject: appended\r\n\r\nx\r\n")[0] == "OK"
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.starttls(anyone)
        assert client.login(USER, PASSWORD)[0] == "OK"
        assert client.select()[0] == "OK"


def test_imapclient_searches_sorts_and_threads(server: Server) -> None:
    with imapclient.IMAPClient("127.0.0.1", server.ports["imap"], ssl=False) as box:
        box.login(USER, PASSWORD)
        box.create_folder("searched")
        for number, subject in enumerate(
            ("plain", "Re: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "=?utf-8?q?gr=C3=BC=C3=9Fe?=")
        ):
            octets = f"From: u{9 - number}@example.net\r\nSubject: {subject}\r\n\r\nbody {number}\r\n"
            box.append("searched", octets.encode(), [b"\\Seen"] if number == 1 else [])
        box.select_folder("searched")
        assert box.search(["UNSEEN", "SUBJECT", "Grüße"], charset="UTF-8") == [3]
        assert box.search(["OR", "TEXT", "body 0", "FROM", "u8@"]) == [1, 2]
        assert box.search(["NOT", "BODY", "body 0"]) == [2, 3]
        assert box.search([b"MODSEQ", b"1"]).modseq is not None
        assert box.sort(["FROM"]) == [3, 2, 1]
        assert box.sort(["REVERSE SIZE"], ["SUBJECT", "grüße"], charset="UTF-8") == [2, 3]
        assert box.thread("ORDEREDSUBJECT") == ((1,), (2, 3))
        with pytest.raises(imapclient.exceptions.IMAPClientError, match="BADCHARSET"):
            box.search(["TEXT", "x"], charset="KOI8-R")


def test_imapclient_reads_flags_envelopes_and_bodies(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.send_message(message("for imapclient"))
    with imapclient.IMAPClient("127.0.0.1", server.ports["imap"], ssl=False) as box:
        box.login(USER, PASSWORD)
        count = box.select_folder("INBOX")[b"EXISTS"]
        found = box.fetch([count], ["ENVELOPE", "FLAGS", "BODYSTRUCTURE", "RFC822.SIZE", "BODY[]", "UID"])[
            count
        ]
        assert found[b"ENVELOPE"].subject == b"for imapclient"
        assert str(found[b"ENVELOPE"].from_[0]) == "Bob <bob@example.net>"
        assert found[b"RFC822.SIZE"] == len(found[b"BODY[]"])
        assert found[b"BODYSTRUCTURE"].is_multipart
        box.add_flags([count], [b"\\Flagged", b"Work"])
        assert set(box.get_flags([count])[count]) >= {b"\\Flagged", b"\\Seen", b"work"}


def test_imap_tools_reads_attachments(server: Server) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
        client.send_message(message("with an attachment"))
    with inbox(server) as client:
        _, [answer, *_] = client.fetch("*", "(BODY.PEEK[])")
        assert isinstance(answer, tuple)
        found = imap_tools.MailMessage([answer])
        assert found.text == "Grüße\r\n.\r\n.. dots\r\n"
        assert found.attachments[0].payload == bytes(range(256)) * 40


def test_swaks(server: Server) -> None:
    command = [
        needs("swaks"),
        "--server",
        f"127.0.0.1:{server.ports['submission']}",
        "--tls",
        "--auth",
        "PLAIN",
    ]
    command += ["--auth-user", USER, "--auth-password", PASSWORD, "--from", USER, "--to", USER]
    command += ["--header", "Subject: from swaks"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"Subject: from swaks\r\n" in newest(server)


def test_curl_sends_and_reads(server: Server, tmp_path: Path) -> None:
    curl = needs("curl")
    (tmp_path / "mail").write_text("From: bob@example.net\r\nSubject: from curl\r\n\r\nhello\r\n")
    send = [curl, "-sS", f"smtp://127.0.0.1:{server.ports['smtp']}/client.example"]
    send += ["--mail-from", "bob@example.net", "--mail-rcpt", USER, "-T", str(tmp_path / "mail")]
    subprocess.run(send, check=True, timeout=60)
    assert b"Subject: from curl\r\n" in newest(server)
    where = f"imaps://127.0.0.1:{server.ports['imaps']}/INBOX;MAILINDEX=*"
    read = [curl, "-sS", "-k", where, "-u", f"{USER}:{PASSWORD}"]
    done = subprocess.run(read, check=True, capture_output=True, timeout=60)
    assert b"Subject: from curl\r\n" in done.stdout


def test_openssl_s_client_speaks_starttls(server: Server) -> None:
    for protocol, port, quit_ in (("smtp", "submission", "QUIT\n"), ("imap", "imap", "a LOGOUT\n")):
        command = [needs("openssl"), "s_client", "-quiet", "-starttls", protocol, "-crlf"]
        command += ["-connect", f"127.0.0.1:{server.ports[port]}"]
        done = subprocess.run(command, input=quit_, capture_output=True, text=True, check=False, timeout=60)
        assert ("221 2.0.0 Bye" in done.stdout) or ("* BYE Closing connection" in done.stdout), done
