"""SEARCH (RFC 3501 §6.4.4): the keys, as a tree.

All keys come down to few kinds: UNSEEN is `Not(HasFlag("\\Seen"))`, a list of keys is an `AllOf`. An OR in an OR is read into one
`AnyOf` of many, however it was written, so trees are no deeper than clients mean them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial

from posthouse.message.date import parse_imap_day
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import BadCharset, LimitExceeded, ParseError
from posthouse.wire.imap.flags import RECENT
from posthouse.wire.imap.sequence import SequenceSet, parse_set

KEYS_MAX = 2000  # keys of one SEARCH
DEPTH_MAX = 50  # lists and NOT inside each other
MODSEQ_MAX = (1 << 63) - 1  # RFC 7162 §7

_CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
_SET_AHEAD = re.compile(rb"(?=[0-9*])")
_ANOTHER_OR = re.compile(rb"OR(?= )", re.IGNORECASE)
_DATE = re.compile(rb'("?)([0-9]{1,2}-[A-Za-z]{3}-[0-9]{4})\1')
_FIELD_NAME = re.compile(rb"[!-9;-~]++")
_DIGITS = re.compile(rb"[0-9]{1,19}(?![0-9])")
_STRING_AHEAD = re.compile(rb'(?=["{])')
_ENTRY_TYPES = frozenset({b"PRIV", b"SHARED", b"ALL"})
_CODECS = {b"US-ASCII": "ascii", b"UTF-8": "utf-8"}
_FLAGS = ("Answered", "Deleted", "Draft", "Flagged", "Seen")


class When(Enum):
    """How a day compares to that of a key."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"  # that day or later


class Place(Enum):
    """A field of ENVELOPE in which a text is searched for."""

    FROM = "FROM"
    TO = "TO"
    CC = "CC"
    BCC = "BCC"
    SUBJECT = "SUBJECT"


@dataclass(frozen=True, slots=True)
class Among:
    """The messages of a set."""

    messages: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class HasFlag:
    flag: str  # "\\Seen"; a keyword is in lower case


@dataclass(frozen=True, slots=True)
class Larger:
    octets: int


@dataclass(frozen=True, slots=True)
class Smaller:
    octets: int


@dataclass(frozen=True, slots=True)
class Received:
    """INTERNALDATE. day: days since the epoch."""

    when: When
    day: int


@dataclass(frozen=True, slots=True)
class Sent:
    """The Date field, without regard to time and zone. day: days since the epoch."""

    when: When
    day: int


@dataclass(frozen=True, slots=True)
class ModSeq:
    """Changed by this one or later (RFC 7162 §3.1.5)."""

    modseq: int


@dataclass(frozen=True, slots=True)
class InEnvelope:
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class InHeader:
    """In a field of this name; the empty text asks whether there is one."""

    name: bytes
    text: str


@dataclass(frozen=True, slots=True)
class InBody:
    text: str


@dataclass(frozen=True, slots=True)
class InText:
    """In the header or the body."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    key: "Key"


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of these keys. None: every message."""

    keys: tuple["Key", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    keys: tuple["Key", ...]


Leaf = Among | HasFlag | Larger | Smaller | Received | Sent | ModSeq | InEnvelope | InHeader | InBody | InText
Key = Leaf | Not | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Search:
    """asks_modseq: the answer ends with the highest MODSEQ of what was found (RFC 7162 §3.1.5)."""

    key: Key
    asks_modseq: bool = False
    by_uid: bool = False


def parse_search(cursor: Cursor, *, by_uid: bool = False) -> Search:
    """Raises ParseError, BadCharset among them."""
    cursor.space()
    charset = b"UTF-8"  # where none is told, as all its text is US-ASCII, too
    if cursor.take(_CHARSET):
        charset = cursor.astring()
        cursor.space()
    key, asks_modseq = parse_keys(cursor, charset)
    return Search(key, asks_modseq, by_uid)


def parse_uid_search(cursor: Cursor) -> Search:
    return parse_search(cursor, by_uid=True)


def parse_keys(cursor: Cursor, charset: bytes) -> tuple[Key, bool]:
    """Read the keys up to the end of the command. Gives them as one key, and whether MODSEQ is among them."""
    reader = _Reader(cursor, _codec(charset))
    key = reader.all_of(0)
    cursor.end()
    return key, reader.asks_modseq


def found_line(name: str, numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """The answer to SEARCH or SORT. modseq: the highest of what was found, if that was asked."""
    words = ["*", name, *map(str, numbers)]
    if modseq is not None:
        words.append(f"(MODSEQ {modseq})")
    return " ".join(words).encode("ascii") + b"\r\n"


def _codec(charset: bytes) -> str:
    codec = _CODECS.get(charset.upper())
    if codec is None:
        raise BadCharset
    return codec


class _Reader:
    """Reads keys. Lists and NOT are entered by recursion, DEPTH_MAX deep at most; each OR in an OR is a turn of a loop."""

    def __init__(self, cursor: Cursor, codec: str) -> None:
        self._cursor = cursor
        self._codec = codec
        self._keys = 0
        self.asks_modseq = False

    def all_of(self, depth: int) -> Key:
        """One key or more, parted by blanks."""
        keys = [self._key(depth)]
        while self._cursor.skip(b" "):
            keys.append(self._key(depth))
        return keys[0] if len(keys) == 1 else AllOf(tuple(keys))

    def _key(self, depth: int) -> Key:
        if depth > DEPTH_MAX:
            raise ParseError("Search keys are nested too deeply")
        self._count()
        cursor = self._cursor
        if cursor.skip(b"("):
            key = self.all_of(depth + 1)
            cursor.expect(b")")
            return key
        if cursor.take(_SET_AHEAD):
            return Among(parse_set(cursor), by_uid=False)
        name = cursor.atom().upper()
        if name == b"NOT":
            cursor.space()
            return Not(self._key(depth + 1))
        if name == b"OR":
            return self._any_of(depth)
        return self._leaf(name)

    def _any_of(self, depth: int) -> AnyOf:
        """The operands of an OR, and of those that are its operands."""
        keys: list[Key] = []
        missing = 2
        while missing:
            self._cursor.space()
            if self._cursor.take(_ANOTHER_OR):
                self._count()
                missing += 1
            else:
                keys.append(self._key(depth + 1))
                missing -= 1
        return AnyOf(tuple(keys))

    def _leaf(self, name: bytes) -> Key:
        key = _SIMPLE.get(name)
        if key is not None:
            return key
        read = _WITH_ARGUMENT.get(name)
        if read is None:
            raise ParseError("Unknown search key")
        self._cursor.space()
        return read(self)

    def _count(self) -> None:
        self._keys += 1
        if self._keys > KEYS_MAX:
            raise LimitExceeded("Too many search keys")

    # --- arguments

    def text(self) -> str:
        octets = self._cursor.astring()
        try:
            return octets.decode(self._codec)
        except UnicodeDecodeError as err:
            raise ParseError("Text is not in its charset") from err

    def day(self) -> int:
        found = self._cursor.take(_DATE)
        day = parse_imap_day(found[2]) if found else None
        if day is None:
            raise ParseError("Expected a date")
        return day

    def uids(self) -> Key:
        return Among(parse_set(self._cursor), by_uid=True)

    def keyword(self) -> HasFlag:
        return HasFlag(self._cursor.atom().decode("ascii").lower())

    def not_keyword(self) -> Key:
        return Not(self.keyword())

    def larger(self) -> Key:
        return Larger(self._cursor.number())

    def smaller(self) -> Key:
        return Smaller(self._cursor.number())

    def body(self) -> Key:
        return InBody(self.text())

    def anywhere(self) -> Key:
        return InText(self.text())

    def header(self) -> Key:
        name = self._cursor.astring()
        if _FIELD_NAME.fullmatch(name) is None:
            raise ParseError("Invalid name of a header field")
        self._cursor.space()
        return InHeader(name, self.text())

    def in_envelope(self, place: Place) -> Key:
        """The empty text asks for the field as it is written: ENVELOPE does not tell whether an empty one is there."""
        text = self.text()
        return InEnvelope(place, text) if text else InHeader(place.value.encode("ascii"), "")

    def received(self, when: When) -> Key:
        return Received(when, self.day())

    def sent(self, when: When) -> Key:
        return Sent(when, self.day())

    def modseq(self) -> Key:
        """Whatever entry it names, all flags of a message have one MODSEQ."""
        cursor = self._cursor
        if cursor.take(_STRING_AHEAD):
            cursor.string()
            cursor.space()
            if cursor.atom().upper() not in _ENTRY_TYPES:
                raise ParseError("Expected priv, shared or all")
            cursor.space()
        digits = cursor.take(_DIGITS)
        if digits is None or int(digits[0]) > MODSEQ_MAX:
            raise ParseError("Expected a mod-sequence")
        self.asks_modseq = True
        return ModSeq(int(digits[0]))


_RECENT, _SEEN = HasFlag(RECENT), HasFlag("\\Seen")
_SIMPLE: Mapping[bytes, Key] = {
    b"ALL": AllOf(()),
    b"NEW": AllOf((_RECENT, Not(_SEEN))),
    b"OLD": Not(_RECENT),
    b"RECENT": _RECENT,
    **{name.upper().encode(): HasFlag("\\" + name) for name in _FLAGS},
    **{b"UN" + name.upper().encode(): Not(HasFlag("\\" + name)) for name in _FLAGS},
}
_WITH_ARGUMENT: Mapping[bytes, Callable[[_Reader], Key]] = {
    b"BODY": _Reader.body,
    b"HEADER": _Reader.header,
    b"KEYWORD": _Reader.keyword,
    b"LARGER": _Reader.larger,
    b"MODSEQ": _Reader.modseq,
    b"SMALLER": _Reader.smaller,
    b"TEXT": _Reader.anywhere,
    b"UID": _Reader.uids,
    b"UNKEYWORD": _Reader.not_keyword,
    **{when.value.encode(): partial(_Reader.received, when=when) for when in When},
    **{b"SENT" + when.value.encode(): partial(_Reader.sent, when=when) for when in When},
    **{place.value.encode(): partial(_Reader.in_envelope, place=place) for place in Place},
}
