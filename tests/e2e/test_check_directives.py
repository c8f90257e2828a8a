"""The directives of checks and tables in the real server: rspamd as a test wants it, authorize_sender, regexp, actions."""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from posthouse.testing.refusal import reply_to
from posthouse.testing.server import Server

MESSAGE = "From: eve@example.net\r\nSubject: {}\r\n\r\nA body.\r\n"
HEAD = """\
hostname mx.example.test
tls off

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
    junk_mailbox Suspect
}
"""


def make_user(server: Server) -> None:
    assert server.command("imap-acct", "create", "--no-specialuse", "ann@example.test").returncode == 0


def stored(server: Server, mailbox: str) -> str:
    """The messages of a mailbox; "" also where there is none."""
    return server.command("imap-msgs", "dump", "ann@example.test", mailbox, "1:*").stdout


# --- rspamd

RSPAMD = (
    HEAD
    + """
smtp tcp://127.0.0.1:$(told_port) {
    check {
        rspamd {
            api_path https://localhost:$(service)/rspamd/
            tls_client {
                root_ca $(authority)
                cert $(certificate)
                key $(certificate)
                protocols tls1.2
                ciphers ECDHE-ECDSA-WITH-AES256-GCM-SHA384
                curves p256
            }
            settings_id strict
            tag outside
            hostname filtered.example.test
            flags body_block
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(stern_port) {
    check {
        rspamd https://localhost:$(service) {
            tls_client {
                root_ca $(authority)
            }
            io_error_action reject 451 4.3.2 "Come back later"
            error_resp_action reject 454
            add_header_action reject 550 5.7.3
            rewrite_subj_action reject 552 5.7.4 "Not such a subject"
            soft_reject_action ignore
            reject_action quarantine
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(curved_port) {
    check {
        rspamd https://localhost:$(service) {
            tls_client {
                root_ca $(authority)
                protocols tls1.2
                curves p384
            }
            io_error_action reject
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(hurried_port) {
    check {
        rspamd https://localhost:$(service) {
            tls_client {
                root_ca $(authority)
            }
            timeout 50ms
            io_error_action reject
        }
    }
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(patient_port) {
    check {
        rspamd https://localhost:$(service) {
            tls_client {
                root_ca $(authority)
            }
            timeout 1m
            io_error_action reject
        }
    }
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(unverified_port) {
    check {
        rspamd {
            api_path https://localhost:$(service)
            io_error_action reject
        }
    }
    deliver_to &local_mailboxes
}
"""
)
LOCAL = "Message rejected due to a local policy"
STERN: Sequence[
    tuple[str, str, str]
] = [  # what rspamd answers, what the client hears, and where the message is
    ("add header", f"550 5.7.3 {LOCAL}", ""),
    ("rewrite subject", "552 5.7.4 Not such a subject", ""),
    ("soft reject", "OK", "INBOX"),
    ("reject", "OK", "Suspect"),
    ("error", f"454 4.7.0 {LOCAL}", ""),
    ("nonsense", "451 4.3.2 Come back later", ""),
]


@dataclass
class Service:
    """Answers with the action that the subject names; knows what it was asked."""

    requests: list[web.Request] = field(default_factory=list)
    ciphers: list[str] = field(default_factory=list)
    clients: list[object] = field(default_factory=list)  # their certificates
    go_on: asyncio.Event = field(default_factory=asyncio.Event)  # with what is asked about `silence`

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.ciphers.append(request.get_extra_info("cipher")[0])
        self.clients.append(request.get_extra_info("peercert"))
        action = (await request.text()).partition("Subject: ")[2].partition("\r\n")[0]
        if action == "silence":
            await self.go_on.wait()
            action = "no action"
        if action == "nonsense":
            return web.Response(text="no JSON")
        return web.json_response({"action": action, "score": 7.25}, status=503 if action == "error" else 200)


@asynccontextmanager
async def serving(service: Service, authority: trustme.CA) -> AsyncIterator[int]:
    """Over TLS; the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    app = web.Application()
    app.router.add_post("/{path:.*}", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def send(server: Server, port: str, subject: str) -> str:
    with smtplib.SMTP("127.0.0.1", server.ports[port], "client.example", timeout=20) as client:
        message = MESSAGE.format(subject)
        return reply_to(lambda: client.sendmail("eve@example.net", "ann@example.test", message))


async def test_rspamd_is_asked_and_obeyed_as_configured(tmp_path: Path) -> None:
    authority, service = trustme.CA(), Service()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("mx.example.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    async with serving(service, authority) as port:
        macros = (
            f"$(service) = {port}\n$(authority) = {tmp_path}/ca.pem\n$(certificate) = {tmp_path}/own.pem\n"
        )
        server = Server(tmp_path, macros + RSPAMD)
        make_user(server)
        with server:
            await asyncio.to_thread(ask_rspamd, server)
            waits = asyncio.create_task(asyncio.to_thread(send, server, "patient", "silence"))
            refused = "451 4.7.0 Internal error during policy check"
            assert await asyncio.to_thread(send, server, "hurried", "silence") == refused
            assert not waits.done()
            service.go_on.set()
            assert await waits == "OK"
    (told, *_) = service.requests
    assert service.ciphers[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"
    assert "mx.example.test" in str(service.clients[0])
    assert not any(service.clients[1:])
    assert told.path == "/rspamd/checkv2"
    expected = {
        "Settings-ID": "strict",
        "MTA-Tag": "outside",
        "Flags": "body_block",
        "MTA-Name": "filtered.example.test",
    }
    assert expected.items() <= dict(told.headers).items()
    assert [request.path for request in service.requests[1:]] == ["/checkv2"] * (
        len(STERN) + 2
    )  # none unverified


def ask_rspamd(server: Server) -> None:
    assert send(server, "told", "no action") == "OK"
    for action, reply, _ in STERN:
        assert send(server, "stern", action) == reply
    refused = "451 4.7.0 Internal error during policy check"
    assert send(server, "unverified", "no action") == refused
    failed = server.fields_of("certificate")
    assert send(server, "curved", "no action") == refused  # the service's certificate is of another curve
    assert (failed["check"], failed["smtp_code"]) == ("rspamd", 451)
    assert "Subject: no action" in stored(server, "INBOX")
    for mailbox in ("INBOX", "Suspect"):
        text = stored(server, mailbox)
        assert {action for action, _, _ in STERN if f"Subject: {action}\n" in text.replace("\r", "")} == {
            action for action, _, where in STERN if where == mailbox
        }


# --- authorize_sender, and tables

AUTHORIZE = (
    HEAD
    + """
submission tcp://127.0.0.1:$(strict_port) {
    auth dummy
    check {
        authorize_sender {
            prepare_email regexp "(.+)\\+.+@(.+)" "$1@$2" {
                full_match yes
                case_insensitive yes
                expand_placeholders yes
            }
            user_to_email static {
                entry ann ann@example.test
                entry Bob bob@example.test
                entry eve eve@example.net
            }
            auth_normalize noop
            from_normalize casefold
            no_match_action reject 551 5.7.9 "Not yours"
            malformed_action reject 554 5.6.0 "Broken header"
        }
    }
    deliver_to &local_mailboxes
}

submission tcp://127.0.0.1:$(blind_port) {
    auth dummy
    check {
        authorize_sender {
            check_header no
            no_match_action quarantine
        }
    }
    deliver_to &local_mailboxes
}

smtp tcp://127.0.0.1:$(failing_port) {
    auth dummy
    check {
        authorize_sender {
            user_to_email sql_query {
                driver sqlite3
                dsn owners.db
                lookup "SELECT CASE :key WHEN 'broken' THEN json_extract('{', '$') ELSE :key END"
                named_args yes
            }
            unauth_action reject 530 5.7.1 "Log in first"
            err_action reject 450 4.7.5 "Cannot tell"
        }
    }
    deliver_to &local_mailboxes
}
"""
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("checks"), AUTHORIZE + TABLES)
    make_user(server)
    with server:
        yield server


class Sender(smtplib.SMTP):
    """A client that is logged in as somebody."""

    def __init__(self, server: Server, port: str, user: str = "") -> None:
        super().__init__("127.0.0.1", server.ports[port], "client.example", timeout=20)
        self.ehlo()
        if user:
            self.login(user, "any")

    def mail_from(self, reverse_path: str, author: str = "", subject: str = "x") -> str:
        """What a message hears. author: in From, if it is another."""
        message = f"From: {author or reverse_path}\r\nSubject: {subject}\r\n\r\nA body.\r\n"
        return reply_to(lambda: self.sendmail(reverse_path, "ann@example.test", message))


@pytest.mark.parametrize(
    ("user", "sender", "author", "reply"),
    [
        ("ann", "ann@example.test", "", "OK"),
        ("ann", "ANN+lists@Example.test", "", "OK"),  # the case by from_normalize, the tag by prepare_email
        ("ann", "eve@example.net", "", "551 5.7.9 Not yours"),
        ("ann", "ann@example.test", "eve@example.net", "551 5.7.9 Not yours"),
        ("ann", "ann@example.test", "ann@example.test\r\nResent-From: x", "554 5.6.0 Broken header"),
        ("Bob", "bob@example.test", "", "OK"),
        ("bob", "bob@example.test", "", "551 5.7.9 Not yours"),  # users are as they were sent
    ],
)
def test_addresses_and_users_have_the_forms_that_are_configured(
    server: Server, user: str, sender: str, author: str, reply: str
) -> None:
    with Sender(server, "strict", user) as client:
        assert client.mail_from(sender, author) == reply


def test_the_header_is_looked_at_where_that_is_wanted(server: Server) -> None:
    with Sender(server, "blind", "ann@example.test") as client:
        assert client.mail_from("ann@example.test", "eve@example.net", "author is another") == "OK"
        assert client.mail_from("eve@example.net", "ann@example.test", "envelope is another") == "OK"
    assert "Subject: author is another" in stored(server, "INBOX")
    assert "Subject: envelope is another" in stored(server, "Suspect")


def test_who_has_not_logged_in_and_what_cannot_be_told(server: Server) -> None:
    with Sender(server, "failing") as client:
        assert client.mail_from("ann@example.test") == "530 5.7.1 Log in first"
    with Sender(server, "failing", "broken") as client:
        assert client.mail_from("ann@example.test") == "450 4.7.5 Cannot tell"
    failed = server.fields_of("4.7.5")
    assert (failed["check"], failed["smtp_code"]) == ("authorize_sender", 450)
    with Sender(server, "failing", "ann@example.test") as client:
        assert client.mail_from("ann@example.test") == "OK"


# --- what a regexp matches, and what it gives

TABLES = """
smtp tcp://127.0.0.1:$(regexp_port) {
    modify {
        replace_rcpt regexp "whole@(.+)" "$1@whole.test"
        replace_rcpt regexp "part@" "found@part.test" {
            full_match no
        }
        replace_rcpt regexp "plain@(.+)" "$1@plain.test" {
            expand_placeholders no
        }
        replace_rcpt regexp "raw@(.+)" "$1@raw.test" {
            expand_replaceholders no
        }
    }
    reject 550 5.1.1 "Nobody there"
}

smtp tcp://127.0.0.1:$(any_case_port) {
    auth dummy
    auth_map regexp Case.*
    auth_map_normalize noop
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(exact_case_port) {
    auth dummy
    auth_map regexp Case.* {
        case_insensitive no
    }
    auth_map_normalize noop
    deliver_to dummy
}
"""


@pytest.mark.parametrize(
    ("recipient", "effective"),
    [
        ("whole@x.test", "x.test@whole.test"),
        ("notwhole@x.test", "notwhole@x.test"),
        ("counterpart@x.test", "found@part.test"),
        ("plain@x.test", "$1@plain.test"),
        ("raw@x.test", "$1@raw.test"),
    ],
)
def test_a_regexp_matches_and_expands_as_configured(server: Server, recipient: str, effective: str) -> None:
    with Sender(server, "regexp") as client:
        client.mail("eve@example.net")
        assert client.rcpt(recipient)[0] == 550
    assert server.fields_of(f'"rcpt":"{recipient}"')["effective_rcpt"] == effective


def test_a_regexp_minds_the_case_of_letters_as_configured(server: Server) -> None:
    for port, expected in (("any_case", 235), ("exact_case", 535)):
        with Sender(server, port) as client:
            initial = base64.b64encode(b"\0caseless\0any").decode()
            assert client.docmd("AUTH", f"PLAIN {initial}")[0] == expected
    with Sender(server, "exact_case", "Case"):  # who is let in
        pass
