"""Octets in a charset as text.

A charset is named by the sender, so only codecs of charsets that mail is written in are ever asked for: none that
unpacks, executes escapes, takes more than linear time, or hides ASCII in ASCII (utf-7). Python looks an unknown
name up as a module and remembers it for ever; here such a name is never passed on (R-135).
"""

import codecs
import re
from encodings.aliases import aliases
from functools import cache

NAME_MAX = 64  # octets of a charset's name; longer ones are unknown

_CODECS = frozenset(
    "big5 big5hkscs cp1125 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp437 cp737 cp775 cp850"
    " cp852 cp855 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 euc_jis_2004"
    " euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk hp_roman8 hz iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004"
    " iso2022_jp_3 iso2022_jp_ext iso2022_kr iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 iso8859_2"
    " iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u kz1048 latin_1"
    " mac_cyrillic mac_greek mac_iceland mac_latin2 mac_roman mac_turkish ptcp154 shift_jis shift_jis_2004"
    " shift_jisx0213 tis_620 utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_8".split()
)
_FURTHER_NAMES = {
    "iso_8859_6_e": "iso8859_6",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
    "unicode_1_1_utf_8": "utf_8",
    "windows_874": "cp874",
}
_WRITTEN_AS = {  # what is sent under these names is its superset, as every browser takes it (WHATWG Encoding §4.2)
    "big5": "cp950",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859_11": "cp874",
    "iso8859_9": "cp1254",
    "latin_1": "cp1252",
    "shift_jis": "cp932",
    "tis_620": "cp874",
}
_LATIN = "cp1252"
_NAME = re.compile(rb"[0-9A-Za-z._:+-]{1,%d}" % NAME_MAX)
_SEPARATORS = re.compile("[^0-9a-z]+")


def codec(charset: bytes) -> str | None:
    """The name of Python's codec for a charset. None for US-ASCII and for what is unknown or refused."""
    if not _NAME.fullmatch(charset):
        return None
    return _codecs().get(_normal(charset.decode()).removeprefix("x_"))


def decode(octets: bytes, codec: str | None) -> str:
    """The octets as text, with U+FFFD for what the codec cannot read.

    Without a codec it is UTF-8 if all of it is, as it is sent without saying so; else Latin letters.
    """
    if codec is not None:
        return octets.decode(codec, "replace")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode(_LATIN, "replace")


class ChunkDecoder:
    """Does what `decode` does, chunk by chunk. Without a codec, the first chunk that is not UTF-8 decides on the rest."""

    def __init__(self, codec: str | None) -> None:
        self._guessing = codec is None
        errors = "strict" if codec is None else "replace"
        self._decoder = codecs.getincrementaldecoder(codec or "utf_8")(errors)

    def decode(self, octets: bytes, *, final: bool) -> str:
        if not self._guessing:
            return self._decoder.decode(octets, final)
        held, _ = self._decoder.getstate()
        try:
            return self._decoder.decode(octets, final)
        except UnicodeDecodeError:
            self._guessing = False
            self._decoder = codecs.getincrementaldecoder(_LATIN)("replace")
            return self._decoder.decode(held + octets, final)


@cache
def _codecs() -> dict[str, str]:
    """The names of charsets, as `_normal` gives them, with their codecs."""
    names = {_normal(alias): name for alias, name in aliases.items() if name in _CODECS}
    names |= {name: name for name in _CODECS} | _FURTHER_NAMES
    return {alias: _WRITTEN_AS.get(name, name) for alias, name in names.items()}


def _normal(name: str) -> str:
    return _SEPARATORS.sub("_", name.lower()).strip("_")
