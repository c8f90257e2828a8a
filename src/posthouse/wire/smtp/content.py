"""The octets of a message as DATA and BDAT carry them. Work is done in bulk: a loop over lines would cost ten times as much."""

import re
from typing import Final

from posthouse.wire.lines import LineTooLong

END_OF_DATA: Final = b"\r\n.\r\n"

# Both begin with a fixed octet, which `re` looks for as fast as `find` does; counting line ends takes twice as long.
_ODD_LF = re.compile(rb"\n(?<!\r\n(?!\.))").search  # a bare LF, or the end of a line that a dot follows
_BARE_CR = re.compile(rb"\r(?!\n)").search
_BARE_LF = re.compile(rb"\n(?<!\r\n)").search
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Newlines:
    """Watches for line ends that are not CRLF, and mends them if that is wanted.

    found: there was one. Then, unless they are mended, the message cannot be passed on.
    """

    __slots__ = ("found", "mends")

    def __init__(self, *, mends: bool) -> None:
        self.mends = mends
        self.found = False

    def check(self, content: bytes, *, lf_checked: bool = False) -> bytes:
        """The content, mended, or b"" when it is of no use. A CRLF must not be cut in two at either end of it."""
        if _BARE_CR(content) is None and (lf_checked or _BARE_LF(content) is None) and not self.found:
            return content
        self.found = True
        return _LINE_END.sub(b"\r\n", content) if self.mends else b""


class DataReader:
    """The content after DATA: dots removed, until CRLF.CRLF and nothing else ends it (RFC 5321 §4.1.1.4, §4.5.2)."""

    __slots__ = ("_held", "_line", "_line_max", "_newlines", "_skip")

    def __init__(self, newlines: Newlines, line_max: int) -> None:
        """line_max: octets of a line with its CRLF."""
        self._newlines = newlines
        self._line_max = line_max
        self._held = b"\r\n"  # may be a part of the end of data; the CRLF of the command counts as one
        self._skip = 2  # octets of `_held` that are no content
        self._line = 0  # octets of the current line, `_held` apart

    def read(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The content in `data`, and what follows the end of data; None while that has not come.

        Raises LineTooLong.
        """
        if self._held:
            data = self._held + data
        odd = _ODD_LF(data)
        first_odd = len(data) if odd is None else odd.start()
        end = -1 if odd is None else data.find(END_OF_DATA, max(first_odd - 1, 0))
        if end >= 0:
            cut, rest = end + 2, data[end + 5 :]
            is_plain = first_odd == cut - 1  # no line before the end of data is odd
        else:
            cut, rest = len(data) - _held_back(data), None
            is_plain = first_odd >= cut
            self._held = data[cut:]
        if not cut:
            return b"", rest
        self._count_line(data, cut)
        skip, self._skip = self._skip, 0
        content = data[skip:cut] if is_plain else data[:cut].replace(b"\r\n.", b"\r\n")[skip:]
        return self._newlines.check(content, lf_checked=is_plain), rest

    def _count_line(self, data: bytes, size: int) -> None:
        """Go through the first `size` octets."""
        start = -self._line  # where the current line began
        while size - start > self._line_max:
            end = data.rfind(b"\n", max(start, 0), start + self._line_max)
            if end < 0:
                raise LineTooLong
            start = end + 1
        last = data.rfind(b"\n", 0, size)
        self._line = size - (last + 1 if last >= 0 else start)


class ChunkReader:
    """The content of the chunks after BDAT: any octets (RFC 3030 §2), and still a text with CRLF line ends."""

    __slots__ = ("_held", "_newlines")

    def __init__(self, newlines: Newlines) -> None:
        self._newlines = newlines
        self._held = b""  # a CR that may have its LF in the next octets

    def read(self, data: bytes, *, last: bool) -> bytes:
        """The content in `data`; with the `last` octets also what was held back."""
        if self._held:
            data = self._held + data
        self._held = b""
        if not last and data.endswith(b"\r"):
            data, self._held = data[:-1], b"\r"
        return self._newlines.check(data)


def _held_back(data: bytes) -> int:
    """Octets at the end of `data` that may be the beginning of the end of data."""
    for length in (4, 3, 2, 1):
        if data.endswith(END_OF_DATA[:length]):
            return length
    return 0
