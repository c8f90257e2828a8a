"""The demo from outside: what it prints works, and Ctrl-C ends it."""

import os
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Demo:
    """A running demo, and what it printed on standard output until it was ready."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "posthouse.cli.demo", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert self.process.stdout is not None
        self.welcome = ""
        for line in self.process.stdout:
            self.welcome += line
            if line.startswith("Ctrl-C stops it"):
                return
        raise AssertionError(f"the demo did not start: {self.process.communicate()}")

    def end(self) -> tuple[int, str]:
        """Exit status, and the log."""
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log


@contextmanager
def demo(*words: str) -> Iterator[Demo]:
    running = Demo(*words)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.terminate()
            running.process.communicate(timeout=30)


def commands(welcome: str) -> list[str]:
    """The indented blocks of shell lines."""
    blocks = re.findall(r"(?:^    .*\S\n)+", welcome, re.MULTILINE)
    return [line for block in blocks if "curl" in block or "python3" in block for line in _split(block)]


def _split(block: str) -> list[str]:
    """Two commands in one block are told by where a line begins with `curl` and the one before is complete."""
    joined = re.sub(r"(\\|\|)\n", r"\1\0", block)
    return [part.replace("\0", "\n") for part in joined.splitlines()]


def test_every_line_that_it_prints_works(tmp_path: Path) -> None:
    with demo("--state", str(tmp_path / "demo")) as running:
        shown = []
        for command in commands(running.welcome):
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
            shown.append(done.stdout)
        running.process.send_signal(signal.SIGINT)
        status, log = running.end()
    assert len(shown) == 4
    assert "The first one." in shown[-1]
    assert status == 0
    assert "server stopped" in log
    assert "Traceback" not in log


def test_ctrl_c_in_a_terminal_reaches_the_whole_group_and_stops_it_cleanly(tmp_path: Path) -> None:
    with demo() as running:
        os.killpg(running.process.pid, signal.SIGINT)
        status, log = running.end()
    assert status == 0
    assert "forced" not in log
    directory = re.search(r"configuration (\S+)/posthouse.conf", running.welcome)
    assert directory is not None
    assert not Path(directory[1]).exists()


def test_mail_is_kept_in_a_given_directory(tmp_path: Path) -> None:
    for _ in range(2):
        with demo(f"--state={tmp_path}") as running:
            found = re.search(r"outgoing .* or (\d+) STARTTLS", running.welcome)
            assert found is not None
            with smtplib.SMTP("127.0.0.1", int(found[1])) as client:
                assert client.noop()[0] == 250
    assert (tmp_path / "posthouse.conf").exists()
    assert (tmp_path / "state" / "imapsql.db").exists()


def test_ports_in_use_are_replaced(tmp_path: Path) -> None:
    with demo(f"--state={tmp_path / 'one'}") as first, demo(f"--state={tmp_path / 'two'}") as second:
        assert "is in use, so" in second.welcome
        assert first.process.poll() is None


def test_the_directory_may_have_an_odd_name(tmp_path: Path) -> None:
    with demo("--state", str(tmp_path / 'it\'s "here" #1')) as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.end()[0] == 0
