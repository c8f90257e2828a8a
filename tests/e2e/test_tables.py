"""Tables and address modifiers in the real server: each recipient is rewritten by a table of its own, and arrives."""

import re
import smtplib
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from posthouse.testing.server import NotStarted, Server

ACCOUNTS = ("ann@example.test", "bob@example.test", "plain")
CONFIGURATION = """\
hostname mx.example.test
tls off

auth.pass_table local_authdb {
    table sql_table {
        driver sqlite3
        dsn credentials.db
        table_name passwords
        key_column who
        value_column secret
    }
}

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
    delivery_map &accounts
}

table.chain accounts {
    optional_step static {
        entry localpart@example.test plain
    }
}

table.file file_aliases {
    file ALIASES
}

table.sql_query sql_aliases {
    driver sqlite3
    dsn queries.db
    init "CREATE TABLE IF NOT EXISTS aliases (key TEXT PRIMARY KEY, value TEXT)"
    init "INSERT OR REPLACE INTO aliases VALUES ('sql@q.test', 'ann@example.test'), ('sql2@q.test', '{')"
    named_args yes
    lookup "SELECT CASE value WHEN '{' THEN json(value) ELSE value END FROM aliases WHERE key = :key"
    list "SELECT key FROM aliases"
    add "INSERT INTO aliases VALUES (:key, :value)"
    set "UPDATE aliases SET value = :value WHERE key = :key"
    del "DELETE FROM aliases WHERE key = :key"
}

table.sql_table more_credentials {
    driver sqlite3
    dsn queries.db
    table_name more
}

table.chain rewrites {
    optional_step regexp "(.+)\\+(.+)@(.+)" "$1@$3"
    optional_step static {
        entry team@rewritten.test ann@example.test bob@example.test
    }
    optional_step file ALIASES
}

table.chain to_example {
    step email_localpart
    step email_with_domain example.test
}

table.chain only_known {
    step regexp "case(.*)@(?P<domain>.+)" "${domain}" {
        full_match no
        case_insensitive no
        expand_replaceholders yes
    }
    step static {
        entry known.test bob@example.test
    }
}

smtp tcp://127.0.0.1:$(smtp_port) {
    modify {
        replace_sender static {
            entry old@sender.test new@sender.test
            entry local local2
        }
    }
    destination rewritten.test {
        modify {
            replace_rcpt &rewrites
        }
        reroute {
            destination example.test {
                deliver_to &local_mailboxes
            }
            default_destination {
                reject 550 5.1.1 "not rewritten"
            }
        }
    }
    destination f.test {
        modify {
            replace_rcpt &file_aliases
        }
        deliver_to &local_mailboxes
    }
    destination q.test {
        modify {
            replace_rcpt {
                table &sql_aliases
            }
        }
        deliver_to &local_mailboxes
    }
    destination other.test {
        modify {
            replace_rcpt &to_example
        }
        deliver_to &local_mailboxes
    }
    destination known.test unknown.test {
        modify {
            replace_rcpt &only_known
        }
        deliver_to &local_mailboxes
    }
    destination broken.test {
        modify {
            replace_rcpt regexp ".*" "no address"
        }
        deliver_to &local_mailboxes
    }
    default_destination {
        reject 550 5.1.1 "in no table"
    }
}

smtp tcp://127.0.0.1:$(other_port) {
    destination_in &more_credentials {
        reject 550 5.7.1 "in an empty table"
    }
    destination_in &local_authdb {
        reject 550 5.7.1 "in table auth"
    }
    destination_in &local_mailboxes {
        modify {
            replace_rcpt identity
        }
        deliver_to &local_mailboxes
    }
    destination_in email_localpart_optional {
        reject 550 5.7.1 "in every table"
    }
    default_destination {
        reject 550 5.1.1 "in no table"
    }
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tables")
    aliases = folder / "aliases"
    aliases.write_text("# aliases\nlist@f.test: ann@example.test, bob@example.test\nfile: bob@example.test\n")
    with Server(folder, CONFIGURATION.replace("ALIASES", str(aliases))) as server:
        for account in ACCOUNTS:
            assert server.command("imap-acct", "create", account).returncode == 0
        created = server.command("creds", "create", "-bcrypt-cost=4", "-p", "x", "somebody@auth.test")
        assert created.returncode == 0, created.stderr
        yield server


def send(
    server: Server, recipient: str, *, sender: str = "old@sender.test", port: str = "smtp"
) -> bytes | None:
    """Send a message whose Subject is the recipient; gives what refuses it."""
    with smtplib.SMTP("127.0.0.1", server.ports[port]) as client:
        try:
            client.sendmail(sender, [recipient], f"Subject: {recipient}\r\n\r\nHi\r\n")
        except smtplib.SMTPRecipientsRefused as err:
            code, text = err.recipients[recipient]
            return b"%d %s" % (code, text)
    return None


def arrived(server: Server) -> Mapping[str, set[tuple[str, ...]]]:
    """By account: Return-Path, Delivered-To and Subject of each message."""
    found = {}
    for account in ACCOUNTS:
        text = server.command("imap-msgs", "dump", account, "INBOX", "1:*").stdout
        fields = [
            re.findall(rf"(?m)^{name}: (.*?)\r?$", text)
            for name in ("Return-Path", "Delivered-To", "Subject")
        ]
        found[account] = set(zip(*fields, strict=True))
    return found


def test_recipients_and_senders_are_replaced(server: Server) -> None:
    for recipient in (
        "team@rewritten.test",
        "team+news@rewritten.test",
        "list@f.test",
        "File@f.test",
        "sql@q.test",
        "bob@other.test",
        "localpart@other.test",
        "cases@known.test",
    ):
        assert send(server, recipient) is None, recipient
    assert send(server, "bob@example.test", sender="local@x.test", port="other") is None
    new = "<new@sender.test>"
    ann, bob = "ann@example.test", "bob@example.test"
    assert arrived(server) == {
        ann: {
            (new, ann, "team@rewritten.test"),
            (new, ann, "team+news@rewritten.test"),
            (new, ann, "list@f.test"),
            (new, ann, "sql@q.test"),
        },
        bob: {
            (new, bob, "team@rewritten.test"),
            (new, bob, "team+news@rewritten.test"),
            (new, bob, "list@f.test"),
            (new, bob, "File@f.test"),
            (new, bob, "bob@other.test"),
            (new, bob, "cases@known.test"),
            ("<local@x.test>", bob, bob),
        },
        "plain": {(new, "plain", "localpart@other.test")},
    }


@pytest.mark.parametrize(
    ("port", "recipient", "reply"),
    [
        ("smtp", "ann@rewritten.test", b"550 5.1.1 not rewritten"),
        ("smtp", "other@known.test", b"501 5.1.1 User does not exist"),
        ("smtp", "cases@unknown.test", b"501 5.1.1 User does not exist"),
        ("smtp", "a@broken.test", b"554 5.3.5 Local configuration error"),
        ("smtp", "sql2@q.test", b"451 4.3.0 Internal server error"),
        ("smtp", "ann@example.test", b"550 5.1.1 in no table"),
        ("other", "Somebody@auth.test", b"550 5.7.1 in table auth"),
        ("other", "nobody@example.test", b"550 5.7.1 in every table"),
    ],
)
def test_what_a_table_does_not_have_is_refused(
    server: Server, port: str, recipient: str, reply: bytes
) -> None:
    refused = send(server, recipient, port=port)
    assert refused is not None
    assert refused.startswith(reply)


def test_the_columns_of_a_table_have_the_names_that_are_configured(server: Server) -> None:
    with closing(sqlite3.connect(f"file:{server.state}/credentials.db?mode=ro", uri=True)) as database:
        ((secret,),) = database.execute("SELECT secret FROM passwords WHERE who = 'somebody@auth.test'")
    assert secret.startswith("bcrypt:")


WRONG = """\
hostname mx.example.test
tls off
table.chain loop {
    step identity
    optional_step &loop
}
smtp tcp://127.0.0.1:$(smtp_port) {
    modify {
        replace_rcpt regexp "(a"
        replace_rcpt regexp
        replace_rcpt email_with_domain a..b
        replace_sender email_localpart x
        replace_sender &loop
        replace_sender sql_query {
            driver postgres
            dsn x.db
            lookup "SELECT 1"
        }
        replace_rcpt
    }
    deliver_to dummy
}
"""


def test_mistakes_end_the_start_all_at_once(tmp_path: Path) -> None:
    with pytest.raises(NotStarted) as told:
        Server(tmp_path, WRONG).start()
    for text in (
        "invalid regular expression: missing )",
        "at least 1 argument expected: PATTERN [REPLACEMENT...]",
        "invalid domain: a..b",
        "no inline arguments are expected here",
        "a look-up leads back to this table",
        "driver postgres is not available in this version",
        "missing required directive: table",
    ):
        assert text in str(told.value)


def test_a_query_that_cannot_be_prepared_ends_the_start(tmp_path: Path) -> None:
    configuration = CONFIGURATION.replace("FROM aliases WHERE", "FROM nowhere WHERE").replace("ALIASES", "x")
    with pytest.raises(
        NotStarted, match=r"unable to prepare the database .*queries\.db: .*no such table: nowhere"
    ):
        Server(tmp_path, configuration).start()


OWN_STATEMENTS = """\
hostname mx.example.test
tls off

auth.pass_table local_authdb {
    table sql_query {
        driver sqlite3
        dsn own.db
        init "CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, secret TEXT, how TEXT)"
        named_args yes
        lookup "SELECT secret FROM users WHERE name = :key"
        list "SELECT name FROM users WHERE how != 'hidden'"
        add "INSERT INTO users VALUES (:key, :value, 'added')"
        set "UPDATE users SET secret = :value, how = 'set' WHERE name = :key"
        del "UPDATE users SET how = 'hidden', secret = '' WHERE name = :key"
    }
}

submission tcp://127.0.0.1:$(submission_port) {
    auth &local_authdb
    deliver_to dummy
}
"""


def test_a_table_is_changed_by_the_statements_that_are_configured(tmp_path: Path) -> None:
    server = Server(tmp_path, OWN_STATEMENTS)
    ann = "ann@example.test"
    for words, how, listed in (
        (("create", "-bcrypt-cost=4", "-p", "one", ann), "added", [ann]),
        (("password", "-p", "two", ann), "set", [ann]),
        (("remove", "-y", ann), "hidden", []),
    ):
        done = server.command("creds", *words)
        assert done.returncode == 0, done.stderr
        with closing(sqlite3.connect(f"file:{server.state}/own.db?mode=ro", uri=True)) as database:
            assert database.execute("SELECT name, how FROM users").fetchall() == [(ann, how)]
        assert server.command("creds", "list").stdout.split() == listed
