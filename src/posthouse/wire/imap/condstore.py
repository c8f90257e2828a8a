"""Mod-sequences (RFC 7162): numbers that grow with every change of a message."""

import re

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError

MODSEQ_MAX = (1 << 63) - 1  # RFC 7162 §7: 63 bits

_DIGITS = re.compile(rb"[0-9]{1,19}(?![0-9])")


def parse_mod_sequence(cursor: Cursor) -> int:
    """Read a number from 0 to MODSEQ_MAX. Raises ParseError."""
    found = cursor.take(_DIGITS)
    if found is None or (value := int(found[0])) > MODSEQ_MAX:
        raise ParseError("Invalid mod-sequence")
    return value
