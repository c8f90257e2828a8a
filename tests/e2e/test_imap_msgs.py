"""Messages changed by the command line, with the server running and without, and what a mail program in IDLE hears of it."""

import imaplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posthouse.testing.server import CLEARTEXT, COMMAND_TIMEOUT, Server

TIMEOUT = 30.0  # seconds; it takes a few milliseconds
HELLO = "Subject: hello\n\nHi!\n"
PROGRAM = "from posthouse.cli.main import main; main()"

Heard = Callable[[bytes], list[bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With an account ann."""
    with Server(tmp_path_factory.mktemp("server"), CLEARTEXT) as server:
        run(server, "creds", "create", "-bcrypt-cost=4", "-p", "secret", "ann")
        run(server, "imap-acct", "create", "ann")
        yield server


@pytest.fixture
def heard(server: Server) -> Iterator[Heard]:
    """ann's mail program has Work open, with one message, and waits; `heard(line)` gives what it is told, up to this line."""
    run(server, "imap-mboxes", "create", "ann", "Work")
    run(server, "imap-msgs", "add", "ann", "Work", stdin=HELLO)
    client = imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=TIMEOUT)
    try:
        client.login("ann", "secret")
        client.select("Work")
        client.send(b"a IDLE\r\n")
        assert client.readline() == b"+ idling\r\n"
        yield lambda last: [*iter(lambda: client.readline().removesuffix(b"\r\n"), last), last]
    finally:
        client.shutdown()
        run(server, "imap-mboxes", "remove", "-yes", "ann", "Work")


def run(server: Server, *words: str, stdin: str = "") -> str:
    done = server.command(*words, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_mail_program_that_waits_hears_of_changes(server: Server, heard: Heard) -> None:
    assert run(server, "imap-msgs", "add", "ann", "Work", stdin=HELLO) == "2\n"
    assert heard(b"* 2 EXISTS") == [b"* 2 EXISTS"]
    run(server, "imap-msgs", "copy", "-uid", "ann", "Work", "1:2", "Work")
    heard(b"* 4 EXISTS")
    run(server, "imap-msgs", "add-flags", "-uid", "ann", "Work", "1", "\\Seen", "work")
    heard(b"* 1 FETCH (FLAGS (\\Seen \\Recent work) UID 1)")
    run(server, "imap-msgs", "move", "-uid", "ann", "Work", "1", "Archive")
    heard(b"* 1 EXPUNGE")
    run(server, "imap-msgs", "remove", "-yes", "-uid", "ann", "Work", "4")
    heard(b"* 3 EXPUNGE")


def test_a_mailbox_made_by_a_command_is_there_for_mail_programs(server: Server) -> None:
    run(server, "imap-mboxes", "create", "-special", "archive", "ann", "Entwürfe.Alt")
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=TIMEOUT) as client:
        client.login("ann", "secret")
        assert client.list('""', "Entw*")[1] == [
            b'(\\HasChildren) "." "Entw&APw-rfe"',
            b'(\\Archive \\HasNoChildren) "." "Entw&APw-rfe.Alt"',
        ]


def test_commands_need_no_server(tmp_path: Path) -> None:
    server = Server(tmp_path, CLEARTEXT)  # not started
    run(server, "imap-acct", "create", "ann")
    assert run(server, "imap-msgs", "add", "ann", "INBOX", stdin=HELLO) == "1\n"
    assert run(server, "imap-msgs", "list", "ann", "INBOX").startswith("UID 1: ")


def test_who_reads_our_output_may_stop_reading(tmp_path: Path) -> None:
    server = Server(tmp_path, CLEARTEXT)  # not started
    run(server, "imap-acct", "create", "ann")
    run(server, "imap-msgs", "add", "ann", "INBOX", stdin=HELLO + "x\n" * 200_000)
    words = ["imap-msgs", "dump", "-uid", "ann", "INBOX", "1"]
    program = [sys.executable, "-c", PROGRAM, "-config", str(server.config), *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(COMMAND_TIMEOUT) == 1


def test_letters_that_the_terminal_does_not_have_are_shown_somehow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path, CLEARTEXT)  # not started
    run(server, "imap-acct", "create", "ann")
    run(server, "imap-msgs", "add", "ann", "INBOX", stdin="Subject: =?utf-8?q?=C3=BC_=E2=82=AC?=\n\n")
    monkeypatch.setenv("PYTHONIOENCODING", "koi8-r")
    assert " - \\xfc \\u20ac\n" in run(server, "imap-msgs", "list", "ann", "INBOX")
