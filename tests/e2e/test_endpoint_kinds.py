"""What is configured in an endpoint holds in it, of whatever kind it is; each effect is one that the default does not have."""

import base64
import re
import select
import smtplib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.testing.server import Server
from posthouse.testing.smtp import unverified

KINDS = ("smtp", "submission", "lmtp")
LARGE = "y" * 70 + "\r\n"  # and many of them are more than the 1 MiB that stays in memory
CLIENT = b"PROXY TCP4 192.0.2.%d 127.0.0.1 4321 25\r\n"
BEGINNING = """\
hostname mx.example.test
tls off

table.static logins {
    entry ann ann@example.test
}
"""
OF_KIND = """
KIND tcp://127.0.0.1:$(KIND_own_port) {
    auth dummy
    hostname KIND.example.test
    sasl_login yes
    max_message_size 100K
    max_recipients 2
    max_received 2
    dsn yes
    bare_newline normalize
    bare_postmaster yes
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_usual_port) {
    auth dummy
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_proxied_port) {
    auth dummy
    proxy_protocol 127.0.0.1
    max_connections_per_ip 1
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_limited_port) {
    auth dummy
    limits {
        ip concurrency 1
    }
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_encrypted_port) {
    auth dummy
    tls self_signed
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_insecure_port) {
    auth dummy
    tls self_signed
    insecure_auth yes
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_mapped_port) {
    auth dummy
    auth_map &logins
    auth_map_normalize noop
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_in_memory_port) {
    auth dummy
    buffer ram
    check {
        command $(files) buffer {
            code 1 reject 550 5.7.1 "No file"
        }
    }
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_in_files_port) {
    auth dummy
    buffer fs files
    check {
        command $(files) files {
            code 1 reject 550 5.7.1 "No file"
        }
    }
    deliver_to dummy
}

KIND tcp://127.0.0.1:$(KIND_in_both_port) {
    auth dummy
    buffer auto 100b files
    check {
        command $(files) files {
            code 1 reject 550 5.7.1 "No file"
        }
    }
    deliver_to dummy
}
"""
FILES = """\
#!/bin/sh
test -n "$(ls '{}'/"$1")"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("kinds")
    script = directory / "files"
    text = "".join((f"$(files) = {script}\n", BEGINNING, *(OF_KIND.replace("KIND", kind) for kind in KINDS)))
    server = Server(directory, text)
    script.write_text(FILES.format(server.state))
    script.chmod(0o755)
    (server.state / "files").mkdir(parents=True)
    with server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Client(smtplib.SMTP):
    """A client of an endpoint of any kind, who greets it, and is logged in where mail is only taken from users."""

    def __init__(
        self,
        server: Server,
        kind: str,
        port: str,
        *,
        ip: str = "127.0.0.1",
        first: bytes = b"",
        logs_in: bool = True,
    ) -> None:
        """first: octets that a proxy sends."""
        super().__init__(timeout=20, source_address=(ip, 0))
        self.banner = self.connect("127.0.0.1", server.ports[f"{kind}_{port}"])[1].decode()
        assert self.sock is not None
        self.sock.sendall(first)
        self.greeted = self.docmd("LHLO" if kind == "lmtp" else "EHLO", "client.example")
        self.keywords = dict(re.findall(r"(?m)^(\S+) ?(.*)$", self.greeted[1].decode()))
        if logs_in and kind == "submission":
            assert self.log_in("ann") == 235

    def log_in(self, user: str) -> int:
        initial = base64.b64encode(b"\0%b\0any" % user.encode()).decode()
        return self.docmd("AUTH", f"PLAIN {initial}")[0]

    def begin(self) -> None:
        assert self.docmd("MAIL", "FROM:<eve@example.net>")[0] == 250
        assert self.docmd("RCPT", "TO:<bob@example.test>")[0] == 250

    def say_message(self, content: bytes) -> str:
        """The reply to a message, whose end is not added."""
        self.begin()
        assert self.docmd("DATA")[0] == 354
        self.send(content)
        code, text = self.getreply()
        return f"{code} {text.decode()}"

    @property
    def waits(self) -> bool:
        """The server is awake, and has not answered."""
        assert self.sock is not None
        return not select.select([self.sock], [], [], 0)[0]


def message(body: str = "", header: str = "") -> bytes:
    return f"From: eve@example.net\r\n{header}\r\n{body}\r\n.\r\n".encode()


def test_its_name_is_its_own(server: Server, kind: str) -> None:
    with Client(server, kind, "own") as own, Client(server, kind, "usual") as usual:
        assert own.banner.split()[0] == f"{kind}.example.test"
        assert usual.banner.split()[0] == "mx.example.test"


def test_it_offers_what_is_configured(server: Server, kind: str) -> None:
    with Client(server, kind, "own") as own, Client(server, kind, "usual") as usual:
        assert (own.keywords["SIZE"], usual.keywords["SIZE"]) == ("102400", str(32 * 1024**2))
        assert (own.keywords["LIMITS"], usual.keywords["LIMITS"]) == ("RCPTMAX=2", "RCPTMAX=20000")
        assert ("DSN" in own.keywords, "DSN" in usual.keywords) == (True, False)
        assert (own.keywords["AUTH"], usual.keywords["AUTH"]) == ("PLAIN LOGIN", "PLAIN")


def test_its_bounds_hold(server: Server, kind: str) -> None:
    with Client(server, kind, "own") as client:
        client.begin()
        assert client.docmd("RCPT", "TO:<carl@example.test>")[0] == 250
        surplus = client.docmd("RCPT", "TO:<dora@example.test>")
        assert surplus == (452, b"4.5.3 Maximum limit of 2 recipients reached")
        client.rset()
        assert client.docmd("MAIL", "FROM:<> SIZE=102401")[0] == 552
        assert client.say_message(message(LARGE * 1500)).startswith("552 5.3.4 ")
        assert client.say_message(message(header="Received: by a\r\n" * 3)).startswith("554 5.4.6 ")
        assert client.say_message(message(header="Received: by a\r\n" * 2)).startswith("250 ")


def test_line_ends_are_mended_where_that_is_wanted(server: Server, kind: str) -> None:
    for port, reply in (("own", "250 2.0.0 "), ("usual", "550 5.5.2 ")):
        with Client(server, kind, port) as client:
            assert client.say_message(message("one\ntwo\rthree")).startswith(reply)


def test_postmaster_needs_no_domain_where_that_is_wanted(server: Server, kind: str) -> None:
    for port, code in (("own", 250), ("usual", 501)):
        with Client(server, kind, port) as client:
            client.begin()
            assert client.docmd("RCPT", "TO:<Postmaster>")[0] == code


def test_a_proxy_says_who_the_client_is(server: Server, kind: str) -> None:
    """Clients are counted one by one: two of different addresses are taken, and no second of the same."""
    with Client(server, kind, "proxied", first=CLIENT % 1), Client(server, kind, "proxied", first=CLIENT % 2):
        again = Client(server, kind, "proxied", first=CLIENT % 1, logs_in=False)
        assert again.greeted[0] == 421
        again.close()


def test_its_limits_hold(server: Server, kind: str) -> None:
    with Client(server, kind, "limited") as first, Client(server, kind, "limited") as second:
        first.begin()
        second.mail("eve@example.net")
        second.putcmd("RCPT", "TO:<bob@example.test>")
        with Client(server, kind, "limited", ip="127.0.0.2") as other:
            other.begin()
        assert second.waits
        first.rset()
        assert second.getreply()[0] == 250


def test_passwords_are_taken_in_clear_only_where_that_is_wanted(server: Server, kind: str) -> None:
    with Client(server, kind, "encrypted", logs_in=False) as client:
        assert ("STARTTLS" in client.keywords, "AUTH" in client.keywords) == (True, False)
        assert client.log_in("ann") == 523
    with Client(server, kind, "insecure", logs_in=False) as client:
        assert ("STARTTLS" in client.keywords, "AUTH" in client.keywords) == (True, True)
        assert client.log_in("ann") == 235
    with Client(server, kind, "usual", logs_in=False) as client:
        assert "STARTTLS" not in client.keywords


def test_it_speaks_tls(server: Server, kind: str) -> None:
    with Client(server, kind, "encrypted", logs_in=False) as client:
        assert client.docmd("STARTTLS") == (220, b"2.0.0 Ready to start TLS")
        assert client.sock is not None
        with unverified().wrap_socket(client.sock) as protected:
            protected.sendall(b"LHLO x\r\n" if kind == "lmtp" else b"EHLO x\r\n")
            assert b"250-REQUIRETLS\r\n" in protected.recv(4096)


def test_its_users_are_those_of_the_table(server: Server, kind: str) -> None:
    with Client(server, kind, "mapped", logs_in=False) as client:
        assert client.log_in("Ann") == 535  # as it stands: nothing folds it
        assert client.log_in("ann@example.test") == 535
        assert client.log_in("ann") == 235


@pytest.mark.parametrize(
    ("port", "body", "is_file"),
    [
        ("in_memory", LARGE * 20_000, False),
        ("in_files", "", True),
        ("in_both", "", False),
        ("in_both", "x" * 200, True),
    ],
)
def test_a_message_waits_where_it_should(
    server: Server, kind: str, port: str, body: str, *, is_file: bool
) -> None:
    """A program looks for the file while the message is checked."""
    with Client(server, kind, port) as client:
        said = client.say_message(message(body))
    if kind == "lmtp":
        said = said.replace("<bob@example.test> ", "")
    assert said.startswith("250 " if is_file else "550 5.7.1 No file")


STOPPING = """\
hostname mx.example.test
tls off

smtp tcp://127.0.0.1:$(smtp_patient_port) {
    shutdown_timeout 1h
    deliver_to dummy
}
""" + "".join(
    f"""
{kind} tcp://127.0.0.1:$({kind}_hasty_port) {{
    auth dummy
    shutdown_timeout 1ms
    deliver_to dummy
}}
"""
    for kind in KINDS
)


def test_who_has_no_time_is_sent_away_in_its_transaction(tmp_path: Path) -> None:
    """And while the others are, one that has time ends its own."""
    with Server(tmp_path, STOPPING) as server, Client(server, "smtp", "patient") as patient:
        clients = [Client(server, kind, "hasty") for kind in KINDS]
        for client in (*clients, patient):
            client.begin()
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert [client.getreply()[0] for client in clients] == [421] * len(KINDS)
        assert patient.data(message())[0] == 250
        assert patient.getreply()[0] == 421
        stopper.join()
        for client in (*clients, patient):
            client.close()
