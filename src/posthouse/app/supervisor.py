"""The supervisor: signals, listening sockets, workers and the bus between them (design §2).

It stays small: it never reads the configuration, opens no database and imports no module.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from posthouse import __version__
from posthouse.app import messages
from posthouse.app.messages import Begin, Failed, Granted, Message, Publish, Ready, Rotate, Stop, Wanted
from posthouse.app.options import Options
from posthouse.core.directories import DirectoryError, DirectoryLock, ensure_directory
from posthouse.core.log import Logger
from posthouse.core.logsink import BadLogTarget, LogSink, open_targets
from posthouse.net.channel import Channel, pair
from posthouse.net.listener import ListenAddress, ListenError, bind, inherited_sockets, is_bound_to
from posthouse.net.notify import notify

WORKERS = 1
DEATHS_MAX = 5  # deaths of workers within DEATHS_WITHIN seconds end the server
DEATHS_WITHIN = 60.0
STOP_TIMEOUT = 200.0  # seconds: longer than any worker takes for its sessions; then it is killed
DOOR_LINE_MAX = 4096  # octets of one line that comes through a door of the bus


class StartError(Exception):
    """The server cannot start; the text is for the operator."""


class Worker:
    """A child process and the channel to it."""

    def __init__(self, owner: "Supervisor", index: int, *, is_first: bool) -> None:
        ours, theirs = pair()
        command = [sys.executable, "-m", "posthouse.app.worker", str(theirs.fileno())]
        self.process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._owner = owner
        self.index = index
        self.is_first = is_first
        self.is_ready = False
        self.channel = Channel(ours, self._received, self._gone)

    def send(self, message: Message, descriptors: Sequence[int] = ()) -> None:
        self.channel.send(messages.encode(message), descriptors)

    def _received(self, raw: bytes, descriptors: list[int]) -> None:
        self._owner.heard(self, messages.decode(raw), descriptors)

    def _gone(self) -> None:
        self._owner.worker_gone(self)


class Supervisor:
    """One run of the server."""

    def __init__(self, options: Options, log: Logger, sink: LogSink) -> None:
        self._options = options
        self._sink = sink
        self._log = log
        self._workers: list[Worker] = []
        self._sockets: dict[str, socket.socket] = {}
        self._inherited = list(inherited_sockets(os.environ))
        self._doors: list[asyncio.Server] = []
        self._door_paths: list[str] = []
        self._lock: DirectoryLock | None = None
        self._snapshot: int | None = None  # descriptor of the configuration as the first worker read it
        self._deaths: deque[float] = deque(maxlen=DEATHS_MAX)
        self._stopping = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._background: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Run until stopped; gives the exit code. Raises StartError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop_signal, number)
        loop.add_signal_handler(signal.SIGUSR1, self._rotate)
        loop.add_signal_handler(signal.SIGUSR2, self._refuse_reload)
        self._spawn(0, is_first=True)
        try:
            return await self._ended
        finally:
            self._close()

    # --- workers

    def _spawn(self, index: int, *, is_first: bool) -> None:
        worker = Worker(self, index, is_first=is_first)
        self._workers.append(worker)
        snapshot = () if self._snapshot is None else (self._snapshot,)
        worker.send(Begin(self._options, index, is_first, is_alone=WORKERS == 1), snapshot)

    def heard(self, worker: Worker, message: Message, descriptors: list[int]) -> None:
        """A worker said something."""
        match message:
            case Wanted():
                self._grant(worker, message, descriptors)
            case Ready():
                self._ready(worker)
            case Failed(text):
                self._fail(text)
            case Publish():
                self.publish(message, origin=worker)
            case _:
                raise AssertionError(f"a worker does not say {type(message).__name__}")

    def worker_gone(self, worker: Worker) -> None:
        """A worker's end of the channel is closed: it ends, or was killed."""
        self._workers.remove(worker)
        self._task(self._bury(worker))

    async def _bury(self, worker: Worker) -> None:
        code = await asyncio.to_thread(worker.process.wait)
        if self._stopping:
            if not self._workers:
                self._end(0)
            return
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._log.info("worker died", worker=worker.index, pid=worker.process.pid, reason=how)
        now = asyncio.get_running_loop().time()
        self._deaths.append(now)
        if not worker.is_ready and self._snapshot is None:
            self._fail(f"the worker ended before the server was started: {how}")
        elif len(self._deaths) == DEATHS_MAX and now - self._deaths[0] < DEATHS_WITHIN:
            self._fail(f"{DEATHS_MAX} workers died within {DEATHS_WITHIN:.0f} s, the last by {how}")
        else:
            self._spawn(worker.index, is_first=False)

    def _ready(self, worker: Worker) -> None:
        was_started = any(other.is_ready for other in self._workers) or self._deaths
        worker.is_ready = True
        if was_started:
            self._log.info("worker started", worker=worker.index, pid=worker.process.pid)
            return
        self._log.info("server started", version=__version__)
        notify("READY=1", "STATUS=Configuration running.")

    # --- sockets

    def _grant(self, worker: Worker, wanted: Wanted, descriptors: list[int]) -> None:
        try:
            if worker.is_first:
                self._snapshot = descriptors[0]
                self._take_over(wanted)
            names = tuple(address.text for address in wanted.addresses)
            worker.send(Granted(names), [self._sockets[name].fileno() for name in names])
        except (DirectoryError, ListenError, BadLogTarget, OSError) as err:
            self._fail(str(err))

    def _take_over(self, wanted: Wanted) -> None:
        """The first worker knows the configuration: lock the directories, bind the addresses, open the doors."""
        ensure_directory(Path(wanted.state), "state_dir")
        ensure_directory(Path(wanted.runtime), "runtime_dir")
        self._lock = DirectoryLock(Path(wanted.state))
        if wanted.log:
            targets = open_targets(wanted.log, Path(wanted.state), self._options.program)
            self._sink.replace(targets)
        ipv4_ports = {a.port for a in wanted.addresses if a.host and ":" not in a.host}
        for address in wanted.addresses:
            self._sockets[address.text] = self._listener(address, dual_stack=address.port not in ipv4_ports)
        for path in wanted.doors:
            self._task(self._open_door(path))

    def _listener(self, address: ListenAddress, *, dual_stack: bool) -> socket.socket:
        for inherited in self._inherited:
            if is_bound_to(inherited, address):
                return inherited
        return bind(address, dual_stack=dual_stack)

    # --- the bus

    def publish(self, message: Publish, origin: Worker | None) -> None:
        """Relay a message of the bus to all workers but its origin."""
        for worker in self._workers:
            if worker is not origin:
                worker.send(message)

    async def _open_door(self, path: str) -> None:
        try:
            listener = bind(ListenAddress(text=f"unix:{path}", path=path))
            door = await asyncio.start_unix_server(self._knock, sock=listener, limit=DOOR_LINE_MAX)
        except (ListenError, OSError) as err:
            self._log.error("failed to initialize updates pipe", err)
            return
        self._doors.append(door)
        self._door_paths.append(path)

    async def _knock(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another process of this server's user tells of changes, a JSON line each."""
        with contextlib.suppress(OSError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                try:
                    said = json.loads(line)
                    self.publish(Publish(str(said["topic"]), str(said["payload"])), origin=None)
                except (ValueError, KeyError, TypeError) as err:
                    self._log.error("bad line on the updates pipe", err)
        writer.close()

    # --- signals and the end

    def _stop_signal(self, number: signal.Signals) -> None:
        if self._stopping:
            self._log.info("forced shutdown due to signal")
            for worker in self._workers:
                worker.process.kill()
            self._end(1)
            return
        self._log.info(f"signal received ({number.name}), next signal will force immediate shutdown.")
        self._log.info("server stopping...")
        notify("STOPPING=1", "STATUS=Stopping.")
        self._stop()
        if not self._workers:
            self._end(0)

    def _stop(self) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.send(Stop())
        self._task(self._kill_late(STOP_TIMEOUT))

    async def _kill_late(self, patience: float) -> None:
        await asyncio.sleep(patience)
        for worker in self._workers:
            self._log.info("worker killed: it did not stop in time", worker=worker.index)
            worker.process.kill()

    def _rotate(self) -> None:
        self._sink.reopen()
        for worker in self._workers:
            worker.send(Rotate())

    def _refuse_reload(self) -> None:
        self._log.info(
            "failed to load new configuration", reason="reloading is not available in this version: restart"
        )

    def _fail(self, text: str) -> None:
        """End the server because it cannot go on."""
        self._stopping = True
        for worker in self._workers:
            worker.process.terminate()
            worker.process.kill()
        notify(f"STATUS={text}")
        if not self._ended.done():
            self._ended.set_exception(StartError(text))

    def _end(self, code: int) -> None:
        if code == 0:
            self._log.info("server stopped")
        if not self._ended.done():
            self._ended.set_result(code)

    def _close(self) -> None:
        for task in self._background:
            task.cancel()
        for door in self._doors:
            door.close()
        for path in self._door_paths:
            Path(path).unlink(missing_ok=True)
        for listener in self._sockets.values():
            _close_listener(listener)
        if self._lock is not None:
            self._lock.release()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _close_listener(listener: socket.socket) -> None:
    """Close for good: the file of a Unix socket goes too."""
    name = listener.getsockname() if listener.family == socket.AF_UNIX else None
    listener.close()
    if isinstance(name, str) and name:
        Path(name).unlink(missing_ok=True)
