"""The file of `trace_file`: a JSON array of trace events, whole after each write, private, opened anew after rotation."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from posthouse.core.log import Logger
from posthouse.core.logsink import BadLogTarget, Line, LogSink

FILE_MAX: Final = 1024 * 1024 * 1024  # octets; a trace that is forgotten shall not take the disk from mail
GATHER: Final = 0.1  # seconds: few writes cost little, and nobody reads a trace while it is written
TELL_AGAIN: Final = 60.0  # seconds between log lines about events that were dropped
_TAIL: Final = (
    65_536  # octets at the end of a file in which the last whole event is looked for; far more than one has
)
_BEGIN: Final = b"[\n"
_BETWEEN: Final = b",\n"
_END: Final = b"\n]\n"


class SpanSink:
    """Takes events from any thread, and writes them to a file from one of its own: it never blocks, and raises nothing.

    Made by opening the file: raises BadLogTarget.
    """

    def __init__(self, path: Path, log: Logger) -> None:
        self._losses = Losses(log)
        self._sink = LogSink([SpanFile(path, self._losses.add)], lost=self._too_many, gather=GATHER)

    def __call__(self, event: bytes) -> None:
        self._sink(event, False)

    def reopen(self) -> None:
        self._sink.reopen()

    def close(self) -> None:
        self._sink.close()
        self._losses.tell()

    def _too_many(self, count: int) -> None:
        self._losses.add(count, "more than the disk takes")


class Losses:
    """Events that were dropped: counted, and logged at once, then once in a while."""

    def __init__(self, log: Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._count = 0
        self._reason = ""
        self._told = -TELL_AGAIN

    def add(self, count: int, reason: str) -> None:
        self._count += count
        self._reason = reason
        if self._clock() - self._told >= TELL_AGAIN:
            self.tell()

    def tell(self) -> None:
        """Log what was not told yet."""
        if self._reason:
            self._told = self._clock()
            self._log.info("trace events dropped", count=self._count, reason=self._reason)
            self._count, self._reason = 0, ""


class SpanFile:
    """See logsink.Target. Several processes may write to the same file: each does so under a lock.

    lost: hears how many events were not written, and why.
    """

    def __init__(self, path: Path, lost: Callable[[int, str], None]) -> None:
        self._path = path
        self._lost = lost
        self._head: Sequence[bytes] = ()  # to be written before the next event
        self._descriptor = self._open()

    def write(self, lines: Sequence[Line]) -> None:
        events = [text for _, text, _ in lines]
        try:
            _append(self._descriptor, [*self._head, *events])
        except OSError as err:
            self._lost(len(events), err.strerror or str(err))
        else:
            self._head = ()

    def reopen(self) -> None:
        """Go on in a new file; in the old one if that cannot be had."""
        try:
            old, self._descriptor = self._descriptor, self._open()
        except BadLogTarget as err:
            self._lost(0, str(err))
        else:
            os.close(old)

    def close(self) -> None:
        os.close(self._descriptor)

    def _open(self) -> int:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as err:
            raise BadLogTarget(f"cannot open trace file {self._path}: {err.strerror}") from err
        try:
            _take(descriptor)
        except (OSError, ValueError) as err:
            os.close(descriptor)
            raise BadLogTarget(f"cannot use trace file {self._path}: {err}") from err
        self._head = _head()
        return descriptor


def _head() -> tuple[bytes, ...]:
    """What each process writes first: who it is, and what time the monotonic clock of its spans counts from."""
    begun = {"pid": os.getpid(), "tid": 0}
    now, utc = time.monotonic_ns() / 1000, datetime.now(UTC).isoformat()
    name = {"name": "process_name", "ph": "M", "args": {"name": "posthouse"}}
    clock = {"name": "clock", "ph": "i", "s": "p", "ts": now, "args": {"utc": utc}}
    return msgspec.json.encode(begun | name), msgspec.json.encode(begun | clock)


def _take(descriptor: int) -> None:
    """Make a file ready to be written to. Raises ValueError for one that is something else, and OSError."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise ValueError("it is no regular file")
    with _locked(descriptor):
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, len(_BEGIN), 0) != _BEGIN:
            raise ValueError("there is something else in it; name another file")
        os.fchmod(descriptor, 0o600)
        if size:
            _mend(descriptor, size)


def _mend(descriptor: int, size: int) -> None:
    """Take off what a crash has left half written."""
    start = max(size - _TAIL, 0)
    tail = os.pread(descriptor, size - start, start)
    if not tail.endswith(_END):
        whole = tail.rfind(_BETWEEN)
        os.ftruncate(descriptor, start + whole if whole >= 0 else 0)
        if whole >= 0:
            _write_at(descriptor, _END, start + whole)


def _append(descriptor: int, events: Sequence[bytes]) -> None:
    """Write events in place of the end of the array, and that after them. Raises OSError; then the file is as before."""
    with _locked(descriptor):
        size = os.fstat(descriptor).st_size
        at = size - len(_END) if size else 0
        data = (_BETWEEN if size else _BEGIN) + _BETWEEN.join(events) + _END
        if at + len(data) > FILE_MAX:
            raise OSError(errno.EFBIG, f"the file has its {FILE_MAX} octets")
        try:
            _write_at(descriptor, data, at)
        except OSError:
            if size:
                _write_at(descriptor, _END, at)
            os.ftruncate(descriptor, size)
            raise


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _write_at(descriptor: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written
