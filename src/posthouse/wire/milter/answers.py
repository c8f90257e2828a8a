"""What a filter answers: what shall become of a message, and how it shall be changed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from struct import Struct
from typing import Final

from posthouse.wire.lines import ProtocolError
from posthouse.wire.milter.packets import Packet, split_strings

_INDEX: Final = Struct("!I")
_REPLY: Final = re.compile(rb"([45]\d\d)(?: [^\0]*+)?\0")
_NAME: Final = re.compile(rb"[!-9;-~]{1,255}")
_VALUE: Final = re.compile(rb"(?:[^\r\n\0]|\n(?=[ \t]))*+")
_LINE_END: Final = re.compile(rb"\r*\n")


class Decision(Enum):
    """Answers that say it all."""

    CONTINUE = b"c"
    ACCEPT = b"a"
    REJECT = b"r"
    TEMPFAIL = b"t"
    DISCARD = b"d"
    SKIP = b"s"
    PROGRESS = b"p"  # it needs more time
    CONNECTION_FAILED = b"f"
    SHUTDOWN = b"4"


@dataclass(frozen=True, slots=True)
class ReplyCode:
    """Refuse with this code, from 400 to 599."""

    code: int


@dataclass(frozen=True, slots=True)
class AddField:
    """Add a header field. The value has the blank after the colon if that was agreed; folds are CRLF and a blank.

    index: how many fields shall stand above it; None is below all.
    """

    name: bytes
    value: bytes
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Quarantine:
    reason: str


@dataclass(frozen=True, slots=True)
class OtherChange:
    """A change of the message that we do not make."""

    what: str


Change = AddField | Quarantine | OtherChange
Answer = Decision | ReplyCode | Change

_OTHER_CHANGES: Final = {
    b"+": "add recipient",
    b"2": "add recipient",
    b"-": "delete recipient",
    b"b": "replace body",
    b"e": "change sender",
    b"m": "change header",
}


def parse_answer(packet: Packet) -> Answer:
    """The answer in a packet. Raises ProtocolError."""
    parse = _PARSERS.get(packet.letter)
    if parse is not None:
        return parse(packet.data)
    if packet.letter in _OTHER_CHANGES:
        return OtherChange(_OTHER_CHANGES[packet.letter])
    try:
        return Decision(packet.letter)
    except ValueError as err:
        raise ProtocolError(f"unknown answer {packet.letter!r}") from err


def _reply_code(data: bytes) -> ReplyCode:
    match = _REPLY.match(data)
    if match is None:
        raise ProtocolError("a reply code that is none")
    return ReplyCode(int(match[1]))


def _add_field(data: bytes) -> AddField:
    name, value = split_strings(data, 2)
    return _field(name, value)


def _insert_field(data: bytes) -> AddField:
    if len(data) < _INDEX.size:
        raise ProtocolError("a header field without its place")
    name, value = split_strings(data[_INDEX.size :], 2)
    return _field(name, value, _INDEX.unpack_from(data)[0])


def _field(name: bytes, value: bytes, index: int | None = None) -> AddField:
    """Nothing but this one field may come of it, whatever line ends are in it (R-190)."""
    value = _LINE_END.sub(b"\n", value).rstrip(b"\n")
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ProtocolError("a malformed header field")
    return AddField(name, value.replace(b"\n", b"\r\n"), index)


def _quarantine(data: bytes) -> Quarantine:
    return Quarantine(split_strings(data, 1)[0].decode("utf-8", "replace"))


_PARSERS: Final[Mapping[bytes, Callable[[bytes], Answer]]] = {
    b"y": _reply_code,
    b"h": _add_field,
    b"i": _insert_field,
    b"q": _quarantine,
}
