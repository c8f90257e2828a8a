"""`expect` blocks: tests that a configuration has for itself, in the real program."""

import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from posthouse.testing.server import NotStarted, Server

CONFIGURATION = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

table.sql_table lists {
    driver sqlite3
    dsn lists.db
    table_name lists
}

auth.pass_table local_authdb {
    table dummy
}

smtp tcp://127.0.0.1:$(smtp_port) {
    check {
        require_mx_record
        require_tls {
            fail_action quarantine
        }
        milter unix:///nowhere.sock
    }
    destination_in &lists {
        reject 550 5.7.2 "Lists are closed"
    }
    destination example.test {
        modify {
            replace_rcpt static {
                entry "sales@example.test" "ann@example.test" "bob@example.test"
            }
        }
        deliver_to &local_mailboxes
    }
    destination nowhere.test { }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
}

submission tcp://127.0.0.1:$(submission_port) {
    auth &local_authdb
    check {
        authorize_sender
    }
    deliver_to dummy
}
"""


def block(text: str) -> str:
    """An expectation: directives parted by semicolons."""
    return 'expect "test" {\n    ' + text.replace("; ", "\n    ") + "\n}\n"


HOLDING = (
    "to Ann@example.test; delivered_to local_mailboxes as ann@example.test",
    "to sales@example.test; delivered_to local_mailboxes as ann@example.test; delivered_to &local_mailboxes as bob@example.test",
    "to sales@example.test; delivered_to local_mailboxes",
    "to x@example.org; to y@example.org; refused",
    "to x@example.org; refused 550",
    "to x@example.org; refused 550 5.1.1",
    "to x@nowhere.test; accepted",
    "to x@example.org; to ann@example.test; accepted no",
    "to ann@example.test; quarantined no",
    'to ann@example.test; dns mx example.net "10 mx.example.net"; quarantined no',
    "to ann@example.test; dns mx example.net; quarantined",
    "to ann@example.test; dns MX example.net; quarantined; accepted",
    "to ann@example.test; check milter quarantine; quarantined; delivered_to local_mailboxes",
    "to ann@example.test; check check.milter reject 451 4.7.1; refused 451 4.7.1",
    "to ann@example.test; check milter ignore; check require_mx_record reject; refused 554 5.7.0",
    "to ann@example.test; accepted; quarantined no",
)


FAILING = (  # what a block says, its line that does not hold, and what is told of it
    (
        "to ann@example.test; delivered_to archive",
        5,
        ("expected delivered_to archive, but it would go to local_mailboxes as ann@example.test"),
    ),
    (
        "to sales@example.test; delivered_to local_mailboxes as ann@example.test",
        5,
        (
            "expected no other place, but it would go to local_mailboxes as ann@example.test;"
            " it would go to local_mailboxes as bob@example.test"
        ),
    ),
    (
        "to x@example.org; delivered_to local_mailboxes",
        5,
        (
            "expected delivered_to local_mailboxes, but RCPT TO:<x@example.org> would be answered 550 5.1.1 User doesn't exist"
        ),
    ),
    (
        "to x@example.org; refused 551",
        5,
        ("expected refused 551, but RCPT TO:<x@example.org> would be answered 550 5.1.1"),
    ),
    (
        "to x@example.org; to ann@example.test; refused",
        6,
        ("expected refused, but RCPT TO:<x@example.org> would be answered 550"),
    ),
    ("to x@nowhere.test; refused", 5, ("it would be accepted and discarded")),
    (
        "to ann@example.test; dns mx example.net; quarantined no",
        6,
        (
            "expected quarantined no, but it would go to local_mailboxes as ann@example.test;"
            " check.require_mx_record would quarantine it"
        ),
    ),
    (
        "to ann@example.test; check milter quarantine; quarantined no",
        6,
        "expected quarantined no, but it would go to local_mailboxes as ann@example.test; check.milter would quarantine it",
    ),
    ("to ann@example.test; check rspamd reject; refused", 5, "there is no check rspamd"),
    ("to ann@example.test; endpoint imap; accepted", 1, ("there is no endpoint imap")),
    ("to ann@example.test; auth ann; endpoint smtp; accepted", 1, ("nobody can log in")),
)


def verified(directory: Path, *blocks: str) -> tuple[int, str]:
    """The exit status of verify-config, and what it says."""
    server = Server(directory, CONFIGURATION + "".join(blocks))
    completed = server.command("verify-config")
    assert completed.stdout == ""
    assert [path.name for path in directory.iterdir()] == ["posthouse.conf"], "nothing is made"
    return completed.returncode, completed.stderr


def test_expectations_that_hold_are_silent(tmp_path: Path) -> None:
    blocks = [block(f"from x@example.net; tls; {text}") for text in HOLDING]
    blocks += [
        block("from ann@example.test; to x@example.org; auth ann@example.test; delivered_to dummy"),
        block("from bob@example.test; to x@example.org; auth ann@example.test; refused 553 5.7.0"),
        block("endpoint submission; from ann@example.test; to x@example.org; refused 502"),
        block("from <>; to ann@example.test; quarantined"),
    ]
    assert verified(tmp_path, *blocks) == (0, "No errors detected\n")


def test_what_does_not_hold_is_told_with_its_line(tmp_path: Path) -> None:
    blocks = [block(f"from x@example.net; tls; {text}") for text, _, _ in FAILING]
    status, told = verified(tmp_path, *blocks)
    assert status == 2
    at = CONFIGURATION.count("\n") + 4  # two macros, two directories
    for text, (_, line, said) in zip(blocks, FAILING, strict=True):
        assert re.search(rf'posthouse\.conf:{at + line}: expect "test": .*{re.escape(said)}', told), told
        at += text.count("\n")


def test_a_table_that_is_there_is_asked(tmp_path: Path) -> None:
    expected = block("from x@example.net; tls; to news@example.test; delivered_to local_mailboxes")
    server = Server(tmp_path, CONFIGURATION + expected)
    with server:  # its start has made the table, and nothing is in it
        assert server.command("verify-config").returncode == 0
    with closing(sqlite3.connect(server.state / "lists.db")) as database, database:
        database.execute("INSERT INTO lists VALUES('news@example.test', '')")
    told = server.command("verify-config")
    assert (told.returncode, "would be answered 550 5.7.2 Lists are closed" in told.stderr) == (2, True)


def test_the_server_does_not_start_while_one_fails(tmp_path: Path) -> None:
    failing = block("from x@example.net; tls; to ann@example.test; refused")
    server = Server(tmp_path, CONFIGURATION + failing)
    with socket.socket() as other:  # it does not come so far as to listen
        other.bind(("127.0.0.1", server.ports["smtp"]))
        with pytest.raises(
            NotStarted, match=r'expect "test": expected refused, but it would go to local_mailboxes'
        ):
            server.start()
    assert not (server.state / "imapsql.db").exists()
