"""The delimiter lines of multiparts, found without looking at any other line (RFC 2046 §5.1)."""

from mmap import mmap
from typing import NamedTuple

MESSAGE_END = -1
_CR = 0x0D


class Delimiter(NamedTuple):
    """A delimiter line, or the end of the message."""

    at: int  # where what stands before it ends: the line end before a delimiter belongs to it
    line: int  # where its line begins
    level: int  # of the multipart that it belongs to, 0 is the outermost; MESSAGE_END
    after: int  # where the next line begins
    closing: bool  # the last one of its multipart; also one at which the message breaks off


class OpenBoundaries:
    """The boundaries of the multiparts that we are inside of.

    A boundary counts where a line begins with it, whatever follows (RFC 2046 §5.1.2, note to implementors). Where
    several fit, the longest is meant; of equal ones that of the innermost multipart.

    Each search ends where a multipart further out has its next delimiter, so every level reads each octet once.
    """

    def __init__(self, data: bytes | mmap, end: int) -> None:
        self._data = data
        self.message_end = Delimiter(end, end, MESSAGE_END, end, closing=False)
        self._lines: list[bytes] = []  # how the delimiters begin: two hyphens, boundary; outermost first
        self._found: list[int] = []  # the line end before the next of each, or a place before which is none

    def open(self, boundary: bytes) -> int:
        """Enter a multipart; gives its level."""
        self._lines.append(b"--" + boundary)
        self._found.append(-2)
        return len(self._lines) - 1

    def close(self, level: int) -> None:
        """Leave the multipart of this level and all inside of it."""
        del self._lines[level:]
        del self._found[level:]

    def next(self, at: int) -> Delimiter:
        """The first delimiter behind a line end at this offset or later; -1 stands for one before the data."""
        found, nearest, level, length = self._found, self.message_end.at, MESSAGE_END, 0
        for candidate, line in enumerate(self._lines):
            if found[candidate] <= at:
                found[candidate] = self._search(line, at, nearest)
            place = found[candidate]
            if place < nearest or (place == nearest and len(line) >= length):
                nearest, level, length = place, candidate, len(line)
        return self.message_end if level == MESSAGE_END else self._delimiter(nearest, level, length)

    def _search(self, line: bytes, at: int, last: int) -> int:
        """The line end before the first such line, if it is not behind `last`; else the place behind that."""
        if at < 0:
            if self._data[: len(line)] == line:
                return at
            at = 0
        found = self._data.find(b"\n" + line, at, last + 1 + len(line))
        return last + 1 if found < 0 else found

    def _delimiter(self, line_end: int, level: int, length: int) -> Delimiter:
        """The delimiter of this level behind this line end; its hyphens and its boundary have `length` octets."""
        data, start = self._data, line_end + 1
        behind = start + length
        after = data.find(b"\n", behind) + 1
        closing = not after or data[behind : behind + 2] == b"--"
        at = line_end - 1 if line_end > 0 and data[line_end - 1] == _CR else max(line_end, 0)
        return Delimiter(at, start, level, after or self.message_end.after, closing)
