"""Header fields as text: unfolded, with their encoded words decoded (RFC 2047)."""

import re
from itertools import groupby
from operator import itemgetter

from posthouse.message.text.charset import codec, decode
from posthouse.message.text.transfer import decode_base64, decode_q

_WORD = re.compile(rb"=\?([^?\0- ]{1,128})\?([BbQq])\?([^?\r\n]*+)\?=")
_CONTROLS = {ord(control): " " for control in "\0\r\n"}

_Word = tuple[str | None, bytes]  # codec and octets


def decode_words(value: bytes) -> str:
    """The value of a field, which may be folded, as text.

    Words of a charset that is unknown or refused, and raw octets outside of ASCII, are UTF-8 or else Latin letters.
    What is no encoded word by its form stays as it is. No word puts a line end or a NUL into the text (R-135).
    """
    if b"\n" in value:
        value = unfold_lines(value)
    if b"=?" not in value:
        return decode(value, None)
    text: list[str] = []
    words: list[_Word] = []
    at = 0
    for match in _WORD.finditer(value):
        between = value[at : match.start()]
        if not words or between.strip(b" \t"):  # blanks between words belong to the encoding (RFC 2047 §6.2)
            text += _joined(words), decode(between, None)
            words = []
        words.append(_word(*match.groups()))
        at = match.end()
    text += _joined(words), decode(value[at:], None)
    return "".join(text)


def header_text(block: bytes) -> str:
    """The fields of a header block as text, names and line ends included, each on one line."""
    if block.isascii():
        return decode_words(block)
    lines = unfold_lines(block).split(b"\n")
    return "\n".join(map(decode_words, lines))  # one by one: a field in another charset spoils no other


def unfold_lines(block: bytes) -> bytes:
    """The same with each field on one line. A fold is a blank, also where it was written as a tab."""
    block = block.replace(b"\n\t", b"\n ").replace(b"\r\n ", b" ")
    return block.replace(b"\n ", b" ") if b"\n " in block else block


def _word(charset: bytes, encoding: bytes, encoded: bytes) -> _Word:
    octets = decode_base64(encoded) if encoding in b"Bb" else decode_q(encoded)
    return codec(charset.partition(b"*")[0]), octets  # a `*` begins a language (RFC 2231 §5)


def _joined(words: list[_Word]) -> str:
    """Neighbouring words as text. Those of one charset are read as one: many senders cut characters in two."""
    groups = groupby(words, itemgetter(0))
    text = "".join([decode(b"".join([octets for _, octets in same]), name) for name, same in groups])
    return text.translate(_CONTROLS) if any(chr(control) in text for control in _CONTROLS) else text
