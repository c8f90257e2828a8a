"""The delimiter lines of multiparts, found without looking at any other line (RFC 2046 §5.1)."""

from mmap import mmap
from typing import NamedTuple

MESSAGE_END = -1


class Delimiter(NamedTuple):
    """A delimiter line, or the end of the message."""

    at: int  # where what stands before it ends: the line end before a delimiter belongs to it
    level: int  # of the multipart that it belongs to, 0 is the outermost; MESSAGE_END
    after: int  # where the next line begins
    closing: bool  # the last one of its multipart


class OpenBoundaries:
    """The boundaries of the multiparts that we are inside of.

    A boundary counts where a line begins with it, whatever follows (RFC 2046 §5.1.2, note to implementors). Where
    several fit, the longest is meant; of equal ones that of the innermost multipart.

    Each search ends where a multipart further out has its next delimiter, so every level reads each octet once.
    """

    def __init__(self, data: bytes | mmap, end: int) -> None:
        self._data = data
        self._end = end
        self._needles: list[bytes] = []  # LF, two hyphens, boundary; outermost first
        self._found: list[int] = []  # where each occurs next, or a place before which it does not

    def open(self, boundary: bytes) -> int:
        """Enter a multipart; gives its level."""
        self._needles.append(b"\n--" + boundary)
        self._found.append(-2)
        return len(self._needles) - 1

    def close(self, level: int) -> None:
        """Leave the multipart of this level and all inside of it."""
        del self._needles[level:]
        del self._found[level:]

    def next(self, at: int) -> Delimiter:
        """The first delimiter whose line begins behind a line end at this offset or later; -1 is that before the data."""
        nearest = self._end
        for level, needle in enumerate(self._needles):
            if self._found[level] < at:
                self._found[level] = self._search(needle, at, nearest)
            nearest = min(nearest, self._found[level])
        return self._delimiter(nearest)

    def _search(self, needle: bytes, at: int, stop: int) -> int:
        if at < 0:
            if self._data[: len(needle) - 1] == needle[1:]:
                return at
            at = 0
        found = self._data.find(needle, at, stop + len(needle))
        return stop if found < 0 else found

    def _delimiter(self, at: int) -> Delimiter:
        data, level, length = self._data, MESSAGE_END, 0
        if at >= self._end:
            return Delimiter(self._end, MESSAGE_END, self._end, closing=False)
        for candidate in range(len(self._needles) - 1, -1, -1):
            needle = self._needles[candidate]
            begin, skipped = (at, 0) if at >= 0 else (0, 1)
            if len(needle) > length and data[begin : at + len(needle)] == needle[skipped:]:
                level, length = candidate, len(needle)
        behind = at + length
        line_end = data.find(b"\n", behind, self._end)
        after = self._end if line_end < 0 else line_end + 1
        closing = data[behind : behind + 2] == b"--"
        if at > 0 and data[at - 1 : at] == b"\r":
            at -= 1
        return Delimiter(max(at, 0), level, after, closing)
