"""A conversation with a filter about one message: connect, one step after another, and an end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from posthouse.net.connection import ConnectionLost, Stream
from posthouse.wire.lines import ProtocolError
from posthouse.wire.milter.answers import AddField, Change, Decision, OtherChange, Quarantine, ReplyCode
from posthouse.wire.milter.client import MilterSession
from posthouse.wire.milter.options import Steps
from posthouse.wire.milter.packets import DATA_MAX

STEP_MAX: Final = 300.0  # seconds for one step, however often the filter asks for more time
ADDED_MAX: Final = 1000  # header fields that a filter may add
ADDED_OCTETS_MAX: Final = 1_048_576  # of them all

Connect = Callable[[], Awaitable[Stream]]
Outcome = Decision | ReplyCode


class FilterFailed(Exception):
    """The filter is not there, breaks off, is late, or answers nonsense."""


@dataclass(slots=True)
class Changes:
    """What a filter wants to be changed."""

    on_top: list[bytes] = field(default_factory=list)  # whole header fields; the last one is the topmost
    below: list[bytes] = field(default_factory=list)
    quarantine: str | None = None  # the reason
    ignored: dict[str, int] = field(default_factory=dict)  # what we do not do, and how often it was asked for
    octets: int = 0  # of header fields

    @property
    def fields(self) -> tuple[bytes, ...]:
        """In the order in which they shall stand."""
        return (*reversed(self.on_top), *self.below)

    def take(self, change: Change, separator: bytes) -> None:
        """Raises FilterFailed when it gets too much. separator: what stands before the value of a field."""
        match change:
            case AddField(name, value, index):
                whole = b"%b:%b%b\r\n" % (name, separator, value)
                (self.below if index is None else self.on_top).append(whole)
                self.octets += len(whole)
                if len(self.on_top) + len(self.below) > ADDED_MAX or self.octets > ADDED_OCTETS_MAX:
                    raise FilterFailed("the filter adds too many header fields")
                if index is not None and index > 1:
                    self._ignore("place of a header field")
            case Quarantine(reason):
                self.quarantine = reason
            case OtherChange(what):
                self._ignore(what)

    def _ignore(self, what: str) -> None:
        self.ignored[what] = self.ignored.get(what, 0) + 1


class Conversation:
    """One connection. After FilterFailed only `close` may be called."""

    def __init__(self, stream: Stream, timeout: float) -> None:
        self._stream = stream
        self._timeout = timeout
        self.session = MilterSession()
        self.changes = Changes()

    @classmethod
    async def open(cls, connect: Connect, timeout: float) -> "Conversation":
        """Connect, and agree on options. timeout: seconds for the connection, each read and each write."""
        try:
            async with asyncio.timeout(timeout):
                stream = await connect()
        except TimeoutError as err:
            raise FilterFailed(f"no connection within {timeout:g} seconds") from err
        except OSError as err:
            raise FilterFailed(str(err)) from err
        conversation = cls(stream, timeout)
        try:
            await conversation.answer()
        except FilterFailed as err:
            stream.abort()
            if isinstance(err.__cause__, ConnectionLost):  # libmilter says no more
                raise FilterFailed(
                    "the filter breaks off at once: it may want other changes than new header fields and quarantine"
                ) from err
            raise
        except BaseException:
            stream.abort()
            raise
        return conversation

    async def answer(self) -> Outcome:
        """Wait for the final answer to the step that was begun, if it has one. Raises FilterFailed."""
        if not self.session.is_due:
            return Decision.CONTINUE
        try:
            async with asyncio.timeout(STEP_MAX):
                return await self._answer()
        except ProtocolError as err:
            raise FilterFailed(f"the filter answers nonsense: {err}") from err
        except ConnectionLost as err:
            raise FilterFailed("the filter closed the connection") from err
        except TimeoutError as err:
            raise FilterFailed(f"no answer within {self._timeout:g} seconds") from err

    async def _answer(self) -> Outcome:
        session, stream = self.session, self._stream
        stream.write(session.data_to_send())
        if stream.is_full:
            await stream.drain(self._timeout)
        final: Outcome = Decision.CONTINUE
        while session.is_waiting:
            answer = session.next_answer()
            if answer is None:
                data = await stream.read(self._timeout)
                if not data:
                    raise ConnectionLost
                session.feed(data)
            elif isinstance(answer, Change):
                self.changes.take(answer, self._separator)
            else:
                final = answer
        return final

    @property
    def _separator(self) -> bytes:
        return b"" if self.session.options.steps & Steps.LEADING_SPACE else b" "

    def close(self) -> None:
        """Say that it is over."""
        self.session.quit()
        self._stream.write(self.session.data_to_send())
        self._stream.close()


async def portions(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body in pieces that a packet holds."""
    async for chunk in chunks:
        for at in range(0, len(chunk), DATA_MAX):
            yield chunk[at : at + DATA_MAX]
