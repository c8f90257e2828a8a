"""Clients that begin TLS and never finish it, against the real server: others are served (R-170, R-172)."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from posthouse.testing.server import Server
from posthouse.testing.smtp import unverified

CONFIGURATION = """\
hostname mx.example.test
tls self_signed

smtp tls://127.0.0.1:$(smtp_port) tcp://127.0.0.1:$(starttls_port) {
    max_connections_per_ip 2
    deliver_to dummy
}

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

imap tls://127.0.0.1:$(imap_port) {
    auth dummy
    storage &local_mailboxes
    max_connections 3
    max_connections_per_ip 2
}
"""
PATIENCE = 20.0  # seconds: only ever reached by a failing test
CLIENT_HELLO = b"\x16\x03\x01\x02\x00"  # the head of its record


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("handshakes"), CONFIGURATION) as running:
        yield running


class Clients(ExitStack):
    """From addresses of this machine; at the end all leave."""

    def connect(self, port: int, ip: str) -> socket.socket:
        return self.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE, (ip, 0)))

    def attack(self, port: int, ip: str = "127.0.0.1") -> None:
        """Begin more handshakes than a client may; those too many are closed."""
        two = [self.begin(port, ip) for _ in range(2)]
        assert is_closed(self.begin(port, ip))
        assert [still_open(peer) for peer in two] == [True, True]

    def begin(self, port: int, ip: str) -> socket.socket:
        peer = self.connect(port, ip)
        peer.sendall(CLIENT_HELLO)
        return peer

    def greeting(self, port: int, ip: str) -> bytes:
        """What a client hears that finishes its handshake."""
        return self.enter_context(unverified().wrap_socket(self.connect(port, ip))).recv(100)


def is_closed(peer: socket.socket) -> bool:
    try:
        return peer.recv(100) == b""
    except ConnectionResetError:
        return True


def still_open(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return bool(peer.recv(100))
    except BlockingIOError:
        return True


@pytest.mark.parametrize(("port", "greeting"), [("smtp", b"220 "), ("imap", b"* OK ")])
def test_R_172_who_finishes_no_handshake_keeps_nobody_out(server: Server, port: str, greeting: bytes) -> None:
    with Clients() as clients:
        clients.attack(server.ports[port])
        assert clients.greeting(server.ports[port], "127.0.0.2").startswith(greeting)
        with pytest.raises(OSError):
            clients.greeting(server.ports[port], "127.0.0.1")


def test_R_172_handshakes_after_starttls_count_as_the_sessions_that_they_are(server: Server) -> None:
    port = server.ports["starttls"]
    with Clients() as clients:
        for _ in range(2):
            peer = clients.connect(port, "127.0.0.1")
            peer.sendall(b"EHLO a\r\nSTARTTLS\r\n")
            heard = b""
            while b"220 2.0.0 Ready to start TLS\r\n" not in heard:
                heard += peer.recv(4096)
            peer.sendall(CLIENT_HELLO)
        assert clients.connect(port, "127.0.0.1").recv(100).startswith(b"421 4.7.0 ")
        assert clients.connect(port, "127.0.0.2").recv(100).startswith(b"220 ")


def test_R_172_sessions_of_imap_are_bounded(server: Server) -> None:
    port, too_many = server.ports["imap"], b"* BYE Too many connections, try again later\r\n"
    with Clients() as clients:
        heard = [
            clients.greeting(port, ip)
            for ip in ("127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.3")
        ]
    assert [greeting == too_many for greeting in heard] == [False, False, True, False, True]
