"""An IMAP server on a free port, and a client that reads strictly: for tests of the endpoint and of storages below it.

async with ImapServer(tmp_path, FakeStorage()) as server:
    client = await server.login("ann@example.org")
    reply = await client.run("SELECT INBOX")
    assert reply.tagged == b"OK [READ-WRITE] SELECT completed"
"""

import asyncio
import contextlib
import re
import ssl
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from posthouse.framework import normalize
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.auth import InvalidCredentials
from posthouse.framework.interfaces.storage import Storage
from posthouse.modules.endpoint.imap import ImapEndpoint
from posthouse.modules.endpoint.imap.service import Timeouts
from posthouse.testing.world import FakeWorld

PATIENCE = 20.0  # seconds that a test waits for an answer: only ever reached by one that fails
PASSWORD = "secret"  # noqa: S105 - of everybody in tests
ADDRESS = "tcp://127.0.0.1:143"
TLS_ADDRESS = "tls://127.0.0.1:993"

_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_TOKEN = re.compile(
    rb"(?P<section>BODY\[(?:[A-Z0-9.]*(?: \((?:[^\s()\"{]+|\"[^\"\r\n]*\")(?: (?:[^\s()\"{]+|\"[^\"\r\n]*\"))*\))?)\](?:<\d+>)?)"
    rb"|(?P<atom>\\\*|\\?[^\x00-\x20\x7f-\xff(){%*\"\\\]]+\]?)"
    rb"|\"(?P<quoted>(?:[^\"\\\r\n\x00\x80-\xff]|\\[\"\\])*)\""
    rb"|\{(?P<literal>\d+)\}\r\n"
)


class BadResponse(Exception):
    """What the server said is no IMAP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """untagged: whole responses, with their literals and without `* ` and the last CRLF. tagged: without its tag."""

    untagged: list[bytes]
    tagged: bytes

    @property
    def is_ok(self) -> bool:
        return self.tagged.startswith(b"OK ")


def parse(response: bytes) -> "list[Any]":
    """The values of a response, or BadResponse: atoms are str, strings bytes, numbers int, lists list, NIL None."""
    values, at = _values(response, 0, b"")
    if at != len(response):
        raise BadResponse(response)
    return values


def _values(data: bytes, at: int, end: bytes) -> "tuple[list[Any], int]":
    values: list[Any] = []
    while at < len(data) and data[at : at + 1] != end:
        if values:
            if data[at : at + 1] == b" ":
                at += 1
            elif not (isinstance(values[-1], list) and data[at : at + 1] == b"("):
                raise BadResponse(data[: at + 20])
        value, at = _value(data, at)
        values.append(value)
    if end and data[at : at + 1] != end:
        raise BadResponse(data)
    return values, at + len(end)


def _value(data: bytes, at: int) -> "tuple[Any, int]":
    if data[at : at + 1] == b"(":
        return _values(data, at + 1, b")")
    token = _TOKEN.match(data, at)
    if token is None:
        raise BadResponse(data[: at + 20])
    if token["literal"] is not None:
        end = token.end() + int(token["literal"])
        octets = data[token.end() : end]
        if len(octets) != int(token["literal"]) or b"\0" in octets:
            raise BadResponse(data[: at + 20])
        return octets, end
    if token["quoted"] is not None:
        return re.sub(rb"\\(.)", rb"\1", token["quoted"]), token.end()
    word = token[0].decode("ascii")
    return int(word) if word.isdigit() else None if word == "NIL" else word, token.end()


class ImapClient:
    """One connection. Every call waits at most PATIENCE."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._tags = 0
        self._deflater: zlib._Compress | None = None
        self._pump: asyncio.Task[None] | None = None

    def send(self, octets: bytes) -> None:
        if self._deflater is not None:
            octets = self._deflater.compress(octets) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        self.writer.write(octets)

    async def line(self) -> bytes:
        """The next response with its literals, without its last CRLF. b"" when the server has closed."""
        async with asyncio.timeout(PATIENCE):
            response = await self.reader.readline()
            while (literal := _LITERAL.search(response)) is not None:
                response += await self.reader.readexactly(int(literal[1])) + await self.reader.readline()
        if response and not response.endswith(b"\r\n"):
            raise BadResponse(response)
        return response[:-2]

    async def start(self, command: str | bytes) -> bytes:
        """Send a command; gives its tag."""
        self._tags += 1
        tag = b"t%d" % self._tags
        self.send(tag + b" " + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        return tag

    async def finish(self, tag: bytes) -> Reply:
        """What the server says up to the tagged response."""
        untagged: list[bytes] = []
        while line := await self.line():
            if line.startswith(tag + b" "):
                return Reply(untagged, line[len(tag) + 1 :])
            if not line.startswith(b"* "):
                raise BadResponse(line)
            untagged.append(line[2:])
        raise BadResponse(b"closed after " + b" ".join(untagged))

    async def run(self, command: str | bytes) -> Reply:
        return await self.finish(await self.start(command))

    async def fetch(self, command: str | bytes) -> "dict[int, list[Any]]":
        """A FETCH that succeeds: by sequence number, its items and values as they came."""
        reply = await self.run(command)
        assert reply.is_ok, reply.tagged
        found: dict[int, list[Any]] = {}
        for response in reply.untagged:
            number, word, items = parse(response)
            assert word == "FETCH", response
            found.setdefault(number, []).extend(items)
        return found

    async def append(self, mailbox: str, message: bytes, options: str = "") -> Reply:
        """APPEND with a literal that is announced first."""
        tag = await self.start(f"APPEND {mailbox} {options}{{{len(message)}}}")
        line = await self.line()
        if not line:
            raise BadResponse(b"closed after APPEND")
        if not line.startswith(b"+ "):
            return Reply([], line[len(tag) + 1 :])
        self.send(message + b"\r\n")
        return await self.finish(tag)

    async def rest(self) -> list[bytes]:
        """All that the server still says before it closes."""
        lines = []
        while line := await self.line():
            lines.append(line)
        return lines

    async def compress(self) -> None:
        """COMPRESS DEFLATE; all that follows is compressed, both ways."""
        reply = await self.run("COMPRESS DEFLATE")
        assert reply.tagged == b"OK DEFLATE active", reply.tagged
        compressed, self.reader = self.reader, asyncio.StreamReader(limit=1 << 22)
        self._deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        self._pump = asyncio.create_task(_inflate(compressed, self.reader))

    def close(self) -> None:
        self.writer.transport.abort()


async def _inflate(compressed: asyncio.StreamReader, plain: asyncio.StreamReader) -> None:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    with contextlib.suppress(ConnectionError):
        while octets := await compressed.read(65_536):
            plain.feed_data(stream.decompress(octets))
    plain.feed_eof()


class OnePassword:
    """Authenticates everybody who knows the password. asked: (user, password) of each attempt."""

    def __init__(self, password: str) -> None:
        self._password = password
        self.failure: Exception | None = None
        self.asked: list[tuple[str, str]] = []

    async def authenticate(self, user: str, password: str) -> None:
        self.asked.append((user, password))
        if self.failure is not None:
            raise self.failure
        if password != self._password:
            raise InvalidCredentials("wrong password")


class ImapServer:
    """The endpoint `imap` over a storage. As a context it listens on a free port, and closes what clients it made."""

    def __init__(
        self,
        directory: Path,
        storage: Storage,
        *,
        auth: OnePassword | None = None,
        timeouts: Timeouts | None = None,
        fake: FakeWorld | None = None,
        address: str = ADDRESS,
        **settings: Any,  # of ImapSettings
    ) -> None:
        self.storage = storage
        self.auth = auth or OnePassword(PASSWORD)
        self.fake = fake or FakeWorld(directory)
        self.address = address
        values: dict[str, Any] = {  # of ImapSettings, as a configuration would give them
            "addresses": (address,),
            "sasl_login": False,
            "tls": None,
            "insecure_auth": False,
            "auth_map": None,
            "auth_map_normalize": normalize.auto,
            "storage_map": None,
            "storage_map_normalize": normalize.auto,
            "proxy_protocol": None,
            "max_connections": 0,
            "max_connections_per_ip": 0,
            "io_debug": False,
            "io_errors": False,
            "debug": False,
        }
        made = ImapEndpoint.Settings(storage=storage, auth=(self.auth,), **(values | settings))
        context = self.fake.context("imap", debug=made.debug)
        self.endpoint = ImapEndpoint(made, context, timeouts)
        self._clients: list[ImapClient] = []

    @property
    def port(self) -> int:
        return self.fake.listeners.port(self.address)

    async def connect(self, tls: ssl.SSLContext | None = None) -> ImapClient:
        """A connection whose greeting is still to be read."""
        host = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=tls, server_hostname=host, limit=1 << 22
        )
        client = ImapClient(reader, writer)
        self._clients.append(client)
        return client

    async def add(
        self,
        user: str,
        message: bytes,
        mailbox: str = "INBOX",
        *,
        flags: int = 0,
        keywords: Sequence[str] = (),
        received: int | None = None,
    ) -> int:
        """Store a message, in an account and a mailbox that are made if they are missing; gives its UID."""
        account = await self.storage.account(user) or await self.storage.create_account(user)
        if mailbox not in {known.name for known in await account.mailboxes()}:
            await account.create_mailbox(mailbox)
        stored = await account.append(mailbox, MemoryBody(message), flags, keywords, received)
        return stored.uid

    async def login(self, user: str, mailbox: str = "") -> ImapClient:
        """A connection of this user, who has selected this mailbox."""
        client = await self.connect()
        await client.line()
        for command in (f'LOGIN "{user}" {PASSWORD}', f'SELECT "{mailbox}"')[: 2 if mailbox else 1]:
            reply = await client.run(command)
            assert reply.is_ok, reply.tagged
        return client

    async def __aenter__(self) -> Self:
        await self.endpoint.prepare()
        await self.endpoint.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()
        await self.endpoint.stop()
