"""A FETCH that is sent again and again, each time for another message: the next is known by its look.

Clients that read one message after the other send the same octets but for tag and number, so only these are parsed.
"""

import re

from posthouse.wire.imap.fetch import Fetch
from posthouse.wire.imap.sequence import SequenceSet

_TAG = re.compile(rb"[0-9A-Za-z.]{1,64}")  # the most common: others take the long way
KNOWN_MAX = 256  # octets of a command that is remembered
_DIGITS_MAX = 9  # any such number is one (RFC 3501 §9)


class Again:
    """How a FETCH of one message was written: its name, and what stands behind the number."""

    __slots__ = ("_request", "_tail", "_written", "name")

    def __init__(self, data: bytes, name: str, request: Fetch) -> None:
        """data: the whole command without its last CRLF. request: what it is, for a single message."""
        words = data.split(b" ", 4 if request.by_uid else 3)
        self._written = b" ".join(words[1:-2])
        self._tail = b" " + words[-1]
        self._request = request
        self.name = name

    def parse(self, data: bytes) -> tuple[bytes, Fetch] | None:
        """Tag and request, if this is such a command again; None if it must be parsed."""
        if not data.endswith(self._tail):
            return None
        head, _, digits = data[: -len(self._tail)].rpartition(b" ")
        tag, _, name = head.partition(b" ")
        if (
            name != self._written
            or not digits.isdigit()
            or len(digits) > _DIGITS_MAX
            or not _TAG.fullmatch(tag)
        ):
            return None
        number = int(digits)
        if not number:
            return None
        return tag, Fetch(SequenceSet(((number, number),)), self._request.items, self._request.by_uid)
