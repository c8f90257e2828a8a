"""The SMTP endpoint alone, before a target that discards: what accepting a message costs without storing it.

python -m bench.smtp                       serves on 127.0.0.1:2525 until Ctrl-C; load it with bench.load
python -m bench.smtp --profile out.prof    and writes a profile at the end
python -m bench.smtp --engine 20000        only the engine, without sockets: microseconds a message
"""

import argparse
import asyncio
import cProfile
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import uvloop

from posthouse.core.events import NoRecorder
from posthouse.core.logsink import LogSink, open_targets
from posthouse.modules.dummy import Dummy
from posthouse.modules.endpoint.smtp import SmtpEndpoint
from posthouse.modules.endpoint.smtp.endpoint import server_config
from posthouse.testing.smtp import smtp_settings
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.events import Content
from posthouse.wire.smtp.server import ServerSession

LINE = b"The quick brown fox jumps over the lazy dog, and the post arrives in time. 0123456789\r\n"
HEADER = b"From: <bench@example.net>\r\nTo: <user@example.org>\r\nSubject: bench\r\n\r\n"
SIZE = 10_240  # octets of a message


class Port:
    """The one listening socket."""

    def __init__(self, port: int) -> None:
        self._port = port

    def take(self, address: str) -> socket.socket:
        return socket.create_server(("127.0.0.1", self._port), backlog=1024)


class RealClock:
    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


async def serve(directory: Path, port: int, directives: str) -> None:
    """Serve until cancelled, with a log file as in earnest."""
    fake = FakeWorld(directory)
    settings, registry = smtp_settings(fake, directives)
    sink = LogSink(open_targets([str(directory / "log")], directory, "bench"))
    context = fake.context("smtp")
    world = replace(context.world, clock=RealClock(), listeners=Port(port))
    context = replace(context, log=type(context.log)(sink, "smtp"), world=world, recorder=NoRecorder())
    dummy = next(module for _, module in registry.lifetime if isinstance(module, Dummy))
    endpoint = SmtpEndpoint(settings, context, dummy)
    for module in (*(module for _, module in registry.lifetime), endpoint):
        await module.prepare()
        await module.start()
    try:
        await asyncio.Event().wait()
    finally:
        await endpoint.stop()
        sink.close()


def engine(messages: int, directory: Path) -> float:
    """Seconds for each message in the engine, all of it in two reads."""
    session = ServerSession(server_config(smtp_settings(FakeWorld(directory))[0], ()))
    message = HEADER + LINE * ((SIZE - len(HEADER)) // len(LINE)) + b".\r\n"
    began = time.perf_counter()
    for wire in (
        b"EHLO bench\r\n",
        *(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n", message) * messages,
    ):
        session.feed(wire)
        while (event := session.next_event()) is not None:
            if not isinstance(event, Content):
                session.accept()
        session.data_to_send()
    return (time.perf_counter() - began) / messages


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--tls", action="store_true", help="offer STARTTLS")
    parser.add_argument("--profile", help="where to write a cProfile file")
    parser.add_argument("--engine", type=int, metavar="MESSAGES")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        if args.engine:
            print(f"{engine(args.engine, Path(directory)) * 1e6:.1f} µs a message")
            return
        profile = cProfile.Profile() if args.profile else None
        try:
            if profile is not None:
                profile.enable()
            uvloop.run(serve(Path(directory), args.port, "tls self_signed" if args.tls else ""))
        except KeyboardInterrupt:
            pass
        finally:
            if profile is not None:
                profile.disable()
                profile.dump_stats(args.profile)


if __name__ == "__main__":
    main()
