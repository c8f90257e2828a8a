"""Messages that are text as they are written: a search of their octets is a search of their texts, and much faster."""

import re
from collections.abc import Sequence
from functools import lru_cache

from posthouse.message.structure.parts import Part
from posthouse.message.text.body import header_of
from posthouse.message.text.charset import NAME_MAX, codec

_CHARSET = re.compile(rb'\bCHARSET="?([^\s"();*=]++)"?[ \t]*+(?=[;\r\n]|\Z)')
_ENCODED = (b"=?", b"QUOTED-PRINTABLE", b"BASE64")
_OTHERWISE = ("utf_16", "utf_32", "iso2022", "hz")  # codecs that read letters out of other octets of ASCII


def capitals(data: bytes, parts: Sequence[Part]) -> bytes | None:
    """The octets in capitals, if no word that is in any text of the message can be missing in them; else None."""
    if not data.isascii():
        return None
    header = b"\r\n".join([header_of(data, part) for part in parts]).upper()
    if any(sign in header for sign in _ENCODED):
        return None
    charsets = _CHARSET.findall(header)
    if len(charsets) != header.count(b"CHARSET") or not all(map(_is_written_so, charsets)):
        return None
    return data.upper()


@lru_cache(256)
def _is_written_so(charset: bytes) -> bool:
    if len(charset) > NAME_MAX:
        return True
    name = codec(charset)
    return name is None or not name.startswith(_OTHERWISE)
