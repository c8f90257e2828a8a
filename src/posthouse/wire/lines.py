"""Lines of text protocols: octets in as they arrive, whole lines out. Only CRLF ends a line."""


class ProtocolError(Exception):
    """What the peer sent cannot be read as its protocol wants it."""


class BareNewline(ProtocolError):
    """A CR without LF, or a LF without CR: two hosts that disagree on it let a peer smuggle mail past the other."""


class LineTooLong(ProtocolError):
    """A line that is longer than allowed, or has not ended yet."""


class LineBuffer:
    """Octets that have arrived and are not taken yet: as lines, or as they are."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = b""
        self._at = 0  # octets of `_data` that are taken

    def __len__(self) -> int:
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        self._data = data if self._at == len(self._data) else self._data[self._at :] + data
        self._at = 0

    def line(self, limit: int) -> bytes | None:
        """The next line without its CRLF, or None until it is complete.

        Raises BareNewline (RFC 5321 §2.3.8), and LineTooLong for a line over `limit` octets with its CRLF.
        """
        end = self._data.find(b"\n", self._at)
        if (end if end >= 0 else len(self._data)) - self._at >= limit:
            raise LineTooLong
        if end < 0:
            return None
        line = self._data[self._at : end]
        if not line or line.find(b"\r") != len(line) - 1:
            raise BareNewline
        self._at = end + 1
        return line[:-1]

    def peek(self, most: int) -> bytes:
        """What is there, but no more than `most` octets; it stays."""
        return self._data[self._at : self._at + most]

    def take(self, most: int) -> bytes:
        """What is there, but no more than `most` octets."""
        data = self.peek(most)
        self._at += len(data)
        return data

    def take_all(self) -> bytes:
        data = self._data[self._at :] if self._at else self._data
        self.clear()
        return data

    def clear(self) -> None:
        """Forget everything that was not taken."""
        self._data = b""
        self._at = 0
