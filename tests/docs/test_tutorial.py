"""The tutorial is typed into a shell as it stands, but for its ports and its home directory."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorials" / "first-server.md"
PORTS = ("2525", "2587", "2143")
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("curl", "openssl"))), reason="curl and openssl are not installed"
)


class Shell:
    """Runs blocks of the tutorial, one after the other, with the variables that they export."""

    def __init__(self, home: Path) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.environment = {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}

    def run(self, block: str) -> str:
        """What a block prints on both outputs; it must end with 0."""
        done = subprocess.run(
            ["bash", "-ec", f"{block}\nenv -0 > $HOME/environment"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}"
        exported = Path(self.environment["HOME"], "environment").read_text().split("\0")
        self.environment |= dict(line.split("=", 1) for line in exported if line)
        return done.stdout


@pytest.fixture
def blocks(tmp_path: Path) -> list[tuple[str, str]]:
    """The tutorial's code, as (language, text), on free ports and in a home directory for tests."""
    free: dict[str, str] = {}
    with ExitStack() as stack:
        for port in PORTS:
            taken = stack.enter_context(socket.socket())
            taken.bind(("127.0.0.1", 0))
            free[port] = str(taken.getsockname()[1])
    text = re.sub(rf"\b({'|'.join(PORTS)})\b", lambda found: free[found[0]], TUTORIAL.read_text())
    return BLOCK.findall(text.replace("/home/ann", str(tmp_path)))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def server(shell: Shell) -> Iterator[list["subprocess.Popen[str]"]]:
    """Servers that the test started; they are stopped, and must end with 0."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for one in started:
        one.terminate()
        one.communicate(timeout=30)
        assert one.returncode == 0


def start(shell: Shell, command: str) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"], env=shell.environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert any(line.startswith("server started\t") for line in process.stderr)
    return process


def test_the_tutorial_works(
    blocks: list[tuple[str, str]], shell: Shell, server: list["subprocess.Popen[str]"], tmp_path: Path
) -> None:
    printed = ""
    for language, block in blocks:
        if not language:
            (tmp_path / "mail" / "posthouse.conf").write_text(block)
        elif block.strip() == "posthouse run":
            server.append(start(shell, block))
        elif not block.startswith("make setup"):
            printed += shell.run(block)
    assert "No errors detected" in printed
    assert "ann@example.test\n" in printed  # the list of accounts
    assert 'ENVELOPE (NIL "Hello"' in printed
    assert "The first one." in printed
