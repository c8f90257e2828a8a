"""Programs that we run: octets in, octets out, and an end in every case."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

ERRORS_MAX: Final = 4096  # octets of standard error that are kept
REAP_TIMEOUT: Final = 5.0  # seconds for a killed process to be gone; longer only if a disk or the like hangs

_STDIN, _STDERR = 0, 2


class ProgramError(Exception):
    """A program could not be started, said too much, or took too long."""


@dataclass(frozen=True, slots=True)
class Call:
    """What is run, and how far it may go.

    words: the program's path, then its arguments. No shell sees them.
    timeout: seconds from the start to the end, its reading and our writing included.
    """

    words: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    timeout: float
    output_max: int  # octets of standard output


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. status: as of wait(2), or -N when signal N ended it."""

    status: int
    output: bytes
    errors: bytes  # the beginning of what it said on standard error


async def run_program(call: Call, given: AsyncIterator[bytes] | None = None) -> Finished:
    """Run a program to its end. It need not read what it is given.

    Raises ProgramError. In every case, and when cancelled, the program and what it started in its session are gone then,
    unless it ended by itself.
    """
    if any("\0" in word for word in call.words):  # uvloop would cut it off there
        raise ProgramError("cannot be started: NUL in an argument")
    running = _Running(asyncio.get_running_loop(), call.output_max)
    try:
        async with asyncio.timeout(call.timeout):
            await running.start(call, has_input=given is not None)
            if given is not None:
                await running.feed(given)
            return await running.finished
    except TimeoutError as err:
        raise ProgramError(f"no end after {call.timeout:g} seconds") from err
    finally:
        await running.end()


class _Running(asyncio.SubprocessProtocol):
    """A program at work."""

    def __init__(self, loop: asyncio.AbstractEventLoop, output_max: int) -> None:
        self.finished: asyncio.Future[Finished] = loop.create_future()
        self._exited: asyncio.Future[None] = loop.create_future()
        self._input_lost: asyncio.Future[None] = loop.create_future()
        self._output_max = output_max
        self._output = bytearray()
        self._errors = bytearray()
        self._open = {1, 2}  # pipes that we read
        self._writable = asyncio.Event()
        self._writable.set()
        self._is_reading = True  # it has not closed its standard input
        self._transport: asyncio.SubprocessTransport | None = None

    async def start(self, call: Call, *, has_input: bool) -> None:
        """Start the program. Raises ProgramError.

        A cancellation waits until it runs: event loops would kill what they are starting, but not its children.
        """
        starting = asyncio.ensure_future(
            asyncio.get_running_loop().subprocess_exec(
                lambda: self,
                *(word.encode("utf-8", "surrogateescape") for word in call.words),
                stdin=asyncio.subprocess.PIPE if has_input else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=dict(call.environment),
                cwd=call.directory,
                start_new_session=True,
            )
        )
        try:
            await asyncio.shield(starting)
        except (OSError, ValueError) as err:
            raise ProgramError(f"cannot be started: {err}") from err
        except asyncio.CancelledError:
            await asyncio.wait((starting,))
            if not starting.cancelled() and starting.exception() is None:
                self._transport, _ = starting.result()  # uvloop has not always told us by now
            raise

    async def feed(self, given: AsyncIterator[bytes]) -> None:
        """Write to its standard input as fast as it reads, then close that."""
        assert self._transport is not None
        pipe = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(_STDIN))
        async for octets in given:
            if not self._is_reading or pipe.is_closing():  # EPIPE is no mistake
                return
            pipe.write(octets)
            await self._writable.wait()
        pipe.close()

    async def end(self) -> None:
        """Kill what still runs, and see that no zombie is left."""
        if self._transport is None:
            return
        if not self._exited.done():
            self._kill()
        if not self.finished.cancel() and not self.finished.cancelled():
            self.finished.exception()  # another error may have come first
        gone = {self._exited}
        pipe = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(_STDIN))
        if pipe is not None:
            gone.add(self._input_lost)
            if not pipe.is_closing():
                pipe.abort()  # what it has not read
        self._transport.close()
        await asyncio.wait(gone, timeout=REAP_TIMEOUT)

    def _kill(self) -> None:
        assert self._transport is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)

    # --- asyncio.SubprocessProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)  # uvloop's is none by inheritance

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == _STDERR:
            self._errors += data[: ERRORS_MAX - len(self._errors)]
            return
        self._output += data
        if len(self._output) > self._output_max and not self.finished.done():
            self.finished.set_exception(ProgramError(f"more than {self._output_max} octets of output"))
            self._output.clear()
            self._kill()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == _STDIN:
            self._is_reading = False
            self._writable.set()
            if not self._input_lost.done():
                self._input_lost.set_result(None)
        self._open.discard(fd)
        self._finish()

    def process_exited(self) -> None:
        if not self._exited.done():
            self._exited.set_result(None)
        self._finish()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _finish(self) -> None:
        if self._open or not self._exited.done() or self.finished.done():
            return
        assert self._transport is not None
        status = self._transport.get_returncode()
        assert status is not None
        self.finished.set_result(Finished(status, bytes(self._output), bytes(self._errors)))
