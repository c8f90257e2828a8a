"""Starting: what is in the way is named, and nothing is left behind."""

import os
import select
import signal
import socket
from pathlib import Path

import pytest

from posthouse.testing.server import SMALL, NotStarted, Server

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")


def test_a_port_in_use_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    with socket.create_server(("127.0.0.1", server.ports["imap"])), pytest.raises(NotStarted) as told:
        server.start()
    address = f"tcp://127.0.0.1:{server.ports['imap']}"
    assert f"Error: cannot listen on {address}: address already in use" in str(told.value)
    with server:  # the port is free now, and no lock is held
        pass


def test_R_017_a_second_server_on_the_same_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Server(tmp_path, SMALL) as server:
        second = Server(tmp_path / "other", SMALL)
        text = second.config.read_text().replace(str(second.state), str(server.state))
        second.config.write_text(text)
        with pytest.raises(NotStarted, match=rf"another server already runs on .* \(process {server.pid}\)"):
            second.start()
        with socket.create_connection(("127.0.0.1", server.ports["smtp"])) as peer:
            assert peer.recv(4) == b"220 "


def test_R_017_a_killed_server_starts_again(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    server.start()
    server.kill()
    with server:
        pass


def test_a_state_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    server.state.write_text("a file is in the way")
    with pytest.raises(NotStarted, match=rf"Error: cannot write in state_dir {server.state}: .*state_dir"):
        server.start()
    assert server.state.read_text() == "a file is in the way"


@needs_root
def test_a_state_directory_without_permission_is_named(tmp_path: Path) -> None:
    """As root everything is permitted, so the directory is one where not even root may write."""
    server = Server(tmp_path, SMALL)
    server.config.write_text(server.config.read_text().replace(str(server.state), "/proc/posthouse"))
    with pytest.raises(
        NotStarted, match="Error: cannot write in state_dir /proc/posthouse: no such file or directory"
    ):
        server.start()


def test_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    configuration = SMALL.replace("tls self_signed", f"tls file {missing} {missing}")
    with pytest.raises(NotStarted, match=rf"Error: .*posthouse.conf:\d+: .*{missing}"):
        Server(tmp_path, configuration).start()


def test_a_mistake_in_the_configuration_ends_the_start_with_its_line(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL + "imap tcp://127.0.0.1:$(other_port) {\n  storge &local_mailboxes\n}\n")
    with pytest.raises(NotStarted, match=r"posthouse.conf:\d+: unexpected directive: storge") as told:
        server.start()
    assert "did you mean storage" in str(told.value)
    assert not server.state.exists()


def test_R_012_a_damaged_database_is_not_started_on(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    with server:
        server.command("imap-acct", "create", "ann@example.test")
    database = server.state / "imapsql.db"
    octets = bytearray(database.read_bytes())
    octets[100:4096] = os.urandom(3996)
    database.write_bytes(octets)
    with pytest.raises(NotStarted, match=r"imapsql\.db"):
        server.start()
    assert database.read_bytes() == octets


def test_log_files_are_written_and_reopened_after_rotation(tmp_path: Path) -> None:
    server = Server(tmp_path, "log stderr mail.log\n" + SMALL)
    with server:
        log = server.state / "mail.log"
        log.rename(server.state / "mail.log.1")
        os.kill(server.pid, signal.SIGUSR1)
        while not log.exists():
            socket.create_connection(("127.0.0.1", server.ports["smtp"])).close()
    assert "configuration loaded" in (server.state / "mail.log.1").read_text()
    assert "server stopped" in log.read_text()


def test_a_worker_that_dies_is_replaced_and_mail_goes_on(tmp_path: Path) -> None:
    with Server(tmp_path, SMALL) as server:
        [worker] = server.workers()
        at = len(server.lines)
        os.kill(worker, signal.SIGKILL)
        server.wait_for("worker started", at)
        assert server.workers() != [worker]
        with socket.create_connection(("127.0.0.1", server.ports["smtp"])) as peer:
            assert peer.recv(4) == b"220 "


def test_five_deaths_in_a_minute_end_the_server_with_the_reason(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    server.start()
    for death in range(5):
        at = len(server.lines)
        os.kill(server.workers()[0], signal.SIGKILL)
        if death < 4:
            server.wait_for("worker started", at)
    assert server.wait() == 1
    assert any(
        "Error: 5 workers died within 60 s, the last by signal SIGKILL" in line for line in server.lines
    )


def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    server = Server(tmp_path, SMALL)
    server.start()
    [worker] = server.workers()
    os.kill(server.pid, signal.SIGKILL)
    descriptor = os.pidfd_open(worker)
    try:
        assert select.select([descriptor], [], [], 20)[0], "the worker went on without its supervisor"
    finally:
        os.close(descriptor)
        server.kill()
