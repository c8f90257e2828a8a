"""The texts in a message: which of its parts are text, and how their octets become characters.

Text is what Content-Type calls so, and messages that are not taken apart (delivery reports are such). HTML is text as it is
written, tags and all: only a program that shows it knows what of it is seen.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol

from posthouse.message.structure.content import encoding, media_type, parameter
from posthouse.message.structure.parts import LEAF, Part
from posthouse.message.text.charset import ChunkDecoder, codec, decode
from posthouse.message.text.transfer import (
    Base64Decoder,
    Decoder,
    IdentityDecoder,
    QuotedPrintableDecoder,
    decode_base64,
    decode_quoted_printable,
)

CHUNK = 262_144  # octets of a part that are decoded at a time
HEADER_MAX = 1_048_576  # octets of a header that are looked at
_REMEMBERED_MAX = 200  # octets of Content-Type, up to which what it says is remembered

# A leaf that calls itself a multipart has no parts, and is shown as one text.
_TEXTS = (b"text/", b"message/", b"multipart/")
# Most attachments, so that their names and the like need not be read.
_NO_TEXT = re.compile(rb" (?:APPLICATION|IMAGE|AUDIO|VIDEO|FONT)/[0-9A-Z.+-]++(?:;|\r?\Z)")
_CONTENT_FIELD = re.compile(rb"\nCONTENT-T(YPE|RANSFER-ENCODING)[ \t]*+:(.*(?:\n[ \t].*)*+)")


class Octets(Protocol):
    """A message: `bytes`, a mapped file, or what reads slices as they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...


class Reading(NamedTuple):
    """How to read a part that is text."""

    encoding: bytes  # b"base64", b"quoted-printable", or anything else for octets as they are
    codec: str | None  # as `charset.decode` takes it


_AS_IT_IS = Reading(b"7bit", None)


def header_of(data: Octets, part: Part) -> bytes:
    """The header of a part with the blank line after it, at most HEADER_MAX octets."""
    return data[part.header : min(part.body, part.header + HEADER_MAX)]


def reading_of(header: bytes) -> Reading | None:
    """How to read the body of a part with this header. None: it is no text."""
    capitals = b"\n" + header.upper()
    if b"\nCONTENT-T" not in capitals:
        return _AS_IT_IS
    fields: dict[bytes, bytes] = {}
    for name, value in _CONTENT_FIELD.findall(capitals):
        fields.setdefault(name, value)
    kind, transfer = fields.get(b"YPE"), fields.get(b"RANSFER-ENCODING")
    if kind is not None and _NO_TEXT.match(kind):
        return None
    if len(kind or b"") + len(transfer or b"") <= _REMEMBERED_MAX:
        return _remembered(kind, transfer)
    return _reading(kind, transfer)


def part_text(data: Octets, part: Part, reading: Reading) -> Iterator[str]:
    """The text of a part, in chunks if it has more than CHUNK octets."""
    if part.end - part.body <= CHUNK:
        yield decode(_decoded(data[part.body : part.end], reading.encoding), reading.codec)
        return
    octets, characters = _decoder(reading.encoding), ChunkDecoder(reading.codec)
    for at in range(part.body, part.end, CHUNK):
        end = min(at + CHUNK, part.end)
        final = end == part.end
        yield characters.decode(octets.decode(data[at:end], final=final), final=final)


def text_parts(data: Octets, parts: Iterable[Part]) -> Iterator[tuple[Part, Reading]]:
    """Those of the parts that are text."""
    for part in parts:
        if part.kind == LEAF:
            reading = reading_of(header_of(data, part))
            if reading is not None:
                yield part, reading


def _reading(kind: bytes | None, transfer: bytes | None) -> Reading | None:
    fields = {b"content-type": [kind]} if kind is not None else {}
    media = media_type(fields)
    if not media.kind.startswith(_TEXTS):
        return None
    is_text = not media.kind.startswith(b"multipart/")  # whose parameters are not those of a text
    charset = (parameter(media.parameters, b"charset") if is_text else None) or b""
    told = encoding({b"content-transfer-encoding": [transfer]}) if transfer is not None else b"7bit"
    return Reading(told.lower(), codec(charset))


_remembered = lru_cache(1024)(_reading)


def _decoded(octets: bytes, encoding: bytes) -> bytes:
    if encoding == b"base64":
        return decode_base64(octets)
    return decode_quoted_printable(octets) if encoding == b"quoted-printable" else octets


def _decoder(encoding: bytes) -> Decoder:
    if encoding == b"base64":
        return Base64Decoder()
    return QuotedPrintableDecoder() if encoding == b"quoted-printable" else IdentityDecoder()
