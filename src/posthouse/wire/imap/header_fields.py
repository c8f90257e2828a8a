"""Choosing header fields: BODY[HEADER.FIELDS (...)] and its opposite (RFC 3501 §6.4.5)."""

import re
from collections.abc import Set

_FIELD = re.compile(rb"(?m)^([!-9;-~]++)[ \t]*+:[^\n]*+\n?+(?:[ \t][^\n]*+\n?+)*+")


def select_fields(header: bytes, names: Set[bytes], *, exclude: bool) -> bytes:
    """The fields with these names (in lower case), or all but those, as they are written.

    header: with the blank line that ends it, which is kept. Lines that are no field belong to those that are excluded by name.
    """
    if exclude:
        return _FIELD.sub(lambda field: b"" if field[1].lower() in names else field[0], header)
    chosen = b"".join([field[0] for field in _FIELD.finditer(header) if field[1].lower() in names])
    if not _ends_with_blank_line(header):
        return chosen
    return chosen + b"\r\n"


def _ends_with_blank_line(header: bytes) -> bool:
    return header.endswith((b"\n\r\n", b"\n\n")) or header in (b"\r\n", b"\n")
