"""SMTP load for any server: concurrent sessions that send mail like that of people, and how long each message took.

    python -m bench.load --port 2525 --sessions 10 --messages 5000 --to user%d@example.org
    python -m bench.load --port 2465 --tls --one-per-connection

One line of JSON: messages a second, latency from MAIL FROM to the final reply, errors.
"""

import argparse
import asyncio
import json
import ssl
import sys
import time
from dataclasses import asdict, dataclass, field

from bench import mails

KINDS = 24  # different messages, sent in turn
PATIENCE = 30.0  # seconds for any one reply


@dataclass(frozen=True, slots=True)
class Load:
    """What to send, and how."""

    port: int
    sessions: int = 10
    messages: int = 2000
    size: int = 10_240  # octets of a message
    to: str = "user%d@example.org"  # %d: a number below `users`
    users: int = 10
    sender: str = "bench@example.net"
    tls: bool = False
    one_per_connection: bool = False


@dataclass(slots=True)
class Outcome:
    """Latencies in seconds; errors by their text."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def summary(self) -> "Summary":
        ordered = sorted(self.latencies) or [0.0]
        return Summary(
            messages=len(self.latencies),
            per_second=round(len(self.latencies) / self.seconds, 1),
            p50_ms=round(ordered[len(ordered) // 2] * 1000, 2),
            p99_ms=round(ordered[int(len(ordered) * 0.99)] * 1000, 2),
            errors=self.errors,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What is printed."""

    messages: int
    per_second: float
    p50_ms: float  # from MAIL FROM to the final reply
    p99_ms: float
    errors: dict[str, int]


def parse_summary(text: str) -> Summary:
    """What `main` printed, read back."""
    return Summary(**json.loads(text))


class Refused(Exception):
    """The server said something else than yes."""


class Session:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def reply(self, wanted: bytes) -> None:
        while True:
            line = await asyncio.wait_for(self._reader.readline(), PATIENCE)
            if line[:1] != wanted:
                raise Refused(line[:60].decode("ascii", "replace").strip() or "connection closed")
            if line[3:4] != b"-":
                return

    async def greet(self) -> None:
        await self.reply(b"2")
        self._writer.write(b"EHLO bench.example.net\r\n")
        await self.reply(b"2")

    async def send(self, sender: bytes, recipient: bytes, message: bytes) -> float:
        """Seconds from MAIL FROM to the reply that takes the message. Pipelined (RFC 2920)."""
        began = time.perf_counter()
        self._writer.write(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (sender, recipient))
        await self.reply(b"2")
        await self.reply(b"2")
        await self.reply(b"3")
        self._writer.write(message)
        await self.reply(b"2")
        return time.perf_counter() - began

    async def quit(self) -> None:
        self._writer.write(b"QUIT\r\n")
        await self.reply(b"2")
        self._writer.close()


class Run:
    """All sessions of one load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._left = load.messages
        self.outcome = Outcome()
        self._context: ssl.SSLContext | None = None
        if load.tls:
            self._context = ssl.create_default_context()
            self._context.check_hostname = False
            self._context.verify_mode = ssl.CERT_NONE
        texts = (mails.message(number, load.size) for number in range(KINDS))
        self._texts = [text.replace(b"\r\n.", b"\r\n..") + b".\r\n" for text in texts]

    async def run(self) -> Outcome:
        began = time.perf_counter()
        await asyncio.gather(*(self._work() for _ in range(self._load.sessions)))
        self.outcome.seconds = time.perf_counter() - began
        return self.outcome

    async def _work(self) -> None:
        while self._left > 0:
            try:
                await self._connection()
            except (OSError, Refused, TimeoutError) as err:
                text = str(err) or type(err).__name__
                self.outcome.errors[text] = self.outcome.errors.get(text, 0) + 1

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._load.port, ssl=self._context)
        try:
            session = Session(reader, writer)
            await session.greet()
            while self._left > 0:
                self._left -= 1
                number = self._left
                recipient = self._load.to.replace("%d", str(number % self._load.users)).encode()
                message = b"X-Number: %d\r\n%s" % (number, self._texts[number % KINDS])
                self.outcome.latencies.append(
                    await session.send(self._load.sender.encode(), recipient, message)
                )
                if self._load.one_per_connection:
                    break
            await session.quit()
        finally:
            writer.close()


def run(load: Load) -> Summary:
    """Send a load; gives its summary. Uses uvloop where it is installed."""
    try:
        import uvloop

        outcome = uvloop.run(Run(load).run())
    except ImportError:
        outcome = asyncio.run(Run(load).run())
    return outcome.summary()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    defaults = asdict(Load(port=0))
    for name, default in defaults.items():
        flag = "--" + name.replace("_", "-")
        if isinstance(default, bool):
            parser.add_argument(flag, action="store_true")
        elif name != "port":
            parser.add_argument(flag, type=type(default), default=default)
    summary = run(Load(**vars(parser.parse_args())))
    print(json.dumps(asdict(summary)))
    sys.exit(1 if summary.errors else 0)


if __name__ == "__main__":
    main()
