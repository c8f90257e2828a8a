"""One scan of a message: its parts, ENVELOPE and BODYSTRUCTURE.

Any octets are a message, and the time taken grows with their number only. What lies over a limit is one part that is
not taken apart. Lines are meant to end in CRLF; a bare LF ends one, too.
"""

from mmap import mmap
from typing import NamedTuple

from posthouse.message.date import parse_date
from posthouse.message.structure.bodystructure import (
    Description,
    basic_part,
    describe,
    message_part,
    multipart,
    text_part,
)
from posthouse.message.structure.boundaries import Delimiter, OpenBoundaries
from posthouse.message.structure.envelope import envelope
from posthouse.message.structure.fields import content_fields, read_fields, value_of
from posthouse.message.structure.parts import LEAF, MESSAGE, MULTIPART, Part, pack_parts

DEPTH_MAX = 100  # multiparts and messages inside each other
PARTS_MAX = 10_000  # parts; after them comes what is left of each open multipart
STRUCTURE_MAX = 1_048_576  # octets of BODYSTRUCTURE, from which on nothing more is taken apart
MESSAGE_ID_MAX = 998  # octets that are kept: one line (RFC 5322 §2.1.1)
_CHUNK = 262_144  # octets of a mapped file that are in memory at a time, to count lines
_PLACEHOLDER = Part(0, 0, 0, 0, LEAF)  # for a part whose end is not known yet

# Fields put below those of a part are what it is when it does not say; put above them, what it is whatever it says.
_TEXT = b"\nContent-Type: text/plain"  # also what a part is that says nothing (RFC 2045 §5.2)
_MESSAGE = b"\nContent-Type: message/rfc822"  # in a multipart/digest (RFC 2046 §5.1.5)
_UNKNOWN = b"\nContent-Type: application/octet-stream"

Octets = bytes | mmap


class Structure(NamedTuple):
    """What a scan finds. It never changes for a message, and is stored beside it."""

    envelope: bytes  # ENVELOPE, ready for the wire
    structure: bytes  # BODYSTRUCTURE, ready for the wire
    parts: bytes  # for `parts_of`
    size: int  # octets of the whole message
    header_size: int  # octets up to the body, with the blank line
    message_id: bytes  # Message-ID as it is written, at most MESSAGE_ID_MAX octets; b"" without
    date: int | None  # the time in the Date field, in seconds since the epoch


def scan(data: Octets, head: bytes = b"") -> Structure:
    """Scan a message. Its octets are `head` and `data`; where a head is given, it is the header with its blank line."""
    return _Scan(data, head).result()


class _Entity(NamedTuple):
    """A part, or a whole message, that has been scanned."""

    structure: bytes
    header: bytes
    stop: int  # where its body ends
    end: Delimiter  # the one that ended it


class _Scan:
    def __init__(self, data: Octets, head: bytes) -> None:
        self._data = data
        self._head = head
        self._shift = len(head)  # from offsets in `data` to offsets in the message
        self._open = OpenBoundaries(data, len(data))
        self._parts: list[Part] = []
        self._depth = 0
        self._written = 0  # octets of BODYSTRUCTURE so far

    def result(self) -> Structure:
        end = self._open.message_end
        message = self._entity(-self._shift, 0, self._head, end) if self._head else self._from(0, end)
        fields = read_fields(message.header)
        return Structure(
            envelope=envelope(fields),
            structure=message.structure,
            parts=pack_parts(self._parts),
            size=self._shift + len(self._data),
            header_size=self._parts[0].body,
            message_id=value_of(fields, b"message-id")[:MESSAGE_ID_MAX],
            date=parse_date(value_of(fields, b"date")),
        )

    def _from(self, start: int, end: Delimiter, default: bytes = b"") -> _Entity:
        """Scan what begins with a header here. `end` is the next delimiter of the multiparts around it."""
        body = self._body_of(start, end.line)
        if body < 0:
            return self._entity(start, end.line, self._data[start : end.line], end, default, broken_off=True)
        return self._entity(start, body, self._data[start:body], end, default)

    def _entity(
        self,
        start: int,
        body: int,
        header: bytes,
        end: Delimiter,
        default: bytes = b"",
        *,
        broken_off: bool = False,
    ) -> _Entity:
        """Scan what has this header. broken_off: a delimiter, or the message's end, came before the blank line."""
        place = len(self._parts)
        self._parts.append(_PLACEHOLDER)
        kind, structure, stop, end = self._inside(content_fields(header) + default, body, end, broken_off)
        inside = len(self._parts) - place - 1
        shift = self._shift
        self._parts[place] = Part(start + shift, body + shift, stop + shift, inside, kind)
        return _Entity(structure, header, stop, end)

    def _inside(
        self, fields: bytes, body: int, end: Delimiter, broken_off: bool
    ) -> tuple[int, bytes, int, Delimiter]:
        """Take apart what is a multipart or a message, as far as the limits allow.

        Gives the kind of part, its BODYSTRUCTURE, where its body ends, and the delimiter that ended it.
        """
        described = describe(fields)
        is_message = described.kind == b"message/rfc822"
        if not is_message and not described.kind.startswith(b"multipart/"):
            return LEAF, *self._leaf(described, body, end)
        if self._depth >= DEPTH_MAX or self._is_full():
            return LEAF, *self._leaf(describe(_UNKNOWN + fields), body, end)
        self._depth += 1
        try:
            if is_message:
                return MESSAGE, *self._message(described, body, end)
            parts, end = ([], end) if broken_off else self._multipart(described, body, end)
        finally:
            self._depth -= 1
        if not parts:
            return LEAF, *self._leaf(describe(_TEXT + fields), body, end)
        return MULTIPART, multipart(described, parts), max(end.at, body), end

    def _leaf(self, described: Description, body: int, end: Delimiter) -> tuple[bytes, int, Delimiter]:
        stop = max(end.at, body)
        if described.kind.startswith(b"text/"):
            structure = text_part(described, stop - body, self._lines(body, stop))
        else:
            structure = basic_part(described, stop - body)
        self._written += len(structure)
        return structure, stop, end

    def _message(self, described: Description, body: int, end: Delimiter) -> tuple[bytes, int, Delimiter]:
        inner = self._from(body, end)
        inner_envelope = envelope(read_fields(inner.header))
        self._written += len(inner_envelope)
        structure = message_part(
            described,
            inner.stop - body,
            self._lines(body, inner.stop),
            envelope=inner_envelope,
            structure=inner.structure,
        )
        return structure, inner.stop, inner.end

    def _multipart(self, described: Description, body: int, end: Delimiter) -> tuple[list[bytes], Delimiter]:
        """Scan the parts of a multipart. Gives their structures, and the delimiter that ends them all."""
        parts: list[bytes] = []
        if described.boundary is None:
            return parts, end
        default = _MESSAGE if described.kind == b"multipart/digest" else b""
        level = self._open.open(described.boundary)
        end = self._open.next(body - 1)
        while end.level == level and not end.closing and not self._is_full():
            part = self._from(end.after, self._open.next(end.after - 1), default)
            parts.append(part.structure)
            end = part.end
        self._open.close(level)
        if end.level == level:
            start, is_rest = end.after, not end.closing
            end = self._open.next(start - 1)
            if is_rest:
                parts.append(self._entity(start, start, b"", end, _UNKNOWN).structure)
        return parts, end

    def _is_full(self) -> bool:
        return len(self._parts) >= PARTS_MAX or self._written >= STRUCTURE_MAX

    def _body_of(self, start: int, stop: int) -> int:
        """The offset behind the blank line that ends the header at `start`, or -1 if there is none before `stop`."""
        data = self._data
        for line_end in (b"\r\n", b"\n"):
            body = start + len(line_end)
            if body <= stop and data[start:body] == line_end:
                return body
        blank = data.find(b"\n\r\n", start, stop)
        bare = data.find(b"\n\n", start, blank if blank >= 0 else stop)
        if bare >= 0:
            return bare + 2
        return blank + 3 if blank >= 0 else -1

    def _lines(self, start: int, stop: int) -> int:
        if isinstance(self._data, bytes):
            return self._data.count(b"\n", start, stop)
        chunks = range(start, stop, _CHUNK)
        return sum(self._data[at : min(at + _CHUNK, stop)].count(b"\n") for at in chunks)
