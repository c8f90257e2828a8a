"""Octets of messages: what BODY[...] and RFC822 ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

from posthouse.framework.interfaces.storage import BrokenMessage, Content
from posthouse.message.structure import Parts, parts_of
from posthouse.modules.endpoint.imap.output import PIECE, CutOff, Output
from posthouse.wire.imap.fetch import Partial, Section, Text
from posthouse.wire.imap.header_fields import select_fields

HEADER_MAX = 4_194_304  # octets of a header in which fields are chosen

_SELECTING = (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Octets that are read when their turn comes."""

    offset: int
    length: int


class MessageWriter:
    """Writes the FETCH response of one message.

    Small sections are read before anything is written: a message that is damaged leaves no trace in the answer. Large ones
    stream; when such a one breaks off, so must the connection.
    """

    def __init__(self, content: Content, out: Output) -> None:
        self._content = content
        self._out = out
        self._waiting: list[bytes] = []
        self._known_parts: Parts | None = None

    async def write(self, number: int, values: Sequence[bytes | Section]) -> None:
        """Write the response: attributes as they are given, sections with their octets.

        Raises BrokenMessage, and then nothing was written; CutOff when part of it was.
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
        except BrokenMessage as err:
            if self._out.is_mid_response:
                raise CutOff("a message broke off while it was sent") from err
            raise
        self._waiting.append(b")\r\n")
        self._flush()
        self._out.is_mid_response = False

    async def _section(self, section: Section) -> None:
        found = await self._find(section)
        if found is None:
            self._waiting.append(section.label + b" NIL")
        elif isinstance(found, bytes):
            self._literal(section.label, found)
        elif found.length <= PIECE:
            self._literal(section.label, await self._read(found.offset, found.length))
        else:
            await self._stream(section.label, found)

    async def _find(self, section: Section) -> bytes | _Stretch | None:
        """What is asked for: octets, or where they are. None: the message has no such part."""
        is_selecting = section.text in _SELECTING
        place = self._place(section.parts, Text.HEADER if is_selecting else section.text)
        if place is None:
            return None
        offset, length = place
        if is_selecting:
            header = await self._read(offset, min(length, HEADER_MAX))
            is_exclusion = section.text is Text.HEADER_FIELDS_NOT
            return _cut(select_fields(header, section.fields, exclude=is_exclusion), section.partial)
        if section.partial is None:
            return _Stretch(offset, length)
        skipped = min(section.partial.offset, length)
        return _Stretch(offset + skipped, min(section.partial.length, length - skipped))

    def _place(self, parts: Sequence[int], text: Text) -> tuple[int, int] | None:
        """Offset and length of a section. Raises BrokenMessage."""
        if not parts and text is Text.ALL:  # the most common, and the table of parts need not be read for it
            return 0, self._content.size
        if self._known_parts is None:
            try:
                self._known_parts = parts_of(self._content.parts)
            except ValueError as err:
                raise BrokenMessage from err
        return self._known_parts.section(parts, text.value.encode())

    async def _read(self, offset: int, length: int) -> bytes:
        """Exactly these octets. NUL, which no IMAP string can hold, becomes 0x80. Raises BrokenMessage."""
        octets = await self._content.read(offset, length) if length else b""
        if len(octets) != length:
            raise BrokenMessage
        return octets.replace(b"\0", b"\x80") if b"\0" in octets else octets

    def _literal(self, label: bytes, octets: bytes) -> None:
        self._waiting.append(b"%b {%d}\r\n" % (label, len(octets)))
        self._waiting.append(octets)

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
        for octets in self._waiting:
            self._out.write(octets)
        self._waiting.clear()


def _cut(octets: bytes, partial: Partial | None) -> bytes:
    return octets if partial is None else octets[partial.offset : partial.offset + partial.length]
