"""Where log lines go: through a bounded ring to one thread, so that a stalled target delays nobody."""

import os
import sys
import syslog
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

RING_LINES = 20_000  # lines waiting for the thread; further ones are dropped and counted
RING_OCTETS = 16 * 1024 * 1024
GATHER = 0.003  # seconds
PIPE_ATOMIC = 4096  # octets that several processes may write to one pipe without mixing (POSIX PIPE_BUF)

Line = tuple[float, bytes, bool]  # seconds since the epoch, text without LF, whether it is a debug line


class BadLogTarget(ValueError):
    """A log target that cannot be used; the text says why."""


class Target(Protocol):
    def write(self, lines: Sequence[Line]) -> None:
        """Write lines. May block, may raise OSError."""
        ...

    def reopen(self) -> None: ...
    def close(self) -> None: ...


class _Stamp:
    """UTC times as `2006-01-02T15:04:05.000Z `, the seconds formatted once."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, when: float) -> bytes:
        second = int(when)
        if second != self._second:
            self._second, self._text = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return b"%s.%03dZ " % (self._text.encode(), int((when - second) * 1000))


class DescriptorTarget:
    """An open file descriptor: stderr, or a log file."""

    def __init__(self, descriptor: int, *, stamped: bool) -> None:
        self._descriptor = descriptor
        self._stamp = _Stamp() if stamped else None

    def write(self, lines: Sequence[Line]) -> None:
        batch: list[bytes] = []
        size = 0
        for when, text, _ in lines:
            line = (self._stamp(when) if self._stamp else b"") + text + b"\n"
            if size + len(line) > PIPE_ATOMIC and batch:
                _write_all(self._descriptor, b"".join(batch))
                batch, size = [], 0
            batch.append(line)
            size += len(line)
        if batch:
            _write_all(self._descriptor, b"".join(batch))

    def reopen(self) -> None:
        return None

    def close(self) -> None:
        return None


class FileTarget(DescriptorTarget):
    """A log file: appended, created when missing, reopened after rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(self._open(), stamped=True)

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise BadLogTarget(f"cannot open log file {self._path}: {err.strerror}") from err

    def reopen(self) -> None:
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)

    def close(self) -> None:
        os.close(self._descriptor)


class SyslogTarget:
    """The system's log, facility mail."""

    def __init__(self, tag: str) -> None:
        syslog.openlog(tag, syslog.LOG_PID, syslog.LOG_MAIL)

    def write(self, lines: Sequence[Line]) -> None:
        for _, text, debug in lines:
            syslog.syslog(syslog.LOG_DEBUG if debug else syslog.LOG_INFO, text.decode("utf-8", "replace"))

    def reopen(self) -> None:
        return None

    def close(self) -> None:
        syslog.closelog()


def open_targets(names: Sequence[str], directory: Path, tag: str) -> list[Target]:
    """Open what a `log` directive or a `-log` flag names. Raises BadLogTarget.

    directory: what relative paths are relative to.
    """
    if "off" in names and len(names) > 1:
        raise BadLogTarget("'off' can't be combined with other log targets")
    return [_open_target(name, directory, tag) for name in names if name != "off"]


def _open_target(name: str, directory: Path, tag: str) -> Target:
    match name:
        case "":
            raise BadLogTarget("empty log target")
        case "stderr" | "stderr_ts":
            return DescriptorTarget(sys.stderr.fileno(), stamped=name == "stderr_ts")
        case "syslog":
            return SyslogTarget(tag)
        case _:
            return FileTarget(directory / name)


class LogSink:
    """A sink for `core.log.Logger`: takes lines from any thread, never blocks, never raises.

    `flush` waits for what was taken; `close` ends the thread.

    lost: hears how many lines were dropped; None: a line says so.
    gather: seconds that the thread lets lines gather before it writes them.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        lost: Callable[[int], None] | None = None,
        gather: float = GATHER,
    ) -> None:
        self._targets = list(targets)
        self._lost = lost
        self._gather = gather
        self._ring: deque[Line] = deque()
        self._octets = 0
        self._dropped = 0
        self._idle = True
        self._wake = threading.Event()
        self._flushed = threading.Condition()
        self._reopen = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __call__(self, line: bytes, debug: bool) -> None:
        if len(self._ring) >= RING_LINES or self._octets >= RING_OCTETS:
            self._dropped += 1
            return
        self._ring.append((time.time(), line, debug))
        self._octets += len(line)
        if self._idle:
            self._idle = False
            self._wake.set()

    def reopen(self) -> None:
        """Open log files anew, after rotation (USR1)."""
        self._reopen = True
        self._wake.set()

    def replace(self, targets: Sequence[Target]) -> None:
        """Write to other targets from now on."""
        self.flush()
        old, self._targets = self._targets, list(targets)
        for target in old:
            target.close()

    def flush(self, timeout: float = 2.0) -> None:
        """Wait until everything was written, at most `timeout` seconds."""
        with self._flushed:
            self._wake.set()
            self._flushed.wait_for(lambda: self._idle and not self._ring, timeout)

    def close(self) -> None:
        self.flush()
        self._closing = True
        self._wake.set()
        self._thread.join(timeout=1.0)

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            if self._reopen:
                self._reopen = False
                self._each(lambda target: target.reopen())
            time.sleep(self._gather)
            self._write_out()
        self._each(lambda target: target.close())

    def _write_out(self) -> None:
        while self._ring:
            lines = [self._ring.popleft() for _ in range(len(self._ring))]
            self._octets = 0  # about: the loop may have added a line meanwhile
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                if self._lost is not None:
                    self._lost(dropped)
                else:
                    lines.append((time.time(), b'log lines dropped\t{"count":%d}' % dropped, False))
            self._each(lambda target, lines=lines: target.write(lines))
        self._idle = True
        if self._ring:  # came between the last look and `idle`
            self._wake.set()
        with self._flushed:
            self._flushed.notify_all()

    def _each(self, action: "_Action") -> None:
        for target in self._targets:
            try:
                action(target)
            except (OSError, BadLogTarget):
                self._dropped += 1  # a full or broken log never stops mail


class _Action(Protocol):
    def __call__(self, target: Target) -> None: ...


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
