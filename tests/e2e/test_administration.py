"""Commands on a running server, and many commands at once."""

import imaplib
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from posthouse.testing.server import SMALL, Server

MANY = 6  # commands at once


@contextmanager
def logged_in(server: Server, user: str, password: str) -> Iterator[imaplib.IMAP4_SSL]:
    context = ssl._create_unverified_context()
    with imaplib.IMAP4_SSL("127.0.0.1", server.ports["imaps"], ssl_context=context) as client:
        client.login(user, password)
        yield client


def log_in(server: Server, user: str, password: str) -> None:
    with logged_in(server, user, password):
        pass


def test_a_user_made_while_the_server_runs_can_log_in(tmp_path: Path) -> None:
    with Server(tmp_path, SMALL) as server:
        created = server.command("creds", "create", "-p", "secret", "ann@example.test")
        assert (created.returncode, created.stdout, created.stderr) == (0, "", "")
        assert server.command("imap-acct", "create", "ann@example.test").returncode == 0
        with logged_in(server, "ann@example.test", "secret") as client:
            _, mailboxes = client.list()
    assert len(mailboxes) == 6


def test_a_changed_password_holds_at_once(tmp_path: Path) -> None:
    with Server(tmp_path, SMALL) as server:
        server.command("creds", "create", "-p", "old", "ann@example.test")
        log_in(server, "ann@example.test", "old")
        assert server.command("creds", "password", "-p", "new", "ann@example.test").returncode == 0
        log_in(server, "ann@example.test", "new")
        with pytest.raises(imaplib.IMAP4.error, match="Invalid credentials"):
            log_in(server, "ann@example.test", "old")


def test_a_removed_user_cannot_log_in_any_more(tmp_path: Path) -> None:
    with Server(tmp_path, SMALL) as server:
        server.command("creds", "create", "-p", "secret", "ann@example.test")
        log_in(server, "ann@example.test", "secret")
        assert server.command("creds", "remove", "-y", "ann@example.test").returncode == 0
        with pytest.raises(imaplib.IMAP4.error, match="Invalid credentials"):
            log_in(server, "ann@example.test", "secret")


@pytest.mark.parametrize("command", ["creds", "imap-acct"])
def test_six_commands_at_once_on_files_that_do_not_exist_yet(command: str, tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)  # not started
    flags = ["-bcrypt-cost=4", "-p=secret"] if command == "creds" else []
    users = [f"user{number}@example.test" for number in range(MANY)]
    with ThreadPoolExecutor(MANY) as pool:
        made = list(pool.map(lambda user: server.command(command, "create", *flags, user), users))
    assert [(one.returncode, one.stderr) for one in made] == [(0, "")] * MANY
    assert server.command(command, "list").stdout.split() == users
