"""Messages whose texts are in them as they are written: a search of their octets goes ahead of that of their texts.

What is found in no time: that a word is in none of the texts, as it is for nearly all words and messages.
"""

import re
from functools import lru_cache

from posthouse.message.text.charset import codec

LISTS_MAX = 64  # opening parentheses in a BODYSTRUCTURE that is looked at: one with more may have come to a limit of its scan

_KINDS = (b'("TEXT" ', b'("MESSAGE" ', b'("MULTIPART" ')  # leaves that are text, as `text.body` has them
_STRING = rb'"[^"\\]*+"'
_OPTIONAL = rb'(?:NIL|"[^"\\]*+")'
_LEAF = re.compile(
    rb'\("(?:TEXT|MESSAGE|MULTIPART)" %b (?:NIL|\(((?:%b ?+)*+)\)) %b %b "(?:[78]BIT|BINARY)" '
    % (_STRING, _STRING, _OPTIONAL, _OPTIONAL)
)
_CHARSET = re.compile(rb'"CHARSET" "([^"\\]*+)"')
_OTHERWISE = ("utf_16", "utf_32", "iso2022", "hz")  # codecs that read letters out of other octets of ASCII


def is_written_as_read(structure: bytes) -> bool:
    """Whether all texts of a message that is ASCII are in it letter by letter, but for encoded words in header fields.

    structure: its BODYSTRUCTURE. False may be wrong.
    """
    capitals = structure.upper()
    if capitals.count(b"(") > LISTS_MAX:
        return False
    leaves = _LEAF.findall(capitals)
    return len(leaves) == sum(map(capitals.count, _KINDS)) and all(map(_is_plain, leaves))


@lru_cache(256)
def _is_plain(parameters: bytes) -> bool:
    """Whether the charset in the parameters of a part has the letters of ASCII where ASCII has them."""
    charsets = _CHARSET.findall(parameters)
    return len(charsets) == parameters.count(b"CHARSET") and all(map(_is_ascii, charsets))


def _is_ascii(charset: bytes) -> bool:
    name = codec(charset)
    return name is None or not name.startswith(_OTHERWISE)
