"""Reading one command from left to right (RFC 3501 §9). Every step is one match of a regular expression: linear, no recursion."""

import re

from posthouse.wire.imap.errors import ParseError

NUMBER_MAX = 0xFFFFFFFF  # RFC 3501 §9: number

_TAG = re.compile(rb"[!#$&',\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_ATOM = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[^_`a-z|}~]++")
_ASTRING = re.compile(rb"[!#$&'+,\-./0-9:;<=>?@A-Z\[\]^_`a-z|}~]++")
_DIGITS = re.compile(rb"[0-9]++")
_QUOTED = re.compile(
    rb'"((?:[^"\\\r\n]|\\["\\])*+)"'
)  # 8-bit octets are let through: the reader says what they mean
_ESCAPE = re.compile(rb'\\(["\\])')
_LITERAL = re.compile(rb"\{([0-9]{1,10})\+?\}\r\n")


class Cursor:
    """A place in a command.

    data: the whole command without its last CRLF; literals stand in it as they came: `{n}` CRLF and n octets.
    """

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    @property
    def is_at_end(self) -> bool:
        return self.at == len(self.data)

    def take(self, pattern: "re.Pattern[bytes]") -> "re.Match[bytes] | None":
        """Match here and go behind it; None, and no step, when it does not match."""
        match = pattern.match(self.data, self.at)
        if match is not None:
            self.at = match.end()
        return match

    def skip(self, octets: bytes) -> bool:
        """Step over these octets if they stand here."""
        found = self.data.startswith(octets, self.at)
        if found:
            self.at += len(octets)
        return found

    def expect(self, octets: bytes) -> None:
        """Step over these octets. Raises ParseError if others stand here."""
        if not self.skip(octets):
            raise ParseError(f"Expected {_names(octets)}")

    def space(self) -> None:
        self.expect(b" ")

    def end(self) -> None:
        """Raises ParseError unless the command ends here."""
        if not self.is_at_end:
            raise ParseError("Unexpected arguments")

    def tag(self) -> bytes:
        return self._token(_TAG, "a tag")

    def atom(self) -> bytes:
        return self._token(_ATOM, "an atom")

    def number(self) -> int:
        digits = self._token(_DIGITS, "a number")
        if len(digits) > 10 or (value := int(digits)) > NUMBER_MAX:
            raise ParseError("Number out of range")
        return value

    def positive(self) -> int:
        """A number that is not 0 (RFC 3501 §9: nz-number)."""
        value = self.number()
        if value == 0:
            raise ParseError("Number out of range")
        return value

    def string(self) -> bytes:
        """The octets of a quoted string or literal."""
        if quoted := self.take(_QUOTED):
            text = quoted[1]
            return _ESCAPE.sub(rb"\1", text) if b"\\" in text else text
        if literal := self.take(_LITERAL):
            end = self.at + int(literal[1])
            if end > len(self.data):
                raise ParseError("Literal is cut off")
            octets, self.at = self.data[self.at : end], end
            return octets
        raise ParseError("Expected a string")

    def astring(self) -> bytes:
        """An atom in which `]` may stand, or the octets of a string."""
        atom = self.take(_ASTRING)
        return atom[0] if atom else self.string()

    def _token(self, pattern: "re.Pattern[bytes]", what: str) -> bytes:
        match = self.take(pattern)
        if match is None:
            raise ParseError(f"Expected {what}")
        return match[0]


def _names(octets: bytes) -> str:
    return {b" ": "a space", b"(": "a list"}.get(octets, octets.decode("ascii"))
