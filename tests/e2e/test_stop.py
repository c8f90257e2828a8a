"""R-018: stopping in order, in bounded time, losing nothing that was acknowledged."""

import asyncio
import imaplib
import os
import signal
import smtplib
import socket
import time
from pathlib import Path

from posthouse.testing.ledger import Ledger, deliver, held
from posthouse.testing.server import CLEARTEXT, Server

USER, PASSWORD = "ann@example.test", "secret"


def with_user(server: Server) -> Server:
    assert server.command("creds", "create", "-p", PASSWORD, USER).returncode == 0
    assert server.command("imap-acct", "create", USER).returncode == 0
    return server


def test_R_018_sigterm_under_load_loses_nothing_acknowledged(tmp_path: Path) -> None:
    server = with_user(Server(tmp_path, CLEARTEXT))
    ledger = Ledger()

    async def load_and_stop() -> int:
        load = [asyncio.create_task(deliver(server.ports["smtp"], ledger, USER)) for _ in range(10)]
        while len(ledger.acknowledged) < 50:
            await asyncio.sleep(0.01)
        status = await asyncio.to_thread(server.stop)
        await asyncio.wait(load, timeout=10)
        return status

    with server:
        began = time.monotonic()
        assert asyncio.run(load_and_stop()) == 0
        assert time.monotonic() - began < 20
    with server:
        ledger.check(held(server.ports["imap"], USER, PASSWORD))


def test_R_018_idle_sessions_are_told_and_a_transaction_may_end(tmp_path: Path) -> None:
    server = with_user(Server(tmp_path, CLEARTEXT))
    with server:
        idle = socket.create_connection(("127.0.0.1", server.ports["smtp"]))
        idle.recv(100)
        mailbox = imaplib.IMAP4("127.0.0.1", server.ports["imap"])
        mailbox.login(USER, PASSWORD)
        busy = smtplib.SMTP("127.0.0.1", server.ports["smtp"])
        busy.ehlo()
        busy.mail("bob@example.net")
        busy.rcpt(USER)
        os.kill(server.pid, signal.SIGTERM)
        assert idle.recv(100) == b"421 4.3.2 Server shutting down\r\n"
        assert idle.recv(100) == b""
        assert mailbox.readline().startswith(b"* BYE ")
        code, _ = busy.data(b"Subject: in time\r\n\r\nhello\r\n")
        assert code == 250
        assert server.wait() == 0
        idle.close()
        mailbox.shutdown()
        busy.close()
    with server, imaplib.IMAP4("127.0.0.1", server.ports["imap"]) as client:
        client.login(USER, PASSWORD)
        assert client.select()[1] == [b"1"]


def test_a_second_signal_forces_the_end(tmp_path: Path) -> None:
    with with_user(Server(tmp_path, CLEARTEXT)) as server:
        busy = smtplib.SMTP("127.0.0.1", server.ports["smtp"])
        busy.ehlo()
        busy.mail("bob@example.net")
        busy.rcpt(USER)  # a transaction: the first signal waits for it
        os.kill(server.pid, signal.SIGTERM)
        server.wait_for("server stopping...")
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 1
        assert any(line.startswith("forced shutdown due to signal") for line in server.lines)
        busy.close()


def test_a_server_without_sessions_stops_at_once(tmp_path: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        server = Server(tmp_path, CLEARTEXT)
        server.start()
        began = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - began < 4
        assert server.lines[-1].startswith("server stopped")
