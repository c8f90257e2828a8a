"""`posthouse explain` on a real configuration, and whether mail really goes the way that it told."""

import json
import re
import smtplib
from pathlib import Path
from typing import Any

import pytest

from posthouse.testing.server import Server

CONFIGURATION = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

auth.pass_table local_authdb {
    table dummy
}

table.sql_table lists {
    driver sqlite3
    dsn lists.db
    table_name lists
}

table.static banned {
    entry "banned@example.net" "yes"
}

check.milter filter {
    endpoint unix:///nowhere.sock
}

limits shared {
    all rate 1 1h
}

msgpipeline local_routing {
    destination_in &lists {
        reject 550 5.7.2 "Lists are closed"
    }
    default_destination {
        modify {
            replace_rcpt static {
                entry "sales@example.test" "ann@example.test"
            }
        }
        deliver_to &local_mailboxes
    }
}

smtp tcp://127.0.0.1:$(smtp_port) {
    max_received 2
    limits &shared
    source_in &banned {
        reject 550 5.7.1 "You are banned"
    }
    default_source {
        destination example.test {
            deliver_to &local_routing
        }
        destination filtered.test {
            check {
                &filter
            }
            deliver_to dummy
        }
        default_destination {
            reject 550 5.1.1 "User doesn't exist"
        }
    }
}

submission tcp://127.0.0.1:$(submission_port) {
    auth &local_authdb
    limits {
        source rate 1 1h
    }
    check {
        authorize_sender {
            user_to_email identity
        }
    }
    deliver_to dummy
}

lmtp unix:lmtp.sock {
    deliver_to &local_routing
}
"""
BOB = ("-from", "bob@example.net", "-ip", "192.0.2.7")
MESSAGE = "From: bob@example.net\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: hi\n\n.hello\n"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path, CONFIGURATION)


def told(server: Server, *words: str) -> tuple[int, str]:
    """The exit status, and what is printed."""
    completed = server.command("explain", *words)
    assert completed.stderr == ""
    return completed.returncode, completed.stdout


def place(server: Server, begins: str) -> str:
    """FILE:LINE of the first line of the configuration that begins so."""
    lines = server.config.read_text().split("\n")
    return next(f"{server.config}:{at}" for at, line in enumerate(lines, 1) if line.startswith(begins))


def data(server: Server, *words: str) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(told(server, "-json", *words)[1])
    return printed


def test_the_way_of_a_message_is_told_with_its_places_and_it_goes_that_way(server: Server) -> None:
    def at(line: str) -> str:
        """Where this line of the configuration is."""
        return f"{server.config}:{server.config.read_text().split(chr(10)).index(line) + 1}"

    with server:
        server.command("imap-acct", "create", "ann@example.test")
        status, text = told(server, *BOB, "-to", "Sales@example.test", "--to=x@example.org")
        peer = smtplib.SMTP("127.0.0.1", server.ports["smtp"])
        peer.ehlo()
        peer.mail("bob@example.net")
        assert [peer.rcpt(r)[0] for r in ("Sales@example.test", "x@example.org")] == [250, 550]
        peer.close()
    assert status == 1
    smtp = f"smtp ({at('smtp tcp://127.0.0.1:$(smtp_port) {')})"
    default, banned = at("    default_source {"), at("table.static banned {")
    lists, mailboxes = at("table.sql_table lists {"), at("storage.imapsql local_mailboxes {")
    for line in (
        f"{smtp}: source block {default} takes bob@example.net: it is for all that no other block takes",
        f"not {at('    source_in &banned {')}: its table has no answer",
        f"table.static banned ({banned}): 'bob@example.net' -> nothing",
        f"table.sql_table lists ({lists}): 'sales@example.test' -> nothing",
        "Sales@example.test becomes ann@example.test",
        f"storage.imapsql local_mailboxes ({mailboxes}) as ann@example.test, from bob@example.net: taken",
        "  250 2.0.0 I'll make sure <Sales@example.test> gets this",
        "  550 5.1.1 User doesn't exist (msg ID = 00000000)",
        "Not every recipient would be accepted.",
    ):
        assert line in text, text


def test_a_stopped_server_is_explained_too_and_nothing_is_touched(server: Server) -> None:
    with server:
        server.command("imap-acct", "create", "ann@example.test")
    before = {path: path.stat().st_mtime_ns for path in server.state.rglob("*")}
    assert told(server, *BOB, "-to", "ann@example.test")[0] == 0
    status, text = told(server, *BOB, "-to", "eve@example.test")
    assert (status, "501 5.1.1 User does not exist" in text) == (1, True)
    assert {path: path.stat().st_mtime_ns for path in server.state.rglob("*")} == before


def test_a_server_that_never_ran_has_no_databases_and_gets_none(server: Server, tmp_path: Path) -> None:
    status, text = told(server, *BOB, "-to", "ann@example.test")
    assert status == 1
    assert "imapsql.db is not there yet" in text
    assert "-> no answer: " in text
    assert "lists.db is not there yet" in text
    assert [path.name for path in tmp_path.iterdir()] == ["posthouse.conf"]


def test_databases_that_cannot_be_read_cannot_tell(server: Server) -> None:
    server.state.mkdir()
    (server.state / "imapsql.db").write_bytes(b"nonsense" * 1000)
    (server.state / "lists.db").write_bytes(b"nonsense" * 1000)
    status, text = told(server, *BOB, "-to", "ann@example.test")
    assert status == 1
    assert re.search(r"Note: .*imapsql\.db is damaged", text)
    assert re.search(r"table\.sql_table lists .*-> no answer: ", text)
    assert "451 4.3.0 Internal server error" in text
    assert len(list(server.state.iterdir())) == 2


def test_the_data_says_the_same(server: Server) -> None:
    found = data(server, "-from", "banned@example.net", "-ip", "192.0.2.7", "-to", "ann@example.test")
    assert found["endpoint"]["name"] == "smtp"
    assert not found["is_accepted"]
    step = found["steps"][-1]
    assert step["command"] == "RCPT TO:<ann@example.test>"
    assert step["replies"] == [
        {"code": 550, "enhanced": "5.7.1", "text": "You are banned (msg ID = 00000000)"}
    ]
    chosen = [fact for fact in step["facts"] if fact["fact"] == "block"]
    assert chosen[0]["because"] == "its table has an answer for banned@example.net"


def test_what_only_delivery_can_tell_is_named_as_such(server: Server) -> None:
    not_run = "not run: only delivery can tell"
    smtp, milter = place(server, "smtp tcp:"), place(server, "check.milter")
    status, text = told(server, *BOB, "-to", "x@filtered.test")
    assert status == 0
    for line in (
        f"min_free of smtp ({smtp}): {not_run} (it looks how much disk is free)",
        f"limits shared ({place(server, 'limits shared')}): {not_run} (it counts what other clients do meanwhile)",
        f"check.milter filter ({milter}), connection: {not_run} (it asks a program or another server)",
        f"check.milter filter ({milter}), body: {not_run} (it asks a program or another server)",
        "as x@filtered.test, from bob@example.net: known only at delivery",
    ):
        assert line in text, text


def test_checks_of_the_body_and_limits_are_in_the_data_too(server: Server, tmp_path: Path) -> None:
    words = ("-auth", "ann@example.test", "-from", "ann@example.test", "-ip", "192.0.2.7", "-to", "x@y.test")
    (tmp_path / "message.eml").write_text(MESSAGE)
    for message, at in (((), "RCPT"), ((str(tmp_path / "message.eml"),), "DATA")):
        steps = data(server, *words, *message)["steps"]
        unknown = {
            (fact.get("check") or fact["what"])["name"]: (step["command"].split()[0], fact)
            for step in steps
            for fact in step["facts"]
            if fact.get("verdict") == "not run: only delivery can tell"
        }
        assert {name: command for name, (command, _) in unknown.items()} == {
            "min_free of submission": "MAIL",
            "limits": "RCPT",
            "check.authorize_sender": at,
        }
        fact = unknown["check.authorize_sender"][1]
        assert (fact["fact"], fact["stage"]) == ("check", "body")
        assert fact["check"]["where"] == place(server, "        authorize_sender {")
        assert unknown["limits"][1]["fact"] == "left out"
        assert unknown["limits"][1]["what"]["where"] == place(server, "    limits {")


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        pytest.param(MESSAGE, "250 2.0.0 OK: queued", id="good"),
        pytest.param(
            "Received: x\n" * 3 + MESSAGE, "554 5.4.6 Too many Received header fields (3)", id="loop"
        ),
        pytest.param(
            ("X: " + "x" * 990 + "\n") * 1100 + "\n", "552 5.3.4 Message header size", id="long header"
        ),
    ],
)
def test_a_message_shows_the_reply_to_data(message: str, reply: str, server: Server, tmp_path: Path) -> None:
    (tmp_path / "message.eml").write_text(message)
    status, text = told(server, *BOB, "-to", "x@filtered.test", str(tmp_path / "message.eml"))
    assert "\nDATA\n" in text
    assert f"  {reply}" in text
    assert status == (0 if reply.startswith("2") else 1)


def test_submission_wants_a_user_and_a_proper_header(server: Server, tmp_path: Path) -> None:
    status, text = told(server, "-endpoint", "submission", *BOB, "-to", "x@example.org")
    assert (status, "502 5.7.0 Please authenticate first" in text) == (1, True)
    (tmp_path / "message.eml").write_text("Subject: no author\n\nhi\n")
    status, text = told(
        server, "-auth", "bob@example.net", *BOB, "-to", "x@example.org", str(tmp_path / "message.eml")
    )
    assert (status, "554 5.6.0 Message does not contains a From header field" in text) == (1, True)
    assert text.startswith("A client of submission tcp://127.0.0.1:")


def test_lmtp_has_a_reply_for_each_recipient(server: Server, tmp_path: Path) -> None:
    with server:
        for user in ("ann", "bob"):
            server.command("imap-acct", "create", f"{user}@example.test")
        (tmp_path / "message.eml").write_text(MESSAGE)
        words = ("-endpoint", "lmtp", "-from", "<>", "-to", "ann@example.test", "-to", "bob@example.test")
        found = data(server, *words, str(tmp_path / "message.eml"))
    assert found["is_accepted"]
    assert [reply["text"] for reply in found["steps"][-1]["replies"]] == [
        "<ann@example.test> OK: queued",
        "<bob@example.test> OK: queued",
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        pytest.param(["-to", "a@b.c"], "--from is required", id="no sender"),
        pytest.param(["-from", "a@b.c"], "--to is required", id="no recipient"),
        pytest.param(["-from", "a@b.c", "-to", "x@y.z"], "--ip is required", id="no address"),
        pytest.param([*BOB, "-to", "x@y.z", "-ip", "nowhere"], "an IP address is expected", id="no IP"),
        pytest.param([*BOB, "-to", "x@y.z\r\nDATA"], "control characters", id="two lines"),
        pytest.param([*BOB, "-to", "x@y.z", "-endpoint", "imap"], "there is no endpoint imap", id="endpoint"),
        pytest.param(
            [*BOB, "-to", "x@y.z", "-endpoint", "smtp", "-auth", "a"], "nobody can log in", id="no auth"
        ),
        pytest.param([*BOB, "-to", "x@y.z", "/nowhere.eml"], "/nowhere.eml: No such file", id="no message"),
    ],
)
def test_a_question_without_sense_is_refused(words: list[str], error: str, server: Server) -> None:
    completed = server.command("explain", *words)
    assert (completed.returncode, completed.stdout) == (2, "")
    assert error in completed.stderr
