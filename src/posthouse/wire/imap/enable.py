"""ENABLE (RFC 5161): the client asks for extensions that change what the server says."""

from collections.abc import Iterable
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Enable:
    names: frozenset[str]  # in capitals; of extensions that may not exist


def parse_enable(cursor: Cursor) -> Enable:
    names: set[str] = set()
    while not names or not cursor.is_at_end:
        cursor.space()
        names.add(cursor.atom().decode("ascii").upper())
    return Enable(frozenset(names))


def enabled_line(names: Iterable[str]) -> bytes:
    """What is enabled by this command and was not before."""
    return " ".join(("* ENABLED", *names)).encode("ascii") + b"\r\n"
