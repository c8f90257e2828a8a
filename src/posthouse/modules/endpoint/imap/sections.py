"""Octets of messages: what BODY[...] and RFC822 ask for."""

from collections.abc import Sequence
from typing import NamedTuple

from posthouse.framework.interfaces.storage import BrokenMessage, Content, StorageError
from posthouse.message.structure import Parts, parts_of
from posthouse.message.structure.parts import header_end
from posthouse.modules.endpoint.imap.output import PIECE, CutOff, Output
from posthouse.wire.imap.fetch import Partial, Section, Text
from posthouse.wire.imap.header_fields import select_fields

HEADER_MAX = 4_194_304  # octets of a header in which fields are chosen

_SELECTING = (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)


class _Stretch(NamedTuple):
    """Octets of a message."""

    offset: int
    length: int


class _Sections:
    """Where the sections of one message are. size: octets of the message. table: see `Content.parts`."""

    __slots__ = ("_parts", "_size", "_table")

    def __init__(self, size: int, table: bytes) -> None:
        self._size = size
        self._table = table
        self._parts: Parts | None = None

    def find(self, section: Section) -> _Stretch | None:
        """What is to be read of the message for it; see `_content`. None: the message has no such part. Raises BrokenMessage."""
        is_selecting = section.text in _SELECTING
        place = self._place(section.parts, Text.HEADER if is_selecting else section.text)
        if place is None:
            return None
        offset, length = place
        if is_selecting:
            return _Stretch(offset, min(length, HEADER_MAX))
        if section.partial is None:
            return _Stretch(offset, length)
        skipped = min(section.partial.offset, length)
        return _Stretch(offset + skipped, min(section.partial.length, length - skipped))

    def _place(self, parts: Sequence[int], text: Text) -> tuple[int, int] | None:
        """Offset and length of a section. The most common are found without the parts. Raises BrokenMessage."""
        if not parts and text is Text.ALL:
            return 0, self._size
        try:
            if not parts and text is Text.HEADER:
                return 0, header_end(self._table)
            if self._parts is None:
                self._parts = parts_of(self._table)
        except ValueError as err:
            raise BrokenMessage from err
        return self._parts.section(parts, text.value.encode())


def response(number: int, values: Sequence[bytes | Section], octets: bytes, table: bytes) -> list[bytes]:
    """The FETCH response of a message that is in memory, in pieces: attributes as they are given, sections with their octets.

    table: see `Content.parts`. Raises BrokenMessage.
    """
    sections = _Sections(len(octets), table)
    pieces = [b"* %d FETCH (" % number]
    for value in values:
        pieces += _literal(value, sections, octets) if isinstance(value, Section) else (value,)
        pieces.append(b" ")
    pieces[-1] = b")\r\n"
    return pieces


def _literal(section: Section, sections: _Sections, octets: bytes) -> tuple[bytes, ...]:
    if section.text is Text.ALL and section.partial is None and not section.parts:  # most often
        return b"%b {%d}\r\n" % (section.label, len(octets)), _printable(octets, len(octets))
    stretch = sections.find(section)
    if stretch is None:
        return (section.label + b" NIL",)
    offset, length = stretch
    found = _content(section, _printable(octets[offset : offset + length], length))
    return b"%b {%d}\r\n" % (section.label, len(found)), found


class MessageWriter:
    """Writes the FETCH response of one message that is read as it is sent.

    Small sections are read before anything is written: a message that is damaged leaves no trace in the answer. Large ones
    stream; when such a one breaks off, so must the connection.
    """

    def __init__(self, content: Content, out: Output) -> None:
        self._content = content
        self._out = out
        self._waiting: list[bytes] = []
        self._sections = _Sections(content.size, content.parts)

    async def write(self, number: int, values: Sequence[bytes | Section]) -> None:
        """Write what `response` gives.

        Raises StorageError, and then nothing was written; CutOff when part of it was.
        """
        self._waiting.append(b"* %d FETCH (" % number)
        separator = b""
        try:
            for value in values:
                self._waiting.append(separator)
                separator = b" "
                if isinstance(value, Section):
                    await self._section(value)
                else:
                    self._waiting.append(value)
        except StorageError as err:
            if self._out.is_mid_response:
                raise CutOff("a message broke off while it was sent") from err
            raise
        self._waiting.append(b")\r\n")
        self._flush()
        self._out.is_mid_response = False

    async def _section(self, section: Section) -> None:
        stretch = self._sections.find(section)
        if stretch is None:
            self._waiting.append(section.label + b" NIL")
        elif stretch.length <= PIECE or section.text in _SELECTING:
            found = _content(section, await self._read(stretch.offset, stretch.length))
            self._waiting += (b"%b {%d}\r\n" % (section.label, len(found)), found)
        else:
            await self._stream(section.label, stretch)

    async def _read(self, offset: int, length: int) -> bytes:
        """Exactly these octets, printable. Raises StorageError."""
        return _printable(await self._content.read(offset, length) if length else b"", length)

    async def _stream(self, label: bytes, stretch: _Stretch) -> None:
        first = await self._read(stretch.offset, PIECE)
        self._waiting.append(b"%b {%d}\r\n" % (label, stretch.length))
        self._waiting.append(first)
        self._out.is_mid_response = True
        self._flush()
        end = stretch.offset + stretch.length
        for at in range(stretch.offset + PIECE, end, PIECE):
            await self._out.relieve()
            self._out.write(await self._read(at, min(PIECE, end - at)))
        await self._out.relieve()

    def _flush(self) -> None:
        self._out.write_parts(self._waiting)
        self._waiting.clear()


def _printable(octets: bytes, length: int) -> bytes:
    """The octets with 0x80 for NUL, which no IMAP string can hold. Raises BrokenMessage if they are not so many."""
    if len(octets) != length:
        raise BrokenMessage
    return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets


def _content(section: Section, octets: bytes) -> bytes:
    """The section, made of what `_Sections.find` had read for it."""
    if section.text not in _SELECTING:
        return octets
    is_exclusion = section.text is Text.HEADER_FIELDS_NOT
    return _cut(select_fields(octets, section.fields, exclude=is_exclusion), section.partial)


def _cut(octets: bytes, partial: Partial | None) -> bytes:
    return octets if partial is None else octets[partial.offset : partial.offset + partial.length]
