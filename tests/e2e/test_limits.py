"""Limits in the real server: who has to wait, and for whom."""

import select
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from posthouse.testing.server import Server

CONFIGURATION = """\
hostname mx.example.test
tls off

limits shared {
    all rate 1000 1h
    all concurrency 1
}

smtp tcp://127.0.0.1:$(one_port) {
    limits &shared
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(other_port) {
    limits &shared
    deliver_to dummy
}

smtp tcp://127.0.0.1:$(own_port) {
    limits {
        all concurrency 1
        ip concurrency 1
        source rate 1000 1h
        source concurrency 1
        destination concurrency 1
    }
    deliver_to dummy
}
"""


class Client(smtplib.SMTP):
    """A client that can leave its RCPT unanswered."""

    def begin(self, sender: str = "ann@example.test") -> None:
        """Send a command for which a slot is needed, and wait for nothing."""
        self.mail(sender)
        self.putcmd("rcpt", "TO:<bob@example.test>")

    @property
    def waits(self) -> bool:
        """The server is awake, and has not answered."""
        assert self.sock is not None
        return not select.select([self.sock], [], [], 0)[0]


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[list[Client]]:
    """Two on one port, one on the other with the same limits, one on a port with its own."""
    with Server(tmp_path, CONFIGURATION) as server, ExitStack() as stack:
        ports = [server.ports[name] for name in ("one", "one", "other", "own")]
        found = [stack.enter_context(Client("127.0.0.1", port)) for port in ports]
        for client in found:
            client.ehlo("client.test")
        yield found


def test_endpoints_share_limits_and_who_leaves_gives_back(clients: list[Client]) -> None:
    first, leaves, other, own = clients
    first.begin()
    assert first.getreply()[0] == 250
    leaves.begin()
    other.begin()
    own.begin()
    assert own.getreply()[0] == 250  # its counters are its own, and nobody waits for those that wait
    assert leaves.waits
    assert other.waits
    leaves.close()
    first.rset()
    assert other.getreply()[0] == 250
    first.begin()
    assert first.waits
    other.close()
    assert first.getreply()[0] == 250
    assert first.data("Subject: x\r\n\r\nHi\r\n")[0] == 250
    first.begin()
    assert first.getreply()[0] == 250


# A scope; a client that sends after one from 127.0.0.1 and example.test; and whether it has to wait.
CASES = [
    ("all", "127.0.0.2", "eve@example.net", True),
    ("ip", "127.0.0.1", "eve@example.net", True),
    ("ip", "127.0.0.2", "ann@example.test", False),
    ("source", "127.0.0.2", "eve@example.test", True),
    ("source", "127.0.0.1", "ann@example.net", False),
    ("destination", "127.0.0.1", "ann@example.test", False),  # nothing is sent to another server
]
LINES = {"concurrency": "concurrency 1", "rate": "rate 1 1h"}
SCOPES = "hostname mx.example.test\ntls off\n" + "".join(
    f"""
smtp tcp://127.0.0.1:$({kind}_{number}_port) {{
    limits {{
        {scope} {line}
    }}
    deliver_to dummy
}}
"""
    for kind, line in LINES.items()
    for number, (scope, *_) in enumerate(CASES)
)


@pytest.fixture(scope="module")
def scopes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("scopes"), SCOPES) as server:
        yield server


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("number", range(len(CASES)))
def test_each_scope_counts_what_it_says(scopes: Server, kind: str, number: int) -> None:
    """Where a rate is spent it does not help that the first message is done."""
    _, ip, sender, waits = CASES[number]
    port = scopes.ports[f"{kind}_{number}"]
    with Client("127.0.0.1", port) as first:
        second = Client("127.0.0.1", port, source_address=(ip, 0))
        for client in (first, second):
            client.ehlo("client.test")
        first.begin()
        assert first.getreply()[0] == 250
        if kind == "rate":
            first.rset()
        second.begin(sender)
        if waits:
            for _ in range(3):
                first.noop()
            assert second.waits
        else:
            assert second.getreply()[0] == 250
        second.close()
