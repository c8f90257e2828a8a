"""The real program, and accounts in it, for clients that know nothing of us."""

import asyncio
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
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import dovecot

from posthouse.testing.imap import ImapClient
from posthouse.testing.imap_play import Login
from posthouse.testing.server import CLEARTEXT, Server

PASSWORD = "correct-horse"
NUMBERS = itertools.count()
SDBOX = "mail_location = sdbox:~/mail\n"  # in Maildirs Dovecot now and then gives a message a new UID
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
    user = _create_user(server)
    assert server.command("imap-acct", "create", user).returncode == 0
    return Box(server, user)


def _create_user(server: Server) -> str:
    user = f"user{next(NUMBERS)}@example.test"
    cheap = ["--hash", "bcrypt", "--bcrypt-cost", "4"]
    assert server.command("creds", "create", *cheap, "-p", PASSWORD, user).returncode == 0
    return user


@pytest.fixture
async def ours(server: Server) -> AsyncIterator[Login]:
    """New sessions of an account of the test's own, which has nothing but its INBOX."""
    async with _sessions(server.ports["imap"], _create_user(server), PASSWORD) as login:
        yield login


@pytest.fixture
async def theirs(dovecot_port: int) -> AsyncIterator[Login]:
    """The same on Dovecot."""
    async with _sessions(dovecot_port, f"user{next(NUMBERS)}", dovecot.PASSWORD) as login:
        yield login


@contextlib.asynccontextmanager
async def _sessions(port: int, user: str, password: str) -> AsyncIterator[Login]:
    """A function that logs in; all that it made are closed at the end."""
    clients: list[ImapClient] = []

    async def login() -> ImapClient:
        client = ImapClient(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 22))
        clients.append(client)
        await client.line()
        assert (await client.run(f"LOGIN {user} {password}")).is_ok
        return client

    yield login
    for client in clients:
        client.close()
        with contextlib.suppress(ConnectionError):
            await client.writer.wait_closed()


@pytest.fixture(scope="session")
def dovecot_port() -> Iterator[int]:
    """A private Dovecot, which needs root and Debian's dovecot-imapd; the system's own is not touched."""
    if shutil.which("dovecot") is None or os.geteuid() != 0:
        pytest.skip("Dovecot is not installed, or this is not root, who can start it")
    with tempfile.TemporaryDirectory(prefix="dovecot-") as folder:  # other users must get there: not tmp_path
        Path(folder).chmod(0o755)
        with dovecot.running(Path(folder), _free_port(), _free_port(), more=SDBOX) as server:
            yield server.port


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


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
