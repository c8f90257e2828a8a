"""The real program, and accounts in it, for clients that know nothing of us."""

import contextlib
import email.message
import email.policy
import imaplib
import itertools
import os
import pty
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from posthouse.testing.server import CLEARTEXT, Server

PASSWORD = "correct-horse"
NUMBERS = itertools.count()
CLIENT_TIMEOUT = 60.0  # seconds; they take one or two


@dataclass(frozen=True, slots=True)
class Box:
    """An account as its owner knows it, with what the tests ask of it from outside."""

    server: Server
    user: str
    password: str = PASSWORD

    @property
    def port(self) -> int:
        return self.server.ports["imap"]

    @property
    def tls_port(self) -> int:
        return self.server.ports["imaps"]

    def client(self, mailbox: str = "INBOX") -> imaplib.IMAP4:
        client = imaplib.IMAP4("127.0.0.1", self.port)
        client.login(self.user, self.password)
        assert client.select(mailbox)[0] == "OK"
        return client

    def fill(self, messages: Sequence[bytes], mailbox: str = "INBOX", flags: str = "") -> None:
        with imaplib.IMAP4("127.0.0.1", self.port) as client:
            client.login(self.user, self.password)
            client.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # literal and line end are two segments
            for message in messages:
                assert client.append(mailbox, flags, "", message)[0] == "OK"

    def state(self, mailbox: str = "INBOX") -> tuple[bytes, bytes]:
        """All that a client can see change: UIDs with flags, and the counters."""
        with self.client(mailbox) as client:
            _, counters = client.status(mailbox, "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)")
            _, lines = client.uid("FETCH", "1:*", "(FLAGS)")
            assert isinstance(counters[0], bytes)
            return counters[0], b"\n".join(line for line in lines if isinstance(line, bytes))

    def subjects(self, mailbox: str = "INBOX") -> list[str]:
        """In order of UIDs."""
        with self.client(mailbox) as client:
            _, answer = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            fields = [item[1].decode() for item in answer if isinstance(item, tuple)]
        return [field.partition(":")[2].strip() for field in fields]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("interop"), CLEARTEXT) as server:
        yield server


@pytest.fixture
def box(server: Server) -> Box:
    """An account of the test's own."""
    user = f"user{next(NUMBERS)}@example.test"
    cheap = ["--hash", "bcrypt", "--bcrypt-cost", "4"]
    assert server.command("creds", "create", *cheap, "-p", PASSWORD, user).returncode == 0
    assert server.command("imap-acct", "create", user).returncode == 0
    return Box(server, user)


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., str]:
    """Runs a program with a home of its own, and gives what it said; skips where it is not installed."""

    def run(*command: str, allowed: Sequence[int] = (0,), stdin: str = "") -> str:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        environment: Mapping[str, str] = {
            "HOME": str(tmp_path),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        done = subprocess.run(
            command,
            input=stdin,
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=CLIENT_TIMEOUT,
            check=False,
        )
        assert done.returncode in allowed, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    return run


@pytest.fixture
def in_terminal(tmp_path: Path) -> Callable[..., str]:
    """Runs a program on a terminal of its own, and gives what it wrote there; skips where it is not installed."""

    def run(*command: str) -> str:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        ours, its = pty.openpty()
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TERM": "vt100"}
        seen = bytearray()
        with subprocess.Popen(
            command, stdin=its, stdout=its, stderr=its, env=environment, cwd=tmp_path, start_new_session=True
        ) as process:
            os.close(its)
            stuck = threading.Timer(CLIENT_TIMEOUT, process.kill)
            stuck.start()
            with contextlib.suppress(OSError):  # EIO: the program has left
                while octets := os.read(ours, 65_536):
                    seen += octets
            process.wait()
            stuck.cancel()
        os.close(ours)
        text = seen.decode(errors="backslashreplace")
        assert process.returncode == 0, text
        return text

    return run


@pytest.fixture
def mails() -> Callable[[int], list[bytes]]:
    """Makes messages: subjects `message N`, all kinds of bodies, line ends and octets that clients trip over."""
    return lambda count: [_mail(number) for number in range(count)]


def _mail(number: int) -> bytes:
    mail = email.message.EmailMessage()
    mail["From"], mail["To"] = "Bob <bob@example.net>", "Ann <ann@example.test>"
    mail["Subject"] = f"message {number}"
    mail["Date"] = f"Sun, 22 Nov 2026 17:{number % 60:02}:00 +0000"
    mail["Message-ID"] = f"<{number}@example.net>"
    mail.set_content(
        "From here on\n.\nGrüße, Ἀθῆναι\n" * (1 + number % 5), cte=("8bit", "base64")[number % 2]
    )
    if number % 3 == 0:
        mail.add_alternative("<p>Gr&uuml;&szlig;e</p>", subtype="html")
    if number % 7 == 0:
        mail.add_attachment(bytes(range(256)), maintype="application", subtype="zip", filename="übung.zip")
    return mail.as_bytes(policy=email.policy.SMTP)
