"""An IMAP client that costs little: it sends lines, and reads until the tagged response of the last one."""

import re
import socket
import ssl
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Self

PATIENCE = 600.0  # seconds for any read
READ_MAX = 1 << 20  # octets
TAIL = 512  # octets kept to look for a tagged response in
EXISTS = re.compile(rb"^\* (\d+) EXISTS\r$", re.MULTILINE)
UIDNEXT = re.compile(rb"\[UIDNEXT (\d+)\]")


class Refused(Exception):
    """The server answered NO or BAD, or closed the connection."""


class Client:
    """One connection. As a context it closes at the end, without a word."""

    def __init__(self, port: int, *, tls: bool = False, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self._socket = _context().wrap_socket(self._socket)
        self._buffer = memoryview(bytearray(READ_MAX))
        self._tags = 0
        self.line()

    def command(self, line: str) -> int:
        """Octets of the answer. Raises Refused."""
        return self.finish(self.send(line))

    def answer(self, line: str) -> bytes:
        """All of the answer. Raises Refused."""
        kept = bytearray()
        self.finish(self.send(line), kept)
        return bytes(kept)

    def pipelined(self, lines: Sequence[str]) -> int:
        """Send all at once; octets of all answers. Raises Refused if the last one failed."""
        tags = [self._tag() for _ in lines]
        octets = b"".join(b"%b %b\r\n" % (tag, line.encode()) for tag, line in zip(tags, lines, strict=True))
        self._socket.sendall(octets)
        return self.finish(tags[-1])

    def append(self, mailbox: str, message: bytes, *, wait: bool = True) -> bytes:
        """Append with a literal that waits for nothing (RFC 7888); gives the tag, whose response is read if `wait`."""
        tag = self._tag()
        self._socket.sendall(b"%b APPEND %b {%d+}\r\n%b\r\n" % (tag, mailbox.encode(), len(message), message))
        if wait:
            self.finish(tag)
        return tag

    def select(self, mailbox: str) -> int:
        """How many messages there are."""
        found = EXISTS.search(self.answer(f"SELECT {mailbox}"))
        assert found is not None
        return int(found[1])

    def idle(self) -> None:
        """Begin IDLE (RFC 2177), for good."""
        self.send("IDLE")
        self.line()

    def send(self, line: str) -> bytes:
        """Send a command; gives its tag."""
        tag = self._tag()
        self._socket.sendall(b"%b %b\r\n" % (tag, line.encode()))
        return tag

    def finish(self, tag: bytes, kept: bytearray | None = None) -> int:
        """Read until the tagged response; octets read, which are appended to `kept`. Raises Refused."""
        total, tail, line = 0, b"", b""
        while not line.startswith(tag + b" "):
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise Refused("connection closed")
            total += count
            if kept is not None:
                kept += self._buffer[:count]
            tail = (tail + bytes(self._buffer[max(0, count - TAIL) : count]))[-TAIL:]
            line = tail[:-2].rpartition(b"\r\n")[2] if tail.endswith(b"\r\n") else b""
        if not line.startswith(tag + b" OK"):
            raise Refused(line.decode("ascii", "backslashreplace"))
        return total

    def line(self) -> bytes:
        """Whatever comes next, up to the end of a line."""
        octets = b""
        while not octets.endswith(b"\r\n"):
            count = self._socket.recv_into(self._buffer)
            if not count:
                raise Refused("connection closed")
            octets += self._buffer[:count]
        return octets

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tag(self) -> bytes:
        self._tags += 1
        return b"tag.%d" % self._tags


@cache
def _context() -> ssl.SSLContext:
    """For all connections: it is dear to make."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def logged_in(port: int, user: str, password: str, *, tls: bool = False) -> Client:
    client = Client(port, tls=tls)
    client.command(f'LOGIN "{user}" "{password}"')
    return client


def append_all(client: Client, mailbox: str, messages: Iterable[bytes], window: int = 64) -> None:
    """Append messages, up to `window` of them on their way. Raises Refused."""
    waiting: list[bytes] = []
    for message in messages:
        waiting.append(client.append(mailbox, message, wait=False))
        if len(waiting) == window:
            client.finish(waiting[-1])  # the server answers in order
            waiting.clear()
    if waiting:
        client.finish(waiting[-1])
