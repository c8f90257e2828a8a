"""What both sides of the milter protocol agree on at its beginning."""

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct
from typing import Final

from posthouse.wire.lines import ProtocolError

VERSION: Final = 6
OLDEST_VERSION: Final = 2

_OPTIONS: Final = Struct("!III")


class Actions(IntFlag):
    """Changes of a message that a filter may ask for (SMFIF_*)."""

    ADD_HEADER = 0x01
    CHANGE_BODY = 0x02
    ADD_RECIPIENT = 0x04
    DELETE_RECIPIENT = 0x08
    CHANGE_HEADER = 0x10
    QUARANTINE = 0x20
    CHANGE_FROM = 0x40
    ADD_RECIPIENT_PARAMETERS = 0x80
    SET_MACROS = 0x100


class Steps(IntFlag):
    """Steps that a filter does not want to see (NO_...), or does not answer (SILENT_...), and others (SMFIP_*)."""

    NO_CONNECT = 0x01
    NO_HELLO = 0x02
    NO_MAIL = 0x04
    NO_RECIPIENT = 0x08
    NO_BODY = 0x10
    NO_HEADER = 0x20
    NO_END_OF_HEADER = 0x40
    SILENT_HEADER = 0x80
    NO_UNKNOWN = 0x100
    NO_DATA = 0x200
    SKIP = 0x400  # it may say that it has seen enough of a body
    REJECTED_RECIPIENTS = 0x800
    SILENT_CONNECT = 0x1000
    SILENT_HELLO = 0x2000
    SILENT_MAIL = 0x4000
    SILENT_RECIPIENT = 0x8000
    SILENT_DATA = 0x1_0000
    SILENT_UNKNOWN = 0x2_0000
    SILENT_END_OF_HEADER = 0x4_0000
    SILENT_BODY = 0x8_0000
    LEADING_SPACE = 0x10_0000  # values of header fields keep the blank after the colon


@dataclass(frozen=True, slots=True)
class Options:
    version: int
    actions: Actions
    steps: Steps

    def to_bytes(self) -> bytes:
        return _OPTIONS.pack(self.version, self.actions, self.steps)


def agreed(offered: Options, data: bytes) -> Options:
    """What a filter makes of what it was offered. Raises ProtocolError for what was not.

    Lists of macros that it may wish behind (version 6) are left aside: we say which ones there are.
    """
    if len(data) < _OPTIONS.size:
        raise ProtocolError("options are too short")
    version, actions, steps = _OPTIONS.unpack_from(data)
    if not OLDEST_VERSION <= version <= offered.version:
        raise ProtocolError(f"version {version} of the milter protocol")
    if steps & ~offered.steps:
        raise ProtocolError(f"steps that were not offered: {steps & ~offered.steps:#x}")
    if actions & ~offered.actions:
        raise ProtocolError(f"actions that were not offered: {actions & ~offered.actions:#x}")
    return Options(version, Actions(actions), Steps(steps))
