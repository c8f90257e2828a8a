"""The servers whose IMAP is measured: this program, and a Dovecot, with equal mailboxes."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import dovecot, mails
from bench.imap_client import Client, append_all, logged_in
from bench.machine import forget_files, free_port
from posthouse.testing.server import CLEARTEXT, Server

USER, DOMAIN = "bench", "example.test"
MAILBOX = "INBOX"
FEW = ["--hash", "bcrypt", "--bcrypt-cost", "4"]  # logins are not what is measured


@dataclass(frozen=True, slots=True)
class Subject:
    """A server with a mailbox in it."""

    name: str
    port: int
    tls_port: int
    user: str
    password: str
    pid: Callable[[], int] = os.getpid
    make_cold: Callable[[], None] = lambda: None  # what is cached on disk or in memory is gone afterwards
    smtp_port: int = 0
    recipient: str = ""  # who has another mailbox, for mail that comes in by SMTP

    def client(self, *, tls: bool = False) -> Client:
        return logged_in(self.tls_port if tls else self.port, self.user, self.password, tls=tls)

    def selected(self) -> Client:
        client = self.client()
        client.select(MAILBOX)
        return client


@contextmanager
def ourselves(base: Path, messages: Sequence[bytes], *, with_uvloop: bool = True) -> Iterator[Subject]:
    server = Server(base, CLEARTEXT, log=str(base / "mail.log") + ",stderr")
    user = f"{USER}@{DOMAIN}"
    assert server.command("creds", "create", *FEW, "-p", dovecot.PASSWORD, user).returncode == 0
    recipient = f"other@{DOMAIN}"
    for account in (user, recipient):
        assert server.command("imap-acct", "create", account).returncode == 0

    def make_cold() -> None:
        server.stop()
        forget_files(base)
        server.start()

    with _uvloop(base, wanted=with_uvloop), server:
        ports = server.ports
        yield_to = Subject(
            "posthouse",
            ports["imap"],
            ports["imaps"],
            user,
            dovecot.PASSWORD,
            lambda: server.pid,
            make_cold,
            ports["smtp"],
            recipient,
        )
        with yield_to.client() as client:
            append_all(client, MAILBOX, messages)
        yield yield_to


@contextmanager
def peer(base: Path, messages: Sequence[bytes]) -> Iterator[Subject]:
    dovecot.write_maildir(base / "mail" / USER, messages)
    with dovecot.running(base, free_port(), free_port()) as server:

        def make_cold() -> None:
            server.forget_indexes()
            forget_files(base / "mail")

        yield Subject(
            "dovecot", server.port, server.tls_port, USER, dovecot.PASSWORD, lambda: server.pid, make_cold
        )


def filled(count: int) -> Sequence[bytes]:
    return list(mails.messages(count))


@contextmanager
def _uvloop(base: Path, *, wanted: bool) -> Iterator[None]:
    """Without: a module of that name stands before the real one, and cannot be imported."""
    if wanted:
        yield
        return
    hidden = base / "hidden"
    hidden.mkdir()
    (hidden / "uvloop.py").write_text('raise ImportError("hidden, to measure asyncio")\n')
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(hidden) if before is None else f"{hidden}:{before}"
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
