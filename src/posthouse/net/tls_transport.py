"""TLS of accepted connections, between a socket's transport and a stream, in little memory.

asyncio and uvloop keep a buffer of 256 KiB for each TLS connection, for as long as it lasts. Here octets pass through memory BIOs,
a record at a time: an idle connection takes what OpenSSL needs, 17 KiB, and little more.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, cast

HANDSHAKE_TIMEOUT = 30.0  # seconds for a TLS handshake
TLS_SHUTDOWN_TIMEOUT = 5.0  # seconds for the peer to answer our close_notify
RECORD: Final = (
    16_384  # octets that a record has at most (RFC 8446 §5.1), and that are read or written at a time
)
HANDSHAKE_RECORD: Final = 0x16  # the first octet of a client that speaks TLS (RFC 8446 §5.1)
ANSWERS_MAX: Final = RECORD  # octets that TLS itself answers after the handshake: 600 changes of keys

Admission = Callable[[asyncio.BaseTransport], Callable[[], None] | None]


class _State(Enum):
    HANDSHAKE = auto()
    OPEN = auto()
    CLOSING = auto()  # we have said that we close; what still comes is dropped
    CLOSED = auto()  # nothing is taken from the peer, or said to it, any more


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """The server's side of TLS: a protocol to the transport below, a transport to the protocol inside.

    Nothing that is in clear, before the handshake has been done or behind the end of TLS, comes inside (R-035, R-037).
    """

    __slots__ = (
        "_admit",
        "_answered",
        "_below",
        "_inbound",
        "_inside",
        "_is_inside_made",
        "_leave",
        "_loop",
        "_outbound",
        "_ready",
        "_refusal",
        "_speaks_tls",
        "_state",
        "_timer",
        "_tls",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        inside: asyncio.Protocol,
        context: ssl.SSLContext,
        ready: "asyncio.Future[None] | None" = None,
        *,
        refusal: bytes = b"",
        admit: Admission | None = None,
    ) -> None:
        """The inside is connected when the handshake is done; with `ready` it is already, and that hears how it went.

        refusal: what a peer hears in clear, before the connection is closed, that has not begun a handshake.
        admit: asked when the connection is made; gives what is to be called when the handshake is over, None for one too many.
        """
        self._loop = loop
        self._inside = inside
        self._is_inside_made = ready is not None
        self._ready = ready
        self._admit, self._leave = admit, _nothing
        self._refusal = refusal
        self._speaks_tls: bool | None = None  # the peer, once it has said something
        self._inbound, self._outbound = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._inbound, self._outbound, server_side=True)
        self._state = _State.HANDSHAKE
        self._answered = 0
        self._timer: asyncio.TimerHandle | None = None
        self._below: asyncio.Transport

    # --- asyncio.Protocol, for the transport below

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        if self._admit is not None:
            leave = self._admit(transport)
            if leave is None:
                self.abort()
                return
            self._leave = leave
        self._timer = self._loop.call_later(HANDSHAKE_TIMEOUT, self._give_up)

    def data_received(self, data: bytes) -> None:
        if self._speaks_tls is None and data:
            self._speaks_tls = data[0] == HANDSHAKE_RECORD
        for start in range(0, len(data), RECORD):
            if self._state is _State.CLOSED:
                return
            self._inbound.write(data[start : start + RECORD])
            self._advance()

    def eof_received(self) -> bool:
        """The peer has left without a word: the transport below closes."""
        self._end_inside()
        self._state = _State.CLOSED
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _State.CLOSED
        self._stop_timer()
        self._end_handshake()
        self._tell_ready(exc or ConnectionResetError("the peer left during the TLS handshake"))
        if self._is_inside_made:
            self._inside.connection_lost(exc)
        del (
            self._tls,
            self._inbound,
            self._outbound,
        )  # the inside knows us, and we know it: both may stay for a while

    def pause_writing(self) -> None:
        if self._is_inside_made:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        if self._is_inside_made:
            self._inside.resume_writing()

    # --- asyncio.Transport, for the protocol inside

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        """Encrypt and send. What the peer does not take yet waits below; so the limits for writing are those of below."""
        if self._state is not _State.OPEN:
            return
        pieces = []
        try:
            for start in range(0, len(data), RECORD):
                self._tls.write(data[start : start + RECORD])
                pieces.append(self._outbound.read())
        except ssl.SSLError as err:
            self._break_off(err)
        else:
            self._below.write(b"".join(pieces))

    def close(self) -> None:
        """Say that we close, and wait for the peer to say so too; a peer that does not has TLS_SHUTDOWN_TIMEOUT."""
        if self._state is _State.HANDSHAKE:
            self._close_below()
        elif self._state is _State.OPEN:
            self._say_end()
            self._state = _State.CLOSING
            self._timer = self._loop.call_later(TLS_SHUTDOWN_TIMEOUT, self._close_below)
            self._below.resume_reading()

    def abort(self) -> None:
        self._state = _State.CLOSED
        self._stop_timer()
        self._below.abort()

    def is_closing(self) -> bool:
        return self._state in (_State.CLOSING, _State.CLOSED) or self._below.is_closing()

    def pause_reading(self) -> None:
        self._below.pause_reading()

    def resume_reading(self) -> None:
        self._below.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._below.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # as asyncio declares it
        """`cipher` is known when the handshake is done; all else is asked of below."""
        return self._tls.cipher() if name == "cipher" else self._below.get_extra_info(name, default)

    # --- TLS

    def _advance(self) -> None:
        """Go on with what has come from the peer, and answer what TLS itself has to answer."""
        try:
            self._take()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end()
        except ssl.SSLError as err:
            self._break_off(err)
        if self._outbound.pending:
            self._answer()

    def _answer(self) -> None:
        """Send what TLS has to say. Behind the handshake only changes of keys are answered: who wants no end of them is left."""
        if self._state is not _State.HANDSHAKE:
            self._answered += self._outbound.pending
            if self._answered > ANSWERS_MAX:
                self.abort()
                return
        self._flush()

    def _take(self) -> None:
        """Raises SSLZeroReturnError when the peer has said that it closes, and as OpenSSL does."""
        if self._state is _State.HANDSHAKE:
            self._tls.do_handshake()
            self._open()
        while self._inbound.pending or self._tls.pending():
            octets = self._tls.read(RECORD)
            if not octets:
                raise ssl.SSLZeroReturnError
            if self._state is _State.OPEN:
                self._inside.data_received(octets)

    def _open(self) -> None:
        self._stop_timer()
        self._state = _State.OPEN
        self._refusal = b""
        self._flush()
        self._end_handshake()
        self._tell_ready(None)
        if not self._is_inside_made:
            self._is_inside_made = True
            self._inside.connection_made(self)

    def _end(self) -> None:
        """The peer has said that it closes, and does not listen any more either."""
        self._end_inside()
        if self._state is _State.OPEN:
            self._say_end()
        self._close_below()

    def _break_off(self, err: ssl.SSLError) -> None:
        """What the peer sends is no TLS, or not as we want it; it is told by an alert, or in clear."""
        self._tell_ready(err)
        self._end_inside()
        if self._may_refuse:
            self._outbound.read()  # an alert, which it would not understand
            self._below.write(self._refusal)
        self._close_below()

    def _give_up(self) -> None:
        self._tell_ready(TimeoutError("TLS handshake takes too long"))
        if self._may_refuse:
            self._below.write(self._refusal)
            self._close_below()
        else:
            self.abort()

    @property
    def _may_refuse(self) -> bool:
        """The peer has not begun to speak TLS, and may still listen in clear. Nothing is read from it any more."""
        return bool(self._refusal) and not self._speaks_tls

    def _end_inside(self) -> None:
        if self._state is _State.OPEN:
            self._inside.eof_received()

    def _say_end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # it is written; the peer has not answered yet
            self._tls.unwrap()
        self._flush()

    def _close_below(self) -> None:
        """Nothing more is said; what was written is sent."""
        self._flush()
        self._state = _State.CLOSED
        self._stop_timer()
        self._below.close()

    def _flush(self) -> None:
        if self._outbound.pending:
            self._below.write(self._outbound.read())

    def _end_handshake(self) -> None:
        leave, self._leave = self._leave, _nothing
        leave()

    def _tell_ready(self, err: Exception | None) -> None:
        ready, self._ready = self._ready, None
        if ready is None or ready.done():
            return
        if err is None:
            ready.set_result(None)
        else:
            ready.set_exception(err)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _nothing() -> None:
    """Nobody counts this handshake."""
