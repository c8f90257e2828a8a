"""One scan of a message: its parts, ENVELOPE and BODYSTRUCTURE.

Any octets are a message, and the time taken grows with their number only. What lies over a limit is one part that is
not taken apart. Lines are meant to end in CRLF; a bare LF ends one, too.
"""

from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple

from posthouse.message.date import parse_date
from posthouse.message.structure.bodystructure import basic_part, message_part, multipart, text_part
from posthouse.message.structure.boundaries import Delimiter, OpenBoundaries
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
PARTS_MAX = 10_000  # parts; after them comes what is left of each open multipart
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
        if self._head:
            message = self._entity(-self._shift, 0, self._head, end, PLAIN_TEXT)
        else:
            message = self._from(0, end, PLAIN_TEXT)
        return Structure(
            envelope=envelope(message.fields),
            structure=message.structure,
            parts=pack_parts(self._parts),
            size=self._shift + len(self._data),
            header_size=self._parts[0].body,
            message_id=value_of(message.fields, b"message-id")[:MESSAGE_ID_MAX],
            date=parse_date(value_of(message.fields, b"date")),
        )

    def _from(self, start: int, end: Delimiter, default: MediaType) -> _Entity:
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
        default: MediaType,
        *,
        broken_off: bool = False,
    ) -> _Entity:
        """Scan what has this header. broken_off: a delimiter, or the message's end, came before the blank line."""
        fields = read_fields(header)
        media = media_type(fields, default)
        place = len(self._parts)
        self._parts.append(_PLACEHOLDER)
        kind, entity = self._inside(media, fields, body, end, broken_off)
        inside = len(self._parts) - place - 1
        shift = self._shift
        self._parts[place] = Part(start + shift, body + shift, entity.stop + shift, inside, kind)
        return entity

    def _inside(
        self, media: MediaType, fields: Fields, body: int, end: Delimiter, broken_off: bool
    ) -> tuple[int, _Entity]:
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
            between = None if broken_off else boundary(media)
            parts, end = ([], end) if between is None else self._multipart(media, between, body)
        finally:
            self._depth -= 1
        if not parts:
            return LEAF, self._leaf(PLAIN_TEXT, fields, body, end)
        return MULTIPART, _Entity(multipart(media, fields, parts), fields, max(end.at, body), end)

    def _leaf(self, media: MediaType, fields: Fields, body: int, end: Delimiter) -> _Entity:
        stop = max(end.at, body)
        if media.kind.startswith(b"text/"):
            structure = text_part(media, fields, stop - body, self._lines(body, stop))
        else:
            structure = basic_part(media, fields, stop - body)
        self._written += len(structure)
        return _Entity(structure, fields, stop, end)

    def _message(self, media: MediaType, fields: Fields, body: int, end: Delimiter) -> _Entity:
        inner = self._from(body, end, PLAIN_TEXT)
        inner_envelope = envelope(inner.fields)
        self._written += len(inner_envelope)
        structure = message_part(
            media,
            fields,
            inner.stop - body,
            self._lines(body, inner.stop),
            envelope=inner_envelope,
            structure=inner.structure,
        )
        return _Entity(structure, fields, inner.stop, inner.end)

    def _multipart(self, media: MediaType, between: bytes, body: int) -> tuple[list[bytes], Delimiter]:
        """Scan the parts between these boundaries. Gives their structures, and the delimiter that ends them all."""
        parts: list[bytes] = []
        default = MESSAGE_RFC822 if media.kind == b"multipart/digest" else PLAIN_TEXT
        level = self._open.open(between)
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
                parts.append(self._entity(start, start, b"", end, UNKNOWN).structure)
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
