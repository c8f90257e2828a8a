"""Fields of ENVELOPE as they are searched: decoded and folded.

They are dear to make, and small; so they are kept while there is room, and the next search in a mailbox takes a tenth of the time.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from posthouse.message.envelope import addresses_text, string_in
from posthouse.message.text.casemap import fold
from posthouse.message.text.words import decode_words
from posthouse.modules.endpoint.imap.envelopes import addresses_of, fields_of
from posthouse.wire.imap.search import Place

ROOM = 33_554_432  # octets for all mailboxes: 32 MiB, about 200,000 texts
OVERHEAD = 120  # octets that a text takes beside its own

Texts = Mapping[int, bytes]  # by UID

_STRING = rb'(?:NIL|"[^"\\]*+")'
_LIST = rb"(?:NIL|\((?:\(%b\))++\))" % b" ".join([_STRING] * 4)
_FIELDS = [_STRING] * 2 + [_LIST] * 6  # of ENVELOPE, up to Bcc
_NUMBERS = {Place.SUBJECT: 1, Place.FROM: 2, Place.TO: 5, Place.CC: 6, Place.BCC: 7}


class HeaderTexts:
    """What sessions have made so far. A UID never stands for another message, so nothing here goes stale."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._taken = 0
        self._known: OrderedDict[tuple[int, Place], dict[int, bytes]] = OrderedDict()  # used last at the end

    def of(self, mailbox: int, place: Place) -> Texts:
        """What is known of a field in a mailbox."""
        known = self._known.setdefault((mailbox, place), {})
        self._known.move_to_end((mailbox, place))
        return known

    def add(self, mailbox: int, place: Place, texts: Texts) -> None:
        self._known.setdefault((mailbox, place), {}).update(texts)
        self._taken += _room_for(texts)

    def trim(self) -> None:
        """Forget what was used longest ago, as far as there is no room for it."""
        while self._taken > self._room and self._known:
            _, texts = self._known.popitem(last=False)
            self._taken = max(self._taken - _room_for(texts), 0)  # two sessions may have added the same


def texts_of(place: Place, envelopes: Iterable[bytes]) -> list[bytes]:
    """A field of these ENVELOPEs, decoded and folded; b"" where there is none."""
    pattern, number, text = _PATTERNS[place], _NUMBERS[place], _text_of(place)
    texts: list[bytes] = []
    for envelope in envelopes:
        usual = pattern.match(envelope)
        texts.append(text(usual[1] if usual else fields_of(envelope)[number]))
    return texts


def _room_for(texts: Texts) -> int:
    return sum(map(len, texts.values())) + OVERHEAD * len(texts)


def _pattern(number: int) -> "re.Pattern[bytes]":
    """Matches an ENVELOPE without literals and escapes up to this field."""
    return re.compile(rb"\(" + b" ".join([*_FIELDS[:number], b"(" + _FIELDS[number] + b")"]))


_PATTERNS = {place: _pattern(number) for place, number in _NUMBERS.items()}


def _text_of(place: Place) -> Callable[[bytes], bytes]:
    return _subject if place is Place.SUBJECT else _addresses


def _subject(field: bytes) -> bytes:
    return fold(decode_words(string_in(field)))


@lru_cache(4096)
def _addresses(field: bytes) -> bytes:
    """Most mail is from few people."""
    return fold(addresses_text(addresses_of(field)))
