"""What SEARCH asks of a message: whether a text is in it (RFC 3501 §6.4.4).

A message has a text if the text is a substring of what is written, after all encodings are undone and without regard to
case (i;unicode-casemap). That is exact: no stems, no words, nothing across the border of two parts or fields.
"""

import re
from collections.abc import Iterable, Iterator

from posthouse.message.structure import parts_of
from posthouse.message.text.body import CHUNK, Octets, header_of, part_text, text_parts
from posthouse.message.text.casemap import fold
from posthouse.message.text.words import decode_words, header_text, unfold_lines

_REST_OF_FIELD = re.compile(rb"[ \t]*+:(.*(?:\n[ \t].*)*+)")
_WORD = re.compile(rb"[0-9A-Z]++")


class Needle:
    """A text to be searched for, prepared once for many messages. The empty text is in everything.

    longest: its longest word, in capitals; b"" without one.
    """

    __slots__ = ("folded", "is_ascii", "longest")

    def __init__(self, text: str) -> None:
        self.folded = fold(text)
        self.is_ascii = self.folded.isascii()
        self.longest = max(_WORD.findall(self.folded), key=len, default=b"")

    def is_in(self, text: str) -> bool:
        """Whether this text has it."""
        return self.folded in fold(text)

    def may_be_in(self, octets: bytes) -> bool:
        """Whether fields of which these are the octets may have the text. False is certain, and found in no time.

        octets: header fields, or ENVELOPEs as they are stored, of any number of messages.
        """
        if not octets.isascii() or b"=?" in octets or b"\\" in octets:
            return True
        return self.is_ascii and self.longest in octets.upper()


class SearchedMessage:
    """A message and its texts. Those of a small one are kept for the next needle, those of a large one are not."""

    def __init__(self, data: Octets, table: bytes) -> None:
        """table: of the message's parts, as `structure.scan` makes it. Raises ValueError if it is none."""
        self._data = data
        self._parts = list(parts_of(table))
        self._is_small = len(data) <= CHUNK
        self._bodies: list[bytes] | None = None

    def text_has(self, needle: Needle) -> bool:
        """Whether a header field, of any part, or a text has it: SEARCH TEXT."""
        return self._headers_have(needle) or self.body_has(needle)

    def body_has(self, needle: Needle) -> bool:
        """Whether a text has it, header fields left aside: SEARCH BODY (RFC 9051 §6.4.4)."""
        if not needle.folded:
            return True
        if not self._is_small:
            return any(_is_in_chunks(needle.folded, body) for body in self._folded_bodies())
        if self._bodies is None:
            self._bodies = [chunk for body in self._folded_bodies() for chunk in body]
        return any(needle.folded in body for body in self._bodies)

    def fields(self, name: bytes) -> list[bytes]:
        """The fields of this name in the header of the message, decoded and folded, from the top: SEARCH HEADER."""
        return [fold(decode_words(value)) for value in self._values(name)]

    def encoded_words_have(self, needle: Needle) -> bool:
        """Whether a header field with encoded words, of any part, has it: for what is certainly in no other field."""
        headers = [header_of(self._data, part) for part in self._parts]
        fields = (line for header in headers if b"=?" in header for line in unfold_lines(header).split(b"\n"))
        return any(b"=?" in field and needle.is_in(decode_words(field)) for field in fields)

    def _headers_have(self, needle: Needle) -> bool:
        headers = [header_of(self._data, part) for part in self._parts]
        if not needle.may_be_in(b"".join(headers)):
            return False
        return any(needle.may_be_in(header) and needle.is_in(header_text(header)) for header in headers)

    def _values(self, name: bytes) -> Iterator[bytes]:
        """What stands after the colon in the fields of this name, with its line ends."""
        block = b"\n" + header_of(self._data, self._parts[0])
        capitals, wanted = block.upper(), b"\n" + name.upper()
        at = capitals.find(wanted)
        while at >= 0:
            field = _REST_OF_FIELD.match(block, at + len(wanted))
            if field:
                yield field[1].strip(b" \t\r\n")
            at = capitals.find(wanted, at + len(wanted))

    def _folded_bodies(self) -> Iterator[Iterator[bytes]]:
        """The texts, each in chunks: a small one is one chunk."""
        for part, reading in text_parts(self._data, self._parts):
            yield map(fold, part_text(self._data, part, reading))


def _is_in_chunks(folded: bytes, chunks: Iterable[bytes]) -> bool:
    """Whether a text that comes in chunks has the folded text, also across their borders."""
    before = b""
    for chunk in chunks:
        octets = before + chunk
        if folded in octets:
            return True
        before = octets[max(len(octets) - len(folded) + 1, 0) :]
    return False
