"""Messages with file descriptors over a Unix socket, between the supervisor and its workers."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence

MESSAGE_MAX = 65_536  # octets of one message
DESCRIPTORS_MAX = 253  # SCM_MAX_FD of Linux
WAITING_MAX = 10_000  # messages waiting for a peer that does not read; further ones are dropped

Received = Callable[[bytes, list[int]], None]


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a channel; messages keep their borders and order."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Channel:
    """One end of a channel on the event loop. Sending never blocks."""

    def __init__(self, end: socket.socket, received: Received, closed: Callable[[], None]) -> None:
        """`received(message, descriptors)` owns the descriptors; `closed()` is called when the other end is gone."""
        self._socket = end
        self._received = received
        self._closed = closed
        self._waiting: deque[tuple[bytes, Sequence[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        end.setblocking(False)
        self._loop.add_reader(end.fileno(), self._readable)

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> bool:
        """Send or queue a message; False when it had to be dropped. Descriptors stay the caller's until then."""
        assert len(message) <= MESSAGE_MAX
        if self._socket.fileno() < 0 or len(self._waiting) >= WAITING_MAX:
            return False
        self._waiting.append((message, descriptors))
        if len(self._waiting) == 1:
            self._flush()
        return True

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()

    def _flush(self) -> None:
        while self._waiting:
            message, descriptors = self._waiting[0]
            try:
                socket.send_fds(self._socket, [message], list(descriptors))
            except BlockingIOError:
                self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except OSError:  # the other end is gone; `_readable` will say so
                self._waiting.clear()
                return
            self._waiting.popleft()
        self._loop.remove_writer(self._socket.fileno())

    def _readable(self) -> None:
        while self._socket.fileno() >= 0:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_MAX, DESCRIPTORS_MAX)
            except BlockingIOError:
                return
            except OSError:
                message, descriptors = b"", []
            if not message:
                self.close()
                self._closed()
                return
            self._received(message, descriptors)
