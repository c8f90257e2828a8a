"""A filter of the milter protocol on loopback, that answers what a test wants.

    async with FakeFilter({b"R": answer(b"r")}) as peer:
        check = configured(f"milter {peer.address}")

At its end it fails the test for a connection that is left open. It knows nothing of `posthouse.wire.milter`.
"""

import asyncio
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Final, Self


class Trouble(Enum):
    SILENCE = "it never answers"
    END = "it closes the connection"


PATIENCE: Final = 20.0  # seconds; only a connection that is left open takes them
OPTIONS: Final = (6, 0x21, 0)  # version, actions, steps


def answer(letter: bytes, data: bytes = b"") -> bytes:
    """A packet."""
    return struct.pack("!I", 1 + len(data)) + letter + data


CONTINUE: Final = answer(b"c")


@dataclass(slots=True)
class FakeFilter:
    """answers: by the letter of a step, what is written then, whole packets usually; others are continued.

    options: version, actions and steps that it says at first. packets: what it was told, in order.
    """

    answers: Mapping[bytes, bytes | Trouble] = field(default_factory=dict)
    options: tuple[int, int, int] = OPTIONS
    silent: bytes = b""  # steps that it does not answer, as it has said in its options
    packets: list[tuple[bytes, bytes]] = field(default_factory=list)
    offered: tuple[int, int, int] = (0, 0, 0)
    address: str = ""
    _server: asyncio.Server | None = None
    _open: set[asyncio.Task[None]] = field(default_factory=set)  # connections

    def told(self, letter: bytes) -> list[bytes]:
        """The data of all packets of a step."""
        return [data for one, data in self.packets if one == letter]

    @property
    def steps(self) -> str:
        """The letters of all packets."""
        return b"".join(letter for letter, _ in self.packets).decode()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = "tcp://127.0.0.1:%d" % self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        left = (await asyncio.wait(self._open, timeout=PATIENCE))[1] if self._open else ()
        for task in left:
            task.cancel()
        assert not left, "a connection is left open"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a packet and answer it; whether the conversation goes on."""
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        packet = await reader.readexactly(length)
        letter, data = packet[:1], packet[1:]
        if letter != b"O":
            self.packets.append((letter, data))
        said = self.answers.get(letter)
        if isinstance(said, Trouble):
            return said is Trouble.SILENCE
        if said is not None:
            writer.write(said)
        elif letter == b"O":
            self.offered = struct.unpack("!III", data)
            writer.write(answer(b"O", struct.pack("!III", *self.options)))
        elif letter not in b"DQA" + self.silent:
            writer.write(CONTINUE)
        return letter != b"Q"
