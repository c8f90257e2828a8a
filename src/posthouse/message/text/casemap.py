"""Text compared without regard to case: the collation i;unicode-casemap (RFC 5051).

What is compared is the folded form, in UTF-8. The same form is the same text; a form in a form is a text in a text; the order
of octets is the order of texts.
"""

import re
import unicodedata
from functools import cache, lru_cache

FEW = 8  # different characters outside of ASCII, up to which each is replaced by a search of its own
_SPARSE = 4  # octets to one outside of ASCII, from which on a text may be of that kind
_SLICE = (
    1_024  # characters that are decomposed at a time; to put marks in order takes the square of their number
)
_MARKS_MAX = 32  # marks on one character that are not parted by the end of a slice

_ASCII = bytes(range(128))
_NOT_BY_UPPER = re.compile("([ßŉǄ-ǌǰ-ǳΐΰևა-ჿẖ-ẞὐ-ὗᾀ-῾ﬀ-ﬗ])")  # where upper case may not be simple title case


def fold(text: str) -> bytes:
    """The text in simple title case and decomposed, in UTF-8 (RFC 5051 §2)."""
    if text.isascii():
        return text.encode().upper()
    octets = text.encode("utf-8", "surrogatepass")
    others = octets.translate(None, _ASCII)
    if len(others) * _SPARSE < len(octets):
        changed = _changed(others)
        if changed is not None:
            octets = octets.upper()  # of ASCII
            for character, folded in changed:
                octets = octets.replace(character, folded)
            return octets
    return _decomposed(_titlecase(text)).encode("utf-8", "surrogatepass")


def _changed(octets: bytes) -> list[tuple[bytes, bytes]] | None:
    """What to replace for these characters outside of ASCII. None: it cannot be done one after another.

    That is so for too many, for marks, which belong to what is before them, and where one is folded to another.
    """
    characters = set(octets.decode("utf-8", "surrogatepass"))
    if len(characters) > FEW or any(map(unicodedata.combining, characters)):
        return None
    pairs = [(_utf8(character), _folded(character)) for character in characters]
    changed = [(character, folded) for character, folded in pairs if character != folded]
    results = b"".join([folded for _, folded in changed])
    return None if any(character in results for character, _ in changed) else changed


@lru_cache(4096)
def _folded(character: str) -> bytes:
    return _utf8(_decomposed(_simple_titlecase(character)))


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _titlecase(text: str) -> str:
    pieces = _NOT_BY_UPPER.split(text)
    if len(pieces) == 1:
        return text.upper()
    return "".join([_simple_titlecase(p) if n % 2 else p.upper() for n, p in enumerate(pieces)])


@cache
def _simple_titlecase(character: str) -> str:
    """One character for one, as UnicodeData.txt has it: `ß` is no `SS`."""
    title = character.title()
    return title if len(title) == 1 else character


def _decomposed(text: str) -> str:
    if len(text) <= _SLICE:
        return unicodedata.normalize("NFKD", text)
    slices: list[str] = []
    at = 0
    while at < len(text):
        end = _before_a_base(text, at + _SLICE)
        slices.append(unicodedata.normalize("NFKD", text[at:end]))
        at = end
    return "".join(slices)


def _before_a_base(text: str, at: int) -> int:
    """The first offset from here on that parts no mark from its character, as far as it is not too many marks."""
    for end in range(at, min(at + _MARKS_MAX, len(text))):
        if not unicodedata.combining(text[end]):
            return end
    return at + _MARKS_MAX
