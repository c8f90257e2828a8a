"""R-004: a trace of the system calls shows both flushes before each 250."""

import os
import re
import shutil
import smtplib
import subprocess
from pathlib import Path

import pytest

from posthouse.testing.server import SMALL, Server

USER = "ann@example.test"
CALL = re.compile(r"^\d+ +(\w+)\((\d+)<?([^>,)]*)>?(.*)$")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to trace another process")
def test_R_004_bodies_then_rows_are_flushed_before_each_250(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    server = Server(tmp_path, SMALL)
    assert server.command("imap-acct", "create", USER).returncode == 0
    with server:
        command = ["strace", "-f", "-y", "-s", "60", "-o", str(trace), "-p", str(server.workers()[0])]
        command += ["-e", "trace=fdatasync,fsync,pwritev,pwritev2,pwrite64,sendto,sendmsg,write,writev"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            while "attached" not in tracer.stderr.readline():
                assert tracer.poll() is None, "strace cannot trace here"
            with smtplib.SMTP("127.0.0.1", server.ports["smtp"]) as client:
                for number in range(4):  # the first one makes a segment
                    client.sendmail("bob@example.net", USER, f"Subject: {number}\r\n\r\nhello\r\n")
            tracer.terminate()
    assert _flushes_before_each_reply(trace.read_text())[1:] == [["body", "blobs", "wal"]] * 3


def _flushes_before_each_reply(trace: str) -> list[list[str]]:
    """What was written and flushed for each message, in order, up to the reply that takes it."""
    seen: list[str] = []
    replies: list[list[str]] = []
    for line in trace.splitlines():
        call = CALL.match(line)
        if call is None:
            continue
        name, _, path, rest = call.groups()
        if ".blobs/" in path and name.startswith("pwritev"):
            seen.append("body")
        elif "sync" in name and ".blobs/" in path:
            seen.append("blobs")
        elif "sync" in name and path.endswith("-wal"):
            seen.append("wal")
        elif "250 2.0.0 OK: queued" in rest:
            replies.append(seen)
            seen = []
    return replies
