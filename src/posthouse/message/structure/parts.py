"""The table of a message's parts: where each begins and ends, so that sections are answered by slicing.

It is stored beside the message. Its form: one octet for the version, then an entry per part in the order of the
message, a part before those inside of it.
"""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

_VERSION = b"\1"
_ENTRY = Struct("<QQQIB")


LEAF, MULTIPART, MESSAGE = range(3)  # a MESSAGE is message/rfc822; its one part is the message in it


class Part(NamedTuple):
    """A part, or a whole message: offsets in octets from the beginning of the outermost message."""

    header: int  # where its header begins
    body: int  # where its header and the blank line after it end
    end: int  # where its body ends
    inside: int  # how many parts, of all levels, are inside of it; they follow it in the table
    kind: int  # LEAF, MULTIPART or MESSAGE


class Parts:
    """The parts of one message, found by their numbers (RFC 3501 §6.4.5)."""

    def __init__(self, entries: Sequence[Part]) -> None:
        self._entries = entries

    def __iter__(self) -> Iterator[Part]:
        """All parts of all levels, in the order of the message; the first is the message itself."""
        return iter(self._entries)

    def section(self, numbers: Sequence[int], text: bytes = b"") -> tuple[int, int] | None:
        """Offset and length of a section in octets. None: this message has no such section.

        numbers: those of the part, without any for the message itself.
        text: b"" for the part's body or the whole message; b"HEADER" and b"TEXT" of the message or of a message in a
        part, b"MIME" for the header of a part. Headers come with the blank line after them, where there is one.
        """
        at = self._find(numbers)
        if at is None:
            return None
        part = self._entries[at]
        if text == b"MIME":
            return (part.header, part.body - part.header) if numbers else None
        if numbers and text:
            if part.kind != MESSAGE:
                return None
            part = self._entries[at + 1]
        if text == b"HEADER":
            return part.header, part.body - part.header
        begin = part.body if numbers or text == b"TEXT" else part.header
        return begin, part.end - begin

    def _find(self, numbers: Sequence[int]) -> int | None:
        """The place in the table of the part with these numbers."""
        at, numbered = 0, self._of_message(0)
        for number in numbers:
            found = next((at for n, at in enumerate(numbered, 1) if n == number), None)
            if found is None:
                return None
            at, numbered = found, self._inside(found)
        return at

    def _inside(self, at: int) -> Iterator[int]:
        """The parts that are numbered below the part at this place."""
        kind = self._entries[at].kind
        if kind == MESSAGE:
            return self._of_message(at + 1)
        return self._children(at) if kind == MULTIPART else iter(())

    def _of_message(self, at: int) -> Iterator[int]:
        """The parts of the message at this place; what is no multipart has its body as part 1."""
        return self._children(at) if self._entries[at].kind == MULTIPART else iter((at,))

    def _children(self, at: int) -> Iterator[int]:
        stop = at + 1 + self._entries[at].inside
        at += 1
        while at < stop:
            yield at
            at += 1 + self._entries[at].inside


def pack_parts(entries: Sequence[Part]) -> bytes:
    """The table as it is stored."""
    return _VERSION + b"".join([_ENTRY.pack(*entry) for entry in entries])


def with_longer_header(table: bytes, octets: int) -> bytes:
    """The table of the same message with so many more octets on top of its header."""
    root, *inside = _ENTRY.iter_unpack(memoryview(table)[1:])
    moved = [(0, root[1] + octets, root[2] + octets, *root[3:])]
    moved += [(header + octets, body + octets, end + octets, *rest) for header, body, end, *rest in inside]
    return _VERSION + b"".join([_ENTRY.pack(*entry) for entry in moved])


def header_end(table: bytes) -> int:
    """Where the header of the message ends, with the blank line after it. Raises ValueError if it is no table."""
    if table[:1] != _VERSION or len(table) <= _ENTRY.size:
        raise ValueError("damaged table of parts")
    return Part._make(_ENTRY.unpack_from(table, 1)).body


def parts_of(table: bytes) -> Parts:
    """The parts in a table made by `pack_parts`. Raises ValueError if it is none."""
    if table[:1] != _VERSION or len(table) <= 1 or (len(table) - 1) % _ENTRY.size:
        raise ValueError("damaged table of parts")
    entries = list(map(Part._make, _ENTRY.iter_unpack(memoryview(table)[1:])))
    for left, part in zip(range(len(entries), 0, -1), entries, strict=True):
        if part.inside >= left or (part.kind == MESSAGE and not part.inside):
            raise ValueError("damaged table of parts")
    return Parts(entries)
