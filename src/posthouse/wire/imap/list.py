"""LIST (RFC 3501 §6.3.8): which mailboxes there are."""

import re
from dataclasses import dataclass

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.mailbox import INBOX, NAME_MAX, encode_mailbox, from_utf7

PATTERN_MAX = NAME_MAX  # octets of reference and pattern together

_PATTERN = re.compile(rb"[!#$%&'*+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_WILDCARDS = re.compile(r"[*%]{2,}")


@dataclass(frozen=True, slots=True)
class List:
    reference: str
    pattern: str  # as sent, decoded: `*` and `%` are wildcards


class Pattern:
    """Which names a LIST pattern means: `*` is anything, `%` anything without the delimiter.

    All places of the pattern that a beginning of the name can have reached are the bits of one integer. So it takes the same
    time for any pattern; a regular expression would go back and forth on `*a*a*a*b`.
    """

    def __init__(self, reference: str, pattern: str, delimiter: str) -> None:
        self._delimiter = delimiter
        self._text = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", reference + pattern)
        self._at: dict[str, int] = {}  # character: the places where it stands
        for place, character in enumerate(self._text):
            self._at[character] = self._at.get(character, 0) | 1 << place
        self._stars = self._at.pop("*", 0)
        self._percents = self._at.pop("%", 0)

    def matches(self, name: str) -> bool:
        if self._text == "*":
            return True
        if name == INBOX and self._text.encode().upper() == b"INBOX":  # case does not matter (RFC 3501 §5.1)
            return True
        reached = self._skip_wildcards(1)
        for character in name:
            stays = self._stars if character == self._delimiter else self._stars | self._percents
            reached = self._skip_wildcards((reached & self._at.get(character, 0)) << 1 | reached & stays)
            if not reached:
                return False
        return bool(reached >> len(self._text) & 1)

    def _skip_wildcards(self, reached: int) -> int:
        """A wildcard may stand for nothing; no two of them are neighbours."""
        return reached | (reached & (self._stars | self._percents)) << 1


def parse_list(cursor: Cursor) -> List:
    return List(*parse_names(cursor))


def parse_names(cursor: Cursor) -> tuple[str, str]:
    """Read reference and pattern up to the end."""
    cursor.space()
    reference = cursor.astring()
    cursor.space()
    found = cursor.take(_PATTERN)
    pattern = found[0] if found else cursor.string()
    cursor.end()
    if len(reference) + len(pattern) > PATTERN_MAX:
        raise ParseError("Pattern is too long")
    return from_utf7(reference), from_utf7(pattern)


def list_line(command: str, attributes: str, delimiter: str, name: str) -> bytes:
    """One mailbox, for LIST or LSUB. `attributes` are parted by blanks."""
    words = (command.encode(), attributes.encode(), delimiter.encode(), encode_mailbox(name))
    return b'* %b (%b) "%b" %b\r\n' % words


def root_line(command: str, delimiter: str) -> bytes:
    """The answer to an empty pattern: what the delimiter is."""
    return list_line(command, "\\Noselect", delimiter, delimiter)
