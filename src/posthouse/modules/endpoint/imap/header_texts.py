"""Fields of ENVELOPE as they are searched: decoded and folded."""

import re
from collections.abc import Iterator
from functools import lru_cache, partial

from posthouse.framework.interfaces.storage import Columns
from posthouse.message.envelope import addresses_text, string_in
from posthouse.message.text.casemap import fold
from posthouse.message.text.words import decode_words
from posthouse.modules.endpoint.imap.derived import Maker
from posthouse.modules.endpoint.imap.envelopes import addresses_of, fields_of
from posthouse.wire.imap.search import Place

_STRING = rb'(?:NIL|"[^"\\]*+")'
_LIST = rb"(?:NIL|\((?:\(%b\))++\))" % b" ".join([_STRING] * 4)
_FIELDS = [_STRING] * 2 + [_LIST] * 6  # of ENVELOPE, up to Bcc
_NUMBERS = {Place.SUBJECT: 1, Place.FROM: 2, Place.TO: 5, Place.CC: 6, Place.BCC: 7}


def _pattern(number: int) -> "re.Pattern[bytes]":
    """Matches an ENVELOPE without literals and escapes up to this field."""
    return re.compile(rb"\(" + b" ".join([*_FIELDS[:number], b"(" + _FIELDS[number] + b")"]))


_PATTERNS = {place: _pattern(number) for place, number in _NUMBERS.items()}


def _texts(place: Place, columns: Columns) -> Iterator[bytes]:
    """A field of each ENVELOPE; b"" where there is none."""
    pattern, number = _PATTERNS[place], _NUMBERS[place]
    text = _subject if place is Place.SUBJECT else _addresses
    for envelope in columns.envelope:
        usual = pattern.match(envelope)
        yield text(usual[1] if usual else fields_of(envelope)[number])


def _subject(field: bytes) -> bytes:
    return fold(decode_words(string_in(field)))


@lru_cache(4096)
def _addresses(field: bytes) -> bytes:
    """Most mail is from few people."""
    return fold(addresses_text(addresses_of(field)))


MAKERS = {place: Maker(("envelope",), partial(_texts, place)) for place in Place}
