"""One scan of a message: its parts, ENVELOPE and BODYSTRUCTURE.

Any octets are a message, and the time taken grows with their number only. What lies over a limit is one part that is
not taken apart. Lines are meant to end in CRLF; a bare LF ends one, too.
"""

from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple

from posthouse.message.date import parse_date
from posthouse.message.structure.bodystructure import basic_part, message_part, multipart, text_part
from posthouse.message.structure.boundaries import MESSAGE_END, Delimiter, OpenBoundaries
from posthouse.message.structure.content import (
    MESSAGE_RFC822,
    PLAIN_TEXT,
    UNKNOWN,
    MediaType,
    boundary,
    media_type,
)
from posthouse.message.structure.envelope import envelope
from posthouse.message.structure.fields import Fields, read_fields, value_of
from posthouse.message.structure.parts import LEAF, MESSAGE, MULTIPART, Part, pack_parts

DEPTH_MAX = 100  # multiparts and messages inside each other
PARTS_MAX = 10_000  # parts that are taken apart
STRUCTURE_MAX = 1_048_576  # octets of BODYSTRUCTURE, from which on nothing more is taken apart
MESSAGE_ID_MAX = 998  # octets that are kept: one line (RFC 5322 §2.1.1)
_CHUNK = 262_144  # octets of a mapped file that are in memory at a time, to count lines
_PLACEHOLDER = Part(0, 0, 0, 0, LEAF)  # for a part whose end is not known yet

Octets = bytes | mmap


@dataclass(frozen=True, slots=True)
class Structure:
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
    fields: Fields
    end: Delimiter


class _Scan:
    def __init__(self, data: Octets, head: bytes) -> None:
        self._data = data
        self._head = head
        self._shift = len(head)  # from offsets in `data` to offsets in the message
        self._open = OpenBoundaries(data, len(data))
        self._end = Delimiter(len(data), MESSAGE_END, len(data), closing=False)
        self._parts: list[Part] = []
        self._depth = 0
        self._written = 0  # octets of BODYSTRUCTURE so far

    def result(self) -> Structure:
        body = 0 if self._head else self._body_of(0, len(self._data))
        header = self._head or self._data[:body]
        message = self._entity(-self._shift, body, header, self._end, PLAIN_TEXT)
        return Structure(
            envelope=envelope(message.fields),
            structure=message.structure,
            parts=pack_parts(self._parts),
            size=self._shift + len(self._data),
            header_size=self._parts[0].body,
            message_id=value_of(message.fields, b"message-id")[:MESSAGE_ID_MAX],
            date=parse_date(value_of(message.fields, b"date")),
        )

    def _part(self, start: int, default: MediaType) -> _Entity:
        """Scan the part of a multipart that begins here, to the delimiter that ends it."""
        end = self._open.next(start - 1)
        body = self._body_of(start, end.at)
        return self._entity(start, body, self._data[start:body], end, default)

    def _entity(self, start: int, body: int, header: bytes, end: Delimiter, default: MediaType) -> _Entity:
        """Scan what has this header. `end` is the next delimiter of the multiparts around it."""
        fields = read_fields(header)
        media = media_type(fields, default)
        place = len(self._parts)
        self._parts.append(_PLACEHOLDER)
        kind, entity = self._inside(media, fields, body, end)
        stop = max(entity.end.at, body)
        inside = len(self._parts) - place - 1
        self._parts[place] = Part(start + self._shift, body + self._shift, stop + self._shift, inside, kind)
        return entity

    def _inside(self, media: MediaType, fields: Fields, body: int, end: Delimiter) -> tuple[int, _Entity]:
        """Take apart what is a multipart or a message, as far as the limits allow."""
        is_message = media.kind == b"message/rfc822"
        if not is_message and not media.kind.startswith(b"multipart/"):
            return LEAF, self._leaf(media, fields, body, end)
        if self._depth >= DEPTH_MAX or self._is_full():
            return LEAF, self._leaf(UNKNOWN, fields, body, end)
        self._depth += 1
        try:
            if is_message:
                return MESSAGE, self._message(media, fields, body, end)
            parts, end_of_parts = self._multipart(media, body)
        finally:
            self._depth -= 1
        if not parts:
            return LEAF, self._leaf(PLAIN_TEXT, fields, body, end)
        return MULTIPART, _Entity(multipart(media, fields, parts), fields, end_of_parts)

    def _leaf(self, media: MediaType, fields: Fields, body: int, end: Delimiter) -> _Entity:
        stop = max(end.at, body)
        if media.kind.startswith(b"text/"):
            structure = text_part(media, fields, stop - body, self._lines(body, stop))
        else:
            structure = basic_part(media, fields, stop - body)
        self._written += len(structure)
        return _Entity(structure, fields, end)

    def _message(self, media: MediaType, fields: Fields, body: int, end: Delimiter) -> _Entity:
        inner_body = self._body_of(body, end.at)
        inner = self._entity(body, inner_body, self._data[body:inner_body], end, PLAIN_TEXT)
        inner_envelope = envelope(inner.fields)
        self._written += len(inner_envelope)
        stop = max(inner.end.at, body)
        structure = message_part(
            media,
            fields,
            stop - body,
            self._lines(body, stop),
            envelope=inner_envelope,
            structure=inner.structure,
        )
        return _Entity(structure, fields, inner.end)

    def _multipart(self, media: MediaType, body: int) -> tuple[list[bytes], Delimiter]:
        """Scan the parts of a multipart. Gives their structures, and the delimiter that ends the multipart."""
        parts: list[bytes] = []
        between = boundary(media)
        if between is None:
            return parts, self._end
        default = MESSAGE_RFC822 if media.kind == b"multipart/digest" else PLAIN_TEXT
        level = self._open.open(between)
        end = self._open.next(body - 1)
        while end.level == level and not end.closing and not self._is_full():
            part = self._part(end.after, default)
            parts.append(part.structure)
            end = part.end
        self._open.close(level)
        if end.level == level:
            start, rest = end.after, not end.closing
            end = self._open.next(start - 1)
            if rest:
                parts.append(self._entity(start, start, b"", end, UNKNOWN).structure)
        return parts, end

    def _is_full(self) -> bool:
        return len(self._parts) >= PARTS_MAX or self._written >= STRUCTURE_MAX

    def _body_of(self, start: int, stop: int) -> int:
        """The offset behind the blank line that ends the header at `start`; `stop`, or `start`, if it has none."""
        data = self._data
        for line_end in (b"\r\n", b"\n"):
            body = start + len(line_end)
            if body <= stop and data[start:body] == line_end:
                return body
        blank = data.find(b"\n\r\n", start, stop)
        bare = data.find(b"\n\n", start, blank if blank >= 0 else stop)
        if bare >= 0:
            return bare + 2
        return blank + 3 if blank >= 0 else max(start, stop)

    def _lines(self, start: int, stop: int) -> int:
        if isinstance(self._data, bytes):
            return self._data.count(b"\n", start, stop)
        chunks = range(start, stop, _CHUNK)
        return sum(self._data[at : min(at + _CHUNK, stop)].count(b"\n") for at in chunks)
