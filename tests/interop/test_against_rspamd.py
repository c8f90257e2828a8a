"""check.rspamd and the real rspamd, between the real server and a client."""

import shutil
import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from posthouse.testing.server import SMALL, Server

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
START_MAX = 60.0  # seconds: it reads a list of public suffixes and trains on languages first

CONFIGURATION = """\
options {{
    pidfile = "{base}/rspamd.pid";
    cache_file = "{base}/cache";
    filters = "";
    dns {{ nameserver = ["127.0.0.1:{nowhere}"]; timeout = 0.1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "error"; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
metric {{ name = default; actions {{ reject = 15; add_header = 6; greylist = 4; }} }}
lua = "{base}/rules.lua"
"""
RULES = """\
rspamd_config.SUSPECT = {
    callback = function(task) return task:get_subject() == "suspect" end,
    score = 8.0
}
rspamd_config.KNOWS_CLIENT = {
    callback = function(task)
        return task:get_subject() == "client" and tostring(task:get_from_ip()) == "127.0.0.1"
            and task:get_helo() == "client.example.net"
            and task:get_from("smtp")[1].addr == "bob@example.net"
            and task:get_recipients("smtp")[1].addr == "ann@example.test"
    end,
    score = 20.0
}
"""


@pytest.fixture(scope="module")
def rspamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running rspamd with two rules of its own."""
    program = shutil.which("rspamd")
    if program is None:
        pytest.skip("rspamd is not installed (Debian package rspamd)")
    base = tmp_path_factory.mktemp("rspamd")
    port = free_port()
    (base / "rules.lua").write_text(RULES)
    (base / "rspamd.conf").write_text(CONFIGURATION.format(base=base, port=port, nowhere=free_port()))
    process = subprocess.Popen(
        [program, "-i", "-f", "-c", base / "rspamd.conf"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_MAX
    ping = ["curl", "-s", "--max-time", "2", f"http://127.0.0.1:{port}/ping"]
    while subprocess.run(ping, capture_output=True, check=False).stdout.strip() != b"pong":
        assert time.monotonic() < deadline, "rspamd does not start"
        time.sleep(0.1)  # it does not say when it is ready


@pytest.fixture(scope="module")
def server(rspamd: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    check = f"    check {{\n        rspamd http://127.0.0.1:{rspamd}\n    }}\n"
    text = SMALL.replace("    deliver_to", f"{check}    deliver_to", 1)
    with Server(tmp_path_factory.mktemp("server"), text) as running:
        running.command("imap-acct", "create", "ann@example.test")
        yield running


def send(server: Server, subject: str, body: str) -> tuple[int, str]:
    message = f"From: bob@example.net\r\nTo: ann@example.test\r\nSubject: {subject}\r\n\r\n{body}\r\n"
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], "client.example.net") as client:
        client.ehlo_or_helo_if_needed()
        client.mail("bob@example.net")
        client.rcpt("ann@example.test")
        code, text = client.data(message)
        return code, text.decode()


def mailboxes(server: Server) -> dict[str, str]:
    """What lies in each mailbox, as `imap-msgs` shows it."""
    return {
        name: server.command("imap-msgs", "dump", "ann@example.test", name, "1:*").stdout
        for name in ("INBOX", "Junk")
    }


def test_good_mail_passes(server: Server) -> None:
    assert send(server, "good", "Nothing to see here.")[0] == 250
    assert "Subject: good" in mailboxes(server)["INBOX"]


def test_what_rspamd_rejects_is_refused(server: Server) -> None:
    code, text = send(server, "spam", GTUBE)
    assert code == 550
    assert text.startswith("5.7.0 Message rejected due to local policy (msg ID = ")


def test_what_rspamd_marks_goes_to_junk_with_its_score(server: Server) -> None:
    assert send(server, "suspect", "Buy now.")[0] == 250
    junk = mailboxes(server)["Junk"]
    assert "X-Spam-Flag: Yes" in junk
    assert "X-Spam-Score: 8.00" in junk


def test_rspamd_knows_the_envelope_and_the_client(server: Server) -> None:
    assert send(server, "client", "Who am I?")[0] == 550
