"""The real program as a child process, for tests from outside.

    def test_something(tmp_path: Path) -> None:
        with Server(tmp_path, SMALL) as server:
            server.command("creds", "create", "-p", "secret", "ann@example.test")
            smtplib.SMTP("127.0.0.1", server.ports["smtp"]).noop()

A configuration asks for a free port with a macro: `smtp tcp://127.0.0.1:$(smtp_port) { ... }`. The directories lie below
the given one, so that the same server can be stopped, killed and started again.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

START_TIMEOUT = 30.0  # seconds; it takes far less, but the machine may be busy
STOP_TIMEOUT = 30.0
COMMAND_TIMEOUT = 60.0
PORT = re.compile(r"\$\((\w+)_port\)")

SMALL = """\
hostname mx.example.test
tls self_signed

auth.pass_table local_authdb {
    table sql_table {
        driver sqlite3
        dsn credentials.db
        table_name passwords
    }
}

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

smtp tcp://127.0.0.1:$(smtp_port) {
    destination example.test {
        deliver_to &local_mailboxes
    }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
}

submission tcp://127.0.0.1:$(submission_port) tls://127.0.0.1:$(submissions_port) {
    auth &local_authdb
    destination example.test {
        deliver_to &local_mailboxes
    }
    default_destination {
        reject 550 5.7.1 "No relaying"
    }
}

imap tcp://127.0.0.1:$(imap_port) tls://127.0.0.1:$(imaps_port) {
    auth &local_authdb
    storage &local_mailboxes
}
"""

# The same, where passwords may also go over connections without TLS.
CLEARTEXT = SMALL.replace("    auth &local_authdb\n", "    auth &local_authdb\n    insecure_auth yes\n")


class NotStarted(Exception):
    """The server ended before it said `server started`; the text is what it said instead."""


class Server:
    """A server with one configuration. As a context it starts, and at the end it must stop with exit status 0.

    ports: the port for each `$(NAME_port)` of the configuration, by NAME; the same for the life of the object.
    lines: what the server wrote on standard error so far, over all its starts.
    """

    def __init__(
        self, directory: Path, configuration: str, *, flags: Sequence[str] = (), log: str = "stderr"
    ) -> None:
        """flags: global flags, `-debug.*` among them."""
        self.ports = _free_ports(dict.fromkeys(PORT.findall(configuration)))
        self.lines: list[str] = []
        self.config = directory / "posthouse.conf"
        self.state = directory / "state"
        self._flags = flags
        self._log = log
        self._heard = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        macros = "".join(f"$({name}_port) = {port}\n" for name, port in self.ports.items())
        directories = f"state_dir {self.state}\nruntime_dir {directory / 'run'}\n"
        self.config.write_text(f"{macros}{directories}{configuration}")

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def workers(self) -> list[int]:
        """The process ids of the supervisor's children."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    def start(self) -> None:
        """Start, and wait until it is ready. Raises NotStarted."""
        at = len(self.lines)
        self._process = subprocess.Popen(
            [*self._program(), "run", "-log", self._log],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            process_group=0,  # Ctrl-C in the terminal is for the tests
        )
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        try:
            self.wait_for("server started\t", at, timeout=START_TIMEOUT)
        except TimeoutError:
            self.kill()
            raise NotStarted("\n".join(self.lines[at:])) from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and wait until it has; gives the exit status."""
        assert self._process is not None, "the server was not started"
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for it to end by itself; gives the exit status."""
        assert self._process is not None, "the server was not started"
        try:
            return self._process.wait(STOP_TIMEOUT)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill supervisor and workers at once, as a power cut would."""
        assert self._process is not None, "the server was not started"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._closed()

    def fields_of(self, text: str) -> dict[str, object]:
        """The fields of the first line with this text. Raises TimeoutError when it does not come."""
        fields = json.loads(self.wait_for(text).partition("\t")[2])
        assert isinstance(fields, dict)
        return fields

    def wait_for(self, text: str, at: int = 0, *, timeout: float = STOP_TIMEOUT) -> str:
        """The first line from `lines[at]` on with this text in it, also if it is yet to come.

        Raises TimeoutError when it does not come, or cannot come any more.
        """
        deadline = time.monotonic() + timeout
        with self._heard:
            while True:
                for line in self.lines[at:]:
                    if text in line:
                        return line
                if not self._heard.wait(deadline - time.monotonic()) or not self.is_running:
                    raise TimeoutError(f"{text!r} was not said, but:\n" + "\n".join(self.lines[at:]))

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def command(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """A command of the program, on the same configuration: `command("creds", "list")`."""
        return subprocess.run(
            [*self._program(), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            check=False,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:  # the test has ended it
            return
        status = self.stop()
        if error is None:
            log = "\n".join(self.lines)
            assert status == 0, f"exit status {status}:\n{log}"
            assert "Traceback" not in log, log

    def _program(self) -> list[str]:
        call = "from posthouse.cli.main import main_debug; main_debug()"
        return [sys.executable, "-c", call, "-config", str(self.config), *self._flags]

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        for line in process.stderr:
            with self._heard:
                self.lines.append(line.rstrip("\n"))
                self._heard.notify_all()
        process.wait()
        with self._heard:
            self._heard.notify_all()

    def _closed(self) -> None:
        """Everything it said is read."""
        assert self._process is not None
        assert self._reader is not None
        assert self._process.stderr is not None
        self._reader.join(STOP_TIMEOUT)
        self._process.stderr.close()
        self._process = None


def _free_ports(names: "dict[str, None]") -> dict[str, int]:
    """Different ports of 127.0.0.1 that nobody listens on now."""
    sockets = [socket.socket() for _ in names]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return dict(zip(names, (one.getsockname()[1] for one in sockets), strict=True))
    finally:
        for one in sockets:
            one.close()
