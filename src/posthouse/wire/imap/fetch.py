"""FETCH (RFC 3501 §6.4.5): what is asked of messages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from posthouse.wire.imap.condstore import parse_mod_sequence
from posthouse.wire.imap.cursor import NUMBER_MAX, Cursor
from posthouse.wire.imap.errors import LimitExceeded, ParseError
from posthouse.wire.imap.sequence import SequenceSet, parse_set
from posthouse.wire.imap.strings import astring

ITEMS_MAX = 250  # items of one FETCH; each may be a whole message
KNOWN = 256  # lists of items that are kept as they were parsed
KNOWN_MAX = 256  # octets of such a list


class Attribute(Enum):
    """Items that have no arguments; the value is how they are called on the wire."""

    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    ENVELOPE = "ENVELOPE"
    FLAGS = "FLAGS"
    INTERNALDATE = "INTERNALDATE"
    MODSEQ = "MODSEQ"  # RFC 7162 §3.1.5
    RFC822_SIZE = "RFC822.SIZE"
    UID = "UID"


class Text(Enum):
    """What of a part a section is."""

    ALL = ""  # a part's body; without part numbers the whole message
    HEADER = "HEADER"
    HEADER_FIELDS = "HEADER.FIELDS"
    HEADER_FIELDS_NOT = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


@dataclass(frozen=True, slots=True)
class Partial:
    offset: int  # octets
    length: int  # octets, more than 0


@dataclass(frozen=True, slots=True)
class Section:
    """Octets of a message.

    parts: part numbers, outermost first. fields: names in lower case, for HEADER_FIELDS and its opposite.
    label: how the answer calls it: `BODY[1.MIME]<0>`.
    """

    parts: tuple[int, ...]
    text: Text
    fields: frozenset[bytes]
    partial: Partial | None
    is_peek: bool  # does not set \\Seen
    label: bytes


Item = Attribute | Section


@dataclass(frozen=True, slots=True)
class Fetch:
    """changed_since: only messages whose modseq is higher; None: all (RFC 7162 §3.1.4.1)."""

    messages: SequenceSet
    items: tuple[Item, ...]  # as asked
    by_uid: bool = False
    changed_since: int | None = None

    @property
    def single(self) -> int:
        """The number, or UID, of the message, if it is named as the only one; else 0."""
        ranges = self.messages.ranges
        first, last = ranges[0]
        return first if first == last and len(ranges) == 1 and self.changed_since is None else 0


_FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.RFC822_SIZE)
_MACROS: Mapping[bytes, tuple[Item, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Attribute.ENVELOPE),
    b"FULL": (*_FAST, Attribute.ENVELOPE, Attribute.BODY),
}
_NO_FIELDS: frozenset[bytes] = frozenset()
_NAMED: Mapping[bytes, Item] = {attribute.value.encode(): attribute for attribute in Attribute} | {
    b"RFC822": Section((), Text.ALL, _NO_FIELDS, None, False, b"RFC822"),
    b"RFC822.HEADER": Section((), Text.HEADER, _NO_FIELDS, None, True, b"RFC822.HEADER"),
    b"RFC822.TEXT": Section((), Text.TEXT, _NO_FIELDS, None, False, b"RFC822.TEXT"),
}
_NAME = re.compile(rb"[A-Za-z0-9.]++(\[)?")
_SPEC = re.compile(rb"[A-Za-z0-9.]*+")
_PARTS = re.compile(rb"(?:[1-9][0-9]{0,9}(?:\.|\Z))*+")
_FIELD_NAME = re.compile(rb"[!-9;-~]++")  # RFC 5322 §2.2
_CHANGED_SINCE = re.compile(rb" \(CHANGEDSINCE ([0-9]{1,20})\)\Z", re.IGNORECASE)
_MODIFIER_MAX = 40  # octets of the longest that it matches
_PARTIAL = re.compile(rb"<([0-9]{1,10})\.([0-9]{1,10})>")


def parse_fetch(cursor: Cursor, *, by_uid: bool = False) -> Fetch:
    cursor.space()
    messages = parse_set(cursor)
    cursor.space()
    text, changed_since = _cut_modifier(cursor.data[cursor.at :])
    items = _known_items(text) if len(text) <= KNOWN_MAX else _items(text)
    return Fetch(messages, items, by_uid, changed_since)


def parse_uid_fetch(cursor: Cursor) -> Fetch:
    return parse_fetch(cursor, by_uid=True)


def _cut_modifier(text: bytes) -> tuple[bytes, int | None]:
    """The items, and the modseq of CHANGEDSINCE, which may stand behind them."""
    found = _CHANGED_SINCE.search(text[-_MODIFIER_MAX:]) if text.endswith(b")") else None
    if found is None:
        return text, None
    cursor = Cursor(found[1])
    changed_since = parse_mod_sequence(cursor)
    cursor.end()
    return text[: -len(found[0])], changed_since


def _items(text: bytes) -> tuple[Item, ...]:
    """What stands behind the sequence set."""
    cursor = Cursor(text)
    items = _list(cursor) if cursor.skip(b"(") else _macro_or_item(cursor)
    cursor.end()
    return items


_known_items = lru_cache(KNOWN)(_items)  # a client asks for the same few lists again and again


def _list(cursor: Cursor) -> tuple[Item, ...]:
    items = [_item(cursor)]
    while cursor.skip(b" "):
        items.append(_item(cursor))
        if len(items) > ITEMS_MAX:
            raise LimitExceeded("Too many items")
    cursor.expect(b")")
    return tuple(items)


def _macro_or_item(cursor: Cursor) -> tuple[Item, ...]:
    start = cursor.at
    name = cursor.take(_NAME)
    macro = _MACROS.get(name[0].upper()) if name else None
    if macro is not None:
        return macro
    cursor.at = start
    return (_item(cursor),)


def _item(cursor: Cursor) -> Item:
    found = cursor.take(_NAME)
    name = found[0].upper() if found else b""
    if name in (b"BODY[", b"BODY.PEEK["):
        return _section(cursor, is_peek=name != b"BODY[")
    item = _NAMED.get(name)
    if item is None:
        raise ParseError("Unknown FETCH item")
    return item


def _section(cursor: Cursor, *, is_peek: bool) -> Section:
    """What stands behind `BODY[`."""
    spec = cursor.take(_SPEC)
    assert spec is not None  # it may be empty
    numbers = _PARTS.match(spec[0])
    assert numbers is not None
    parts = tuple(map(int, numbers[0].rstrip(b".").split(b"."))) if numbers[0] else ()
    text = _text(spec[0][numbers.end() :].upper(), has_parts=bool(parts))
    if (numbers[0].endswith(b".") and text is Text.ALL) or max(parts, default=0) > NUMBER_MAX:
        raise ParseError("Invalid section")
    label = b"BODY[" + spec[0].upper()
    fields = _NO_FIELDS
    if text in (Text.HEADER_FIELDS, Text.HEADER_FIELDS_NOT):
        names = _field_names(cursor)
        label += b" (%b)" % b" ".join(map(astring, names))
        fields = frozenset(name.lower() for name in names)
    cursor.expect(b"]")
    partial = _partial(cursor)
    label += b"]<%d>" % partial.offset if partial else b"]"
    return Section(parts, text, fields, partial, is_peek, label)


def _text(word: bytes, *, has_parts: bool) -> Text:
    try:
        text = Text(word.decode("ascii"))
    except ValueError as err:
        raise ParseError("Invalid section") from err
    if text is Text.MIME and not has_parts:
        raise ParseError("Invalid section")
    return text


def _field_names(cursor: Cursor) -> list[bytes]:
    cursor.space()
    cursor.expect(b"(")
    names = [_field_name(cursor)]
    while cursor.skip(b" "):
        names.append(_field_name(cursor))
    cursor.expect(b")")
    return names


def _field_name(cursor: Cursor) -> bytes:
    name = cursor.astring()
    if _FIELD_NAME.fullmatch(name) is None:
        raise ParseError("Invalid name of a header field")
    return name


def _partial(cursor: Cursor) -> Partial | None:
    found = cursor.take(_PARTIAL)
    if found is None:
        return None
    offset, length = int(found[1]), int(found[2])
    if offset > NUMBER_MAX or not 0 < length <= NUMBER_MAX:
        raise ParseError("Invalid partial")
    return Partial(offset, length)
