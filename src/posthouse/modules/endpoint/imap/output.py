"""What goes to a client: gathered, sent in pieces, and only as fast as it is read."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from posthouse.net.connection import ConnectionLost, Stream
from posthouse.wire.imap.deflate import Deflater

PIECE = 65_536  # octets that are gathered before they are sent


class CutOff(Exception):
    """A response cannot be finished: the connection ends without another word."""


class Output:
    """At most a piece and what was written last wait here; beyond that the session waits for its client.

    is_mid_response: what was written so far ends in the middle of a response. deflater: by which it is compressed.
    """

    __slots__ = ("_parts", "_size", "_stream", "_timeout", "deflater", "is_mid_response", "mirror")

    def __init__(self, stream: Stream, timeout: float, mirror: Callable[[bytes], None] | None = None) -> None:
        """timeout: seconds for the client to take what it is sent. mirror: sees all that is sent."""
        self._stream = stream
        self._timeout = timeout
        self.mirror = mirror
        self._parts: list[bytes] = []
        self._size = 0
        self.is_mid_response = False
        self.deflater: Deflater | None = None

    def write(self, octets: bytes) -> None:
        self._parts.append(octets)
        self._size += len(octets)

    def write_parts(self, parts: Sequence[bytes]) -> None:
        self._parts += parts
        self._size += sum(map(len, parts))

    @property
    def is_piece(self) -> bool:
        """So much is gathered that `relieve` would send it."""
        return self._size >= PIECE

    async def write_all(self, pieces: Iterable[bytes]) -> None:
        """Write one after the other, as fast as they are taken. Raises ConnectionLost."""
        for octets in pieces:
            self.write(octets)
            await self.relieve()

    def take(self) -> bytes:
        """What is gathered and not yet sent, as it goes over the wire; the caller sends it."""
        octets = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        if self.mirror is not None and octets:
            self.mirror(octets)
        return self.deflater.deflate(octets) if self.deflater is not None and octets else octets

    async def send(self) -> None:
        """Send what is gathered. Raises ConnectionLost, also for a client that does not read."""
        if self._stream.is_lost:
            raise ConnectionLost
        if self._parts:
            self._stream.write(self.take())
        if self._stream.is_full:
            try:
                await self._stream.drain(self._timeout)
            except TimeoutError as err:
                self._stream.abort()
                raise ConnectionLost from err

    async def relieve(self) -> None:
        """Send when a piece is gathered, and let other sessions have their turn."""
        if self.is_piece:
            await self.send()
            await asyncio.sleep(0)
