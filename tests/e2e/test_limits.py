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
