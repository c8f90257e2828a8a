"""The fixture that runs the real program."""

import signal
import socket
from pathlib import Path

import pytest

from posthouse.testing.server import SMALL, NotStarted, Server


def test_a_started_server_listens_and_stops_with_0(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    server.start()
    for port in server.ports.values():
        socket.create_connection(("127.0.0.1", port)).close()
    assert len(server.workers()) == 1
    assert server.stop(signal.SIGINT) == 0
    assert not server.is_running
    assert server.lines[-1].startswith("server stopped\t")


def test_a_killed_server_starts_again_on_its_ports(tmp_path: Path) -> None:
    with Server(tmp_path, SMALL) as server:
        server.kill()
        server.start()
        socket.create_connection(("127.0.0.1", server.ports["imap"])).close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(NotStarted, match="unexpected directive: bogus"):
        Server(tmp_path, SMALL.replace("driver sqlite3", "bogus sqlite3", 1)).start()
