"""A FETCH of sections that is sent again and again, each time for another message: the next are known by their look.

Clients that read one message after the other send the same octets but for tag and number, so only these are parsed, and
those that have come together are one event.
"""

import re
from typing import Final, NamedTuple, TypeGuard

from posthouse.wire.imap.fetch import Fetch, Section
from posthouse.wire.imap.sequence import SequenceSet

RUN_MAX: Final = 32  # commands
KNOWN_MAX: Final = 200  # octets of what stands behind the number

# Tags and numbers of the most common kind, and nothing that only a longer look understands: literals, NUL, bare CR.
_LOOK = re.compile(
    rb"([0-9A-Za-z.]{1,64}) ([A-Za-z ]{5,10}) ([1-9][0-9]{0,8}) ([^\r\n\0{}]{1,%d})\r\n" % KNOWN_MAX
)


class FetchRun(NamedTuple):
    """FETCH commands for the same sections, each of one message, in ascending order."""

    name: str  # FETCH or UID FETCH
    request: Fetch  # what they ask for together
    tags: list[bytes]
    numbers: list[int]  # of the messages, or their UIDs

    @property
    def tag(self) -> bytes:
        """Of the last one."""
        return self.tags[-1]


class Again:
    """How a FETCH of one message was written: its name, and what stands behind the number."""

    __slots__ = ("_name", "_request", "_tail", "_written")

    def __init__(self, data: bytes, name: str, request: Fetch) -> None:
        """data: the whole command without its last CRLF. request: what it is, for a single message."""
        words = data.split(b" ", 4 if request.by_uid else 3)
        self._written = b" ".join(words[1:-2])
        self._tail = words[-1]
        self._name = name
        self._request = request

    def take(self, buffer: bytearray) -> FetchRun | None:
        """Cut such commands off the beginning of the buffer. None if there is none."""
        tags: list[bytes] = []
        numbers: list[int] = []
        end = last = 0
        while len(tags) < RUN_MAX and (found := _LOOK.match(buffer, end)) is not None:
            tag, written, digits, tail = found.groups()
            number = int(digits)
            if written != self._written or tail != self._tail or number <= last:
                break
            last, end = number, found.end()
            tags.append(tag)
            numbers.append(number)
        if not tags:
            return None
        del buffer[:end]
        messages = SequenceSet(tuple((number, number) for number in numbers))
        return FetchRun(self._name, Fetch(messages, self._request.items, self._request.by_uid), tags, numbers)


def can_come_again(request: object, data: bytes) -> TypeGuard[Fetch]:
    """Whether a command is one for sections of one message, and worth remembering.

    data: the whole command; it and the request are held until another takes their place.
    """
    if not isinstance(request, Fetch) or not request.single or len(data) > KNOWN_MAX:
        return False
    return any(isinstance(item, Section) for item in request.items)
