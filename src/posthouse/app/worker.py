"""A worker: one event loop that does everything (design §2). Started clean by the supervisor, ends with it."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from posthouse.app import messages
from posthouse.app.bus import WorkerBus
from posthouse.app.compose import Configured, configure, read
from posthouse.app.expectations import check_expectations
from posthouse.app.messages import Begin, Failed, Granted, Publish, Ready, Rotate, Stop, Wanted
from posthouse.app.timed_modules import recording_spans
from posthouse.core.directories import DirectoryError
from posthouse.core.log import Logger
from posthouse.core.logsink import BadLogTarget, LogSink, open_targets
from posthouse.framework.config.load import Source
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.endpoint import Endpoint
from posthouse.framework.interfaces.module import Context, Module
from posthouse.net.channel import Channel

GC_THRESHOLD = 20_000  # allocations between young collections: messages make little that is cyclic


class GrantedListeners:
    """The sockets that the supervisor passed."""

    def __init__(self) -> None:
        self.sockets: dict[str, socket.socket] = {}

    def take(self, address: str) -> socket.socket:
        return self.sockets.pop(address)


class StartFailed(Exception):
    """A module could not start; the text is for the operator."""


class Worker:
    """The life of one worker."""

    def __init__(self, end: socket.socket) -> None:
        self._begin: asyncio.Future[tuple[Begin, Source | None]] = asyncio.get_running_loop().create_future()
        self._granted: asyncio.Future[Mapping[str, socket.socket]] = (
            asyncio.get_running_loop().create_future()
        )
        self._stopped = asyncio.Event()
        self._channel = Channel(end, self._received, self._orphaned)
        self._bus = WorkerBus()
        self._rotate: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Configure, start, work until told to stop. What goes wrong before the start is told to the supervisor."""
        begin, source = await self._begin
        options = begin.options
        sink = LogSink(open_targets(options.log, Path.cwd(), options.program))
        try:
            await self._live(begin, source, sink)
        except (ConfigError, DirectoryError, BadLogTarget, StartFailed) as err:
            self._send(Failed(str(err)))
            await self._stopped.wait()  # the supervisor ends us
        finally:
            sink.close()

    async def _live(self, begin: Begin, source: Source | None, sink: LogSink) -> None:
        if not begin.is_alone:
            self._bus.relay = self._publish
        log = Logger(sink, debug=begin.options.debug)
        listeners = GrantedListeners()
        if begin.is_first:
            log.info("loading configuration...")
        source = source or read(begin.options)
        configured = configure(source, begin.options, sink, self._bus, listeners)
        if begin.is_first:
            await check_expectations(source, begin.options, configured.globals.expectations)
        log.debug_enabled |= configured.globals.debug
        sys.unraisablehook = lambda failed: _log_unraisable(log, failed)
        await self._take_sockets(configured, source, listeners)
        if configured.globals.log:
            sink.replace(open_targets(configured.globals.log, configured.paths.state, begin.options.program))
        self._rotate = lambda: _run_rotate_hooks(configured, sink, log)
        if begin.is_first:
            log.info("configuration loaded")
        os.environ["PATH"] = f"{configured.paths.libexec}:{os.environ.get('PATH', os.defpath)}"
        os.chdir(configured.paths.state)
        with recording_spans(configured, log):
            await self._work(configured, log, is_first=begin.is_first)

    async def _take_sockets(
        self, configured: Configured, source: Source, listeners: GrantedListeners
    ) -> None:
        """Ask the supervisor for the sockets; with them it holds the lock on the state directory."""
        paths, log_targets = configured.paths, configured.globals.log
        wanted = Wanted(
            str(paths.state), str(paths.runtime), log_targets, configured.addresses, configured.doors
        )
        snapshot = os.memfd_create("configuration", os.MFD_CLOEXEC)
        with os.fdopen(snapshot, "wb") as file:
            file.write(source.to_bytes())
            file.flush()
            self._channel.send(messages.encode(wanted), [snapshot])
        listeners.sockets.update(await self._granted)

    async def _work(self, configured: Configured, log: Logger, *, is_first: bool) -> None:
        started: list[tuple[Context, Module]] = []
        try:
            for context, module in configured.registry.lifetime:
                if is_first:
                    await _step(module.prepare(), context)
            for context, module in configured.registry.lifetime:
                started.append((context, module))
                await _step(module.start(), context)
            gc.collect()
            gc.freeze()
            gc.set_threshold(GC_THRESHOLD)
            self._send(Ready())
            await self._stopped.wait()
        finally:
            await _stop_all(started, log)
            await configured.resolver.aclose()

    # --- the supervisor's words

    def _received(self, raw: bytes, descriptors: list[int]) -> None:
        message = messages.decode(raw)
        match message:
            case Begin():
                self._begin.set_result((message, _source_of(descriptors)))
            case Granted(addresses):
                sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
                self._granted.set_result(dict(zip(addresses, sockets, strict=True)))
            case Publish(topic, payload):
                self._bus.deliver(topic, payload)
            case Rotate():
                self._rotate()
            case Stop():
                self._stopped.set()
            case _:
                raise AssertionError(f"the supervisor does not say {type(message).__name__}")

    def _orphaned(self) -> None:
        """The supervisor is gone: end too."""
        if self._begin.done() and not self._stopped.is_set():
            self._stopped.set()
            return
        os._exit(1)

    def _publish(self, topic: str, payload: str) -> None:
        self._send(Publish(topic, payload))

    def _send(self, message: messages.Message) -> None:
        self._channel.send(messages.encode(message))


def _source_of(descriptors: list[int]) -> Source | None:
    if not descriptors:
        return None
    with os.fdopen(descriptors[0], "rb") as file:
        file.seek(0)
        return Source.from_bytes(file.read())


async def _step(step: Awaitable[Any], context: Context) -> None:
    try:
        await step
    except ConfigError as err:
        raise StartFailed(f"failed to start module {context.label}: {err}") from err
    except Exception as err:
        context.log.error("failed to start module", err, instance=context.instance)
        raise StartFailed(f"failed to start module {context.label} ({context.where}): {err}") from err


async def _stop_all(started: list[tuple[Context, Module]], log: Logger) -> None:
    """Endpoints first, together, for each may wait for its sessions; then the others, in reverse order of their start."""
    endpoints = [(context, module) for context, module in started if isinstance(module, Endpoint)]
    await asyncio.gather(*(_stop_one(context, module, log) for context, module in endpoints))
    for context, module in reversed(started):
        if not isinstance(module, Endpoint):
            await _stop_one(context, module, log)


async def _stop_one(context: Context, module: Module, log: Logger) -> None:
    try:
        await module.stop()
    except Exception as err:  # noqa: BLE001 - the others are stopped all the same
        log.error("failed to stop module", err, module=context.label)


def _run_rotate_hooks(configured: Configured, sink: LogSink, log: Logger) -> None:
    sink.reopen()
    for hook in reversed(configured.hooks.rotate):
        try:
            hook()
        except Exception as err:  # noqa: BLE001 - one hook does not keep the others from running
            log.error("log rotation hook failed", err)


def main() -> NoReturn:
    """Entry point of the child process: `python -m posthouse.app.worker DESCRIPTOR`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    _set_title("posthouse: worker")
    end = socket.socket(fileno=int(sys.argv[1]))
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_main(end))
    os._exit(0)  # whatever thread still waits for a disk does not hold the end up


async def _main(end: socket.socket) -> None:
    await Worker(end).run()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's loop, or None for asyncio's own."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None


def _log_unraisable(log: Logger, failed: "sys.UnraisableHookArgs") -> None:
    """What failed where nobody could be told (a callback of OpenSSL with an odd name): one line, not a page on stderr."""
    log.info(failed.err_msg or "exception ignored", reason=repr(failed.exc_value), where=repr(failed.object))


def _set_title(title: str) -> None:
    import setproctitle

    setproctitle.setproctitle(title)


if __name__ == "__main__":
    main()
