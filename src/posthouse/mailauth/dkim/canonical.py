"""The forms in which header fields and bodies are signed (RFC 6376 §3.4): what may change on the way is taken out."""

from collections.abc import Callable
from enum import StrEnum
from hashlib import sha256
from typing import Final

_LINE_END: Final = b"\r\n"
_LINE_ENDS: Final = _LINE_END * 8192
_LINE_ENDS_COUNT: Final = len(_LINE_ENDS) // len(_LINE_END)
_RUNS: Final = (
    b" " * 16,
    b"  ",
)  # with long ones first, long runs are gone in few rounds; a regexp takes 20 times the memory


class Canonicalization(StrEnum):
    """Which changes a signature survives."""

    SIMPLE = "simple"
    RELAXED = "relaxed"


def canonical_field(field: bytes, way: Canonicalization) -> bytes:
    """A whole field with its CRLF in canonical form, with CRLF too (RFC 6376 §3.4.1, §3.4.2)."""
    if way is Canonicalization.SIMPLE:
        return field
    name, _, value = field.partition(b":")
    return b"%b:%b\r\n" % (name.lower(), _squeezed(value.replace(_LINE_END, b"")).strip(b" "))


class CanonicalBody:
    """Brings a body into canonical form, in pieces of any size (RFC 6376 §3.4.3, §3.4.4).

    Takes time by the octet, and memory by the piece: line ends that may be the last ones are only counted. A bare CR or
    LF is an octet like others.
    """

    __slots__ = ("_line_ends", "_relaxed", "_rest", "_write", "_written")

    def __init__(self, way: Canonicalization, write: Callable[[bytes], object]) -> None:
        """`write` gets the canonical form, in pieces."""
        self._relaxed = way is Canonicalization.RELAXED
        self._write = write
        self._written = False  # anything but line ends
        self._line_ends = 0  # that came since, and are not written
        self._rest = b""  # a blank, a CR or both: what comes next tells what they are

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        data = self._rest + chunk if self._rest else chunk
        if self._relaxed:
            data = _squeezed(data).replace(b" \r\n", _LINE_END)
        cut = self._undecided(data)
        data, self._rest = data[:cut], data[cut:]
        line_ends = _line_ends_behind(data)
        if content := data[: len(data) - line_ends * len(_LINE_END)]:
            self._write_content(content)
        self._line_ends += line_ends

    def finish(self) -> None:
        """The body has ended: write what remains of it. To be called once."""
        rest = self._rest.rstrip(b" ") if self._relaxed else self._rest
        if rest:
            self._write_content(rest)
        if self._written or not self._relaxed:
            self._write(_LINE_END)

    def _undecided(self, data: bytes) -> int:
        """The offset of a blank or CR at the end that may belong to a line end."""
        end = len(data)
        if data.endswith(b"\r"):
            end -= 1
        if self._relaxed and data.endswith(b" ", 0, end):
            end -= 1
        return end

    def _write_content(self, content: bytes) -> None:
        """Write what is no line end, after those that are now known not to be the last ones."""
        while self._line_ends > _LINE_ENDS_COUNT:
            self._write(_LINE_ENDS)
            self._line_ends -= _LINE_ENDS_COUNT
        if self._line_ends:
            self._write(_LINE_END * self._line_ends)
            self._line_ends = 0
        self._write(content)
        self._written = True


class BodyHash:
    """The SHA-256 of a body in canonical form. It touches nothing else, so a thread may feed it."""

    __slots__ = ("_body", "_digest", "_hash")

    def __init__(self, way: Canonicalization) -> None:
        self._hash = sha256()
        self._body = CanonicalBody(way, self._hash.update)
        self._digest: bytes | None = None

    def update(self, chunk: bytes) -> None:
        """Take the next piece of the body, of any size; not after `digest`."""
        assert self._digest is None
        self._body.update(chunk)

    def digest(self) -> bytes:
        """The hash of the body, which has ended."""
        if self._digest is None:
            self._body.finish()
            self._digest = self._hash.digest()
        return self._digest


def _squeezed(data: bytes) -> bytes:
    """One blank for each sequence of blanks and tabs."""
    data = data.replace(b"\t", b" ")
    for run in _RUNS:
        while run in data:
            data = data.replace(run, b" ")
    return data


def _line_ends_behind(data: bytes) -> int:
    """How many CRLFs stand at the end."""
    tail = data[len(data.rstrip(_LINE_END)) :].replace(_LINE_END, b"\0")  # only CR and LF are left in it
    return len(tail) - len(tail.rstrip(b"\0"))
