"""A message as it comes in: its header in memory, its body in a buffer, both within their limits."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.spool import BodyBuffer, Spool
from posthouse.message.header import Header, HeaderError, find_body
from posthouse.modules.endpoint.smtp.attempt import attempt
from posthouse.wire.smtp.reply import Reply

TOO_BIG: Final = Reply(552, (5, 3, 4), "Maximum message size exceeded")
HEADER_TOO_BIG: Final = Reply(552, (5, 3, 4), "Message header size exceeds limit")
UNREADABLE: Final = Reply(554, (5, 0, 0), "Internal server error")


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """In octets; `message` 0 is no limit."""

    message: int
    header: int
    received: int  # fields


class Intake:
    """The content of one message. After a mistake the rest of it is passed over; `finish` tells."""

    __slots__ = ("_body", "_error", "_head", "_limits", "_raw_header", "_size")

    def __init__(self, spool: Spool, limits: IntakeLimits) -> None:
        self._limits = limits
        self._head: bytes | bytearray = b""  # while the end of the header has not come
        self._raw_header: bytes | None = None
        self._body = BodyBuffer(spool)
        self._size = 0
        self._error: Exception | None = None

    async def take(self, data: bytes) -> None:
        """The next octets. Raises nothing: what goes wrong is kept for `finish`."""
        if self._error is not None:
            return
        self._size += len(data)
        if self._size > self._limits.message > 0:
            await self._fail(MailError(TOO_BIG))
            return
        if self._raw_header is None:
            data = self._take_header(data)
        if data:
            error = await attempt(self._body.write(data))
            if error is not None:
                await self._fail(error)

    async def finish(self) -> tuple[Header, Body]:
        """The message, whole. Raises MailError, or what kept the body from being stored."""
        if self._error is None and self._raw_header is None:  # the message is only a header
            self._raw_header = bytes(self._head)
        if self._error is not None:
            raise self._error
        assert self._raw_header is not None
        try:
            header = Header.parse(self._raw_header)
        except HeaderError as err:
            raise MailError(UNREADABLE) from err
        count = header.count(b"Received")
        if count > self._limits.received:
            text = f"Too many Received header fields ({count}), possible forwarding loop"
            raise MailError(Reply(554, (5, 4, 6), text))
        return header, await self._body.finish()

    async def discard(self) -> None:
        """Forget everything; to be called in every case."""
        self._head = b""
        await self._body.discard()

    def _take_header(self, data: bytes) -> bytes:
        """Keep what belongs to the header, and give back what follows it."""
        searched = len(self._head)
        if searched:
            self._head += data
        else:
            self._head = data
        end = find_body(self._head, searched)
        if (end if end >= 0 else len(self._head)) > self._limits.header:
            self._error = MailError(HEADER_TOO_BIG)
            self._head = b""
            return b""
        if end < 0:
            if not isinstance(self._head, bytearray):
                self._head = bytearray(self._head)
            return b""
        self._raw_header = bytes(self._head[:end])
        rest = bytes(self._head[end:])
        self._head = b""
        return rest

    async def _fail(self, error: Exception) -> None:
        self._error = error
        await self.discard()
