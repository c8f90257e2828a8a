"""The directives of SMTP endpoints in the real server: who may log in, bounds, time-outs, and what is logged."""

import base64
import json
import smtplib
import socket
import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from posthouse.testing.server import Server

KINDS = ("smtp", "submission", "lmtp")
PASSWORD = "correct horse"
HASH = f"sha256:{base64.b64encode(b'salt').decode()}:" + (
    base64.b64encode(sha256(b"salt" + PASSWORD.encode()).digest()).decode()
)
PIPELINE = """
    source evil.test {
        check {
            command false {
                run_on sender
                code 1 reject 550 5.7.1 "Not from there"
            }
        }
        deliver_to dummy
    }
    default_source {
        destination nobody.test {
            reject 550 5.1.1 "User doesn't exist"
        }
        default_destination {
            deliver_to dummy
        }
    }
"""
LOGINS = f"""\
hostname mx.example.test
tls off

auth.pass_table users {{
    table static {{
        entry ann@example.test {HASH}
    }}
}}

table.static logins {{
    entry ann ann@example.test
    entry Bob ann@example.test
}}

submission tcp://127.0.0.1:$(folded_port) {{
    auth &users
    sasl_login yes
    auth_map &logins
    auth_map_normalize casefold
    deliver_to dummy
}}

smtp tcp://127.0.0.1:$(exact_port) {{
    auth &users
    auth_map &logins
    auth_map_normalize noop
    deliver_to dummy
}}
"""
# Of each kind: an endpoint that sees little of its clients' patience, and one with narrow bounds.
BOUNDED = """
KIND tcp://127.0.0.1:$(KIND_idle_port) {
    AUTH
    read_timeout 200ms
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_unread_port) {
    AUTH
    write_timeout 200ms
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_narrow_port) {
    AUTH
    max_header_size 1K
    smtp_max_line_length 1000
    max_logged_rcpt_errors 2
    defer_sender_reject no
    PIPELINE
}

KIND tcp://127.0.0.1:$(KIND_single_port) {
    AUTH
    max_connections 1
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_full_port) {
    AUTH
    min_free 1000000G
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_heard_port) {
    AUTH
    debug yes
    io_debug yes
    deliver_to dummy
}
"""
OTHERS = """
smtp tcp://127.0.0.1:$(deferred_port) {
    max_logged_rcpt_errors 1
    PIPELINE
}
"""


def configuration() -> str:
    parts = [LOGINS]
    for kind in KINDS:
        parts.append(BOUNDED.replace("KIND", kind).replace("AUTH", "auth dummy"))
    return "".join((*parts, OTHERS)).replace("    PIPELINE", PIPELINE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("directives"), configuration()) as running:
        yield running


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client(smtplib.SMTP):
    """A client of an endpoint of any kind: it says LHLO where it has to, and logs in where it must."""

    def __init__(self, server: Server, port: str) -> None:
        super().__init__("127.0.0.1", server.ports[port], "client.example", timeout=20)
        if port.startswith("lmtp"):
            self.putcmd("LHLO", "client.example")
            assert self.getreply()[0] == 250
        else:
            self.ehlo()
        if port.startswith("submission"):
            assert self.docmd("AUTH", f"PLAIN {encoded('', 'ann', 'any')}")[0] == 235

    def say(self, line: str) -> str:
        """Send a command, or a message with its dot; gives the reply without the message's ID."""
        self.send(f"{line}\r\n")
        code, text = self.getreply()
        return f"{code} {text.decode()}".partition(" (msg ID")[0]

    def begin(self, recipient: str = "bob@example.test") -> None:
        """MAIL, and RCPT that is taken."""
        assert self.mail("eve@example.net")[0] == 250
        assert self.rcpt(recipient)[0] == 250

    def is_closed(self) -> bool:
        """The server says nothing more, and has closed the connection."""
        try:
            self.getreply()
        except smtplib.SMTPServerDisconnected:
            return True
        return False


def encoded(*words: str) -> str:
    """Words of SASL, as they go over the wire."""
    return base64.b64encode("\0".join(words).encode()).decode()


def incoming(server: Server, recipient: str) -> str:
    """The ID of the message for a recipient that no other has."""
    return str(fields_of(server.wait_for(f'"rcpt":"{recipient}"'))["msg_id"])


def fields_of(line: str) -> dict[str, object]:
    fields = json.loads(line.partition("\t")[2])
    assert isinstance(fields, dict)
    return fields


# --- who may log in


def test_login_is_offered_where_it_was_asked_for(server: Server) -> None:
    with Client(server, "exact") as client:
        assert client.esmtp_features["auth"].split() == ["PLAIN"]
        assert client.say("AUTH LOGIN") == "454 4.7.0 unsupported SASL mechanism"
    with smtplib.SMTP("127.0.0.1", server.ports["folded"], timeout=20) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].split() == ["PLAIN", "LOGIN"]
        assert client.docmd("AUTH", "LOGIN") == (334, base64.b64encode(b"Username:"))
        assert client.docmd(encoded("ANN")) == (334, base64.b64encode(b"Password:"))
        assert client.docmd(encoded(PASSWORD)) == (235, b"2.0.0 Authentication succeeded")
        assert (
            client.sendmail("ann@example.test", ["bob@example.test"], "From: ann@example.test\r\n\r\n") == {}
        )
    server.wait_for('"username":"ANN"}')  # of the message: the name as it was sent


@pytest.mark.parametrize(
    ("port", "user", "is_let_in"),
    [
        ("folded", "ann", True),
        ("folded", "Ann", True),
        ("folded", "Bob", False),  # it is `bob` that is looked up
        ("folded", "ann@example.test", False),  # good for the provider, but not in the table
        ("exact", "Bob", True),
        ("exact", "bob", False),
        ("exact", "Ann", False),
    ],
)
def test_users_are_normalised_and_mapped_before_they_are_asked_for(
    server: Server, port: str, user: str, is_let_in: bool
) -> None:
    with smtplib.SMTP("127.0.0.1", server.ports[port], timeout=20) as client:
        client.ehlo()
        code, text = client.docmd("AUTH", f"PLAIN {encoded('', user, PASSWORD)}")
        expected = (235, b"2.0.0 Authentication succeeded"), (535, b"5.7.8 Invalid credentials")
        assert (code, text) == expected[0 if is_let_in else 1]
    if not is_let_in:
        failed = fields_of(server.wait_for(f'"username":"{user}"}}'))
        assert failed["reason"] == "user is not in auth_map"


# --- time-outs


def test_a_client_that_says_nothing_is_sent_away(server: Server, kind: str) -> None:
    address = ("127.0.0.1", server.ports[f"{kind}_idle"])
    with socket.create_connection(address, timeout=20) as client, client.makefile("rb") as lines:
        assert lines.readline().startswith(b"220 ")
        assert lines.read() == b"421 4.4.2 Idle timeout, bye bye\r\n"
    with Client(server, f"{kind}_unread") as other:  # where the time is another it stays
        assert other.noop()[0] == 250


def test_a_client_that_reads_nothing_is_cut_off(server: Server, kind: str) -> None:
    greeting = b"LHLO x\r\n" if kind == "lmtp" else b"EHLO x\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(20)
        client.connect(("127.0.0.1", server.ports[f"{kind}_unread"]))
        with pytest.raises(ConnectionError):  # and no time-out: the server has ended it
            client.sendall(greeting * 1_000_000)
    with Client(server, f"{kind}_unread") as other:
        assert other.noop()[0] == 250


# --- bounds


def test_a_header_has_a_bound_of_its_own(server: Server, kind: str) -> None:
    with Client(server, f"{kind}_narrow") as client:
        for field, reply in (
            ("X: y\r\n" * 200, "552 5.3.4 Message header size exceeds limit"),
            ("", "250 2.0.0 "),
        ):
            client.begin()
            assert client.docmd("DATA")[0] == 354
            body = "line\r\n" * 1000  # which is longer, and does not count
            said = client.say(f"From: eve@example.net\r\n{field}\r\n{body}.")
            if kind == "lmtp":
                said = said.replace("<bob@example.test> ", "")
            assert said.startswith(reply)


def test_a_line_has_a_bound_in_commands_and_in_content(server: Server, kind: str) -> None:
    too_long = "500 5.4.0 Too long line, closing connection"
    with Client(server, f"{kind}_narrow") as client:
        assert (
            client.say("NOOP " + "x" * 993) == "250 2.0.0 I have successfully done nothing"
        )  # 1000 with CRLF
        assert client.say("NOOP " + "x" * 994) == too_long
        assert client.is_closed()
    recipient = f"{kind}@long.test"
    with Client(server, f"{kind}_narrow") as client:
        client.begin(recipient)
        assert client.docmd("DATA")[0] == 354
        client.send("From: eve@example.net\r\n\r\n" + "x" * 998 + "\r\n")
        assert client.say("x" * 999 + "\r\n.") == too_long
        assert client.is_closed()
    server.wait_for(f'{kind}: aborted\t{{"msg_id":"{incoming(server, recipient)}"')


def test_connections_have_a_bound(server: Server, kind: str) -> None:
    address = ("127.0.0.1", server.ports[f"{kind}_single"])
    with Client(server, f"{kind}_single") as first:
        with socket.create_connection(address, timeout=20) as second, second.makefile("rb") as lines:
            assert lines.read() == b"421 4.7.0 Too many connections, try again later\r\n"
        assert first.noop()[0] == 250
    server.wait_for(f"{kind}: too many connections\t")


def test_mail_waits_for_room_on_the_disk(server: Server, kind: str) -> None:
    with Client(server, f"{kind}_full") as client:
        assert client.say("MAIL FROM:<eve@example.net>") == "452 4.3.1 Insufficient system storage"
        assert client.say("RCPT TO:<bob@example.test>") == "502 5.5.1 Missing MAIL FROM command."
    low = fields_of(server.wait_for(f"{kind}: disk space is low, mail is refused\t"))
    assert low["min_free"] == 1_000_000 * 1024**3


# --- what is refused when, and what is logged


def test_senders_are_refused_at_once_where_that_is_wanted(server: Server, kind: str) -> None:
    with Client(server, f"{kind}_narrow") as client:
        assert client.say("MAIL FROM:<eve@evil.test>") == "550 5.7.1 Not from there"
        assert client.say("RCPT TO:<bob@example.test>") == "502 5.5.1 Missing MAIL FROM command."
        client.begin()
    failed = fields_of(server.wait_for(f"{kind}: MAIL FROM error\t"))
    assert failed["smtp_msg"] == "Not from there"


def test_senders_are_refused_with_their_recipients_else(server: Server) -> None:
    with Client(server, "deferred") as client:
        assert client.mail("eve@evil.test")[0] == 250
        replies = {client.docmd("RCPT", f"TO:<{name}@example.test>") for name in "abc"}
        ((code, text),) = replies  # the message's ID is the same
        assert code == 550
        assert text.startswith(b"5.7.1 Not from there (msg ID = ")
        client.rset()
        client.begin()
    failed = fields_of(server.wait_for("smtp: MAIL FROM error (deferred)\t"))
    assert failed["rcpt"] == "a@example.test"
    repeated = fields_of(server.wait_for("smtp: MAIL FROM repeated error a lot of times"))
    assert (repeated["count"], repeated["msg_id"]) == (2, failed["msg_id"])


def test_the_log_tells_of_some_refused_recipients_only(server: Server, kind: str) -> None:
    with Client(server, f"{kind}_narrow") as client:
        client.begin()
        for name in "abcd":
            refused = client.say(f"RCPT TO:<{name}.{kind}@nobody.test>")
            assert refused == "550 5.1.1 User doesn't exist"
        client.say(f"RCPT TO:<{kind}@after.test>")
    incoming(server, f"{kind}@after.test")  # what was to be said before is said
    lines = [line for line in server.lines if f".{kind}@nobody.test" in line]
    assert [fields_of(line)["rcpt"] for line in lines] == [f"a.{kind}@nobody.test", f"b.{kind}@nobody.test"]
    assert all(line.startswith(f"{kind}: RCPT error\t") for line in lines)
    server.wait_for(f"{kind}: too many RCPT errors, possible dictonary attack\t")


def test_traffic_is_mirrored_to_the_debug_log(server: Server, kind: str) -> None:
    server.wait_for(f"{kind}: I/O debugging is on: passwords may leak into the log!")
    with Client(server, f"{kind}_heard") as client:
        client.begin(f"{kind}@heard.test")
    with Client(server, f"{kind}_narrow") as client:
        client.begin(f"{kind}@unheard.test")
    heard = fields_of(server.wait_for(f"rcpt TO:\\u003c{kind}@heard.test"))
    assert heard["data"] == f"rcpt TO:<{kind}@heard.test>\r\n"
    said = server.wait_for(f"I'll make sure \\u003c{kind}@heard.test")
    assert said.startswith(f"[debug] {kind}: write\t")
    server.wait_for(f'"rcpt":"{kind}@unheard.test"')
    assert not any(f"c{kind}@unheard.test" in line for line in server.lines)


# --- the end


STOPPING = """\
hostname mx.example.test
tls off

smtp tcp://127.0.0.1:$(hasty_port) {
    shutdown_timeout 200ms
    deliver_to dummy
}

lmtp tcp://127.0.0.1:$(lmtp_patient_port) {
    shutdown_timeout 1h
    deliver_to dummy
}
"""


def test_transactions_have_their_time_when_the_server_stops(tmp_path: Path) -> None:
    stopping = b"4.3.2 Server shutting down"
    with Server(tmp_path, STOPPING) as server, Client(server, "hasty") as hasty:
        patient = Client(server, "lmtp_patient")
        for client in (hasty, patient):
            client.begin()
        statuses: list[int] = []
        stopper = threading.Thread(target=lambda: statuses.append(server.stop()))
        stopper.start()
        assert hasty.getreply() == (421, stopping)  # in the middle of its transaction
        assert hasty.is_closed()
        assert patient.data("Subject: x\r\n\r\nHi\r\n") == (250, b"2.0.0 <bob@example.test> OK: queued")
        assert patient.getreply() == (421, stopping)
        patient.close()
        stopper.join()
    assert statuses == [0]
    assert sum("accepted\t" in line for line in server.lines) == 1
    assert sum("aborted\t" in line for line in server.lines) == 1
