"""The header of a message: its fields in order, kept octet by octet (spec/message-pipeline.md §1)."""

import re
from collections.abc import Callable

FOLD_AT = 76  # octets of a line that we write, without CRLF; RFC 5322 §2.1.1 asks for at most 78
LINE_MAX = 998  # octets, without CRLF (RFC 5322 §2.1.1)

_NAME = re.compile(r"[!-9;-~]{1,255}")
_FIRST_LINE = re.compile(rb"[!-9;-~]*+:")
_BAD_LINE = re.compile(rb"\n(?![!-9;-~]*+:|[ \t]|\Z)")
_NEXT_FIELD = re.compile(rb"(?<=\n)(?![ \t])")
_FIELD_END = re.compile(rb"\n(?![ \t])")
_CONTROL = re.compile(r"[\0\r\n]")


class HeaderError(ValueError):
    """A header, or a field to be added to one, that is malformed."""


def find_body(data: bytes | bytearray, searched: int = 0) -> int:
    """The offset at which the body of a message begins, or -1 while its header has no end.

    data: the message from its beginning, as far as it is known. When no more follows, -1 means that all is header.
    searched: octets that an earlier call has seen.
    """
    if data[:2] == b"\r\n":
        return 2
    end = data.find(b"\r\n\r\n", max(searched - 3, 0))
    return end if end < 0 else end + 4


class Header:
    """The fields of a header in order. What was read is written back unchanged; what is added goes on top.

    Names are compared without regard to case. Fields with an empty name are carried along, but never found.
    """

    __slots__ = ("_added", "_block", "_lower")

    def __init__(self) -> None:
        self._block = b""  # whole fields, each with its CRLF
        self._added: list[bytes] = []  # fields not yet in `_block`, the topmost last
        self._lower: bytes | None = None  # LF and `_block` in lower case: for finding names

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """The header in `raw`: a header block with or without the blank line that ends it.

        A missing CRLF at the very end is put there. Raises HeaderError for a line that is neither a field nor the
        continuation of one.
        """
        header = cls()
        if raw.endswith(b"\r\n\r\n"):
            raw = raw[:-2]
        elif raw == b"\r\n":
            raw = b""
        elif raw and not raw.endswith(b"\n"):
            raw += b"\r\n"
        _check(raw)
        header._block = raw
        return header

    @property
    def size(self) -> int:
        """Octets of `to_bytes()`."""
        return len(self._block) + sum(map(len, self._added))

    def to_bytes(self) -> bytes:
        """All fields with their CRLF, without the blank line after the header."""
        if self._added:
            self._block = b"".join([*reversed(self._added), self._block])
            self._added, self._lower = [], None
        return self._block

    def copy(self) -> "Header":
        """A header that can be changed apart from this one; the octets are shared."""
        twin = Header()
        twin._block, twin._lower, twin._added = self._block, self._lower, self._added.copy()
        return twin

    def get(self, name: bytes) -> bytes | None:
        """The value of the topmost field of this name: unfolded, without white space around it. None: no such field."""
        values = self._values(name, at_most=1)
        return values[0] if values else None

    def get_all(self, name: bytes) -> list[bytes]:
        """The values of all fields of this name, from the top, each as `get` gives it."""
        return self._values(name, at_most=None)

    def count(self, name: bytes) -> int:
        """How many fields have this name."""
        return self._searchable().count(b"\n%b:" % name.lower())

    def add(self, name: str, value: str) -> None:
        """Put a field on top, folded as the specification says. `value` is one line of any length.

        Raises HeaderError for a name that is none, and for CR, LF or NUL in the value.
        """
        self._added.append(fold(name, value))

    def add_raw(self, field: bytes) -> None:
        """Put a whole field, folded and with its CRLF, on top as it is. Raises HeaderError if it is not such a field."""
        if not field.endswith(b"\r\n"):
            raise HeaderError("field without its CRLF")
        _check(field)
        self._added.append(field)

    def remove(self, name: bytes, is_meant: Callable[[bytes], bool]) -> None:
        """Take out the fields of this name whose value, as `get` gives it, is meant."""
        searchable, wanted = self._searchable(), b"\n%b:" % name.lower()
        at = searchable.find(wanted)
        kept: list[bytes] = []
        copied = 0
        while at >= 0:
            start = at + len(wanted) - 1  # `_lower` begins with one LF more than `_block`
            end = _FIELD_END.search(self._block, start)
            assert end is not None
            if is_meant(unfold(self._block[start : end.start()])):
                kept.append(self._block[copied:at])
                copied = end.end()
            at = searchable.find(wanted, end.start())
        if copied:
            self._block = b"".join([*kept, self._block[copied:]])
            self._lower = None

    def _searchable(self) -> bytes:
        block = self.to_bytes()
        if self._lower is None:
            self._lower = b"\n" + block.lower()
        return self._lower

    def _values(self, name: bytes, at_most: int | None) -> list[bytes]:
        searchable, wanted = self._searchable(), b"\n%b:" % name.lower()
        values: list[bytes] = []
        at = searchable.find(wanted)
        while at >= 0 and len(values) != at_most:
            start = at + len(wanted) - 1  # `_lower` begins with one LF more than `_block`
            end = _FIELD_END.search(self._block, start)
            assert end is not None
            values.append(unfold(self._block[start : end.start()]))
            at = searchable.find(wanted, end.start())
        return values


def split_fields(block: bytes) -> list[bytes]:
    """The fields of a header block, each whole with its CRLF, in order. The block is made of whole fields."""
    return [field for field in _NEXT_FIELD.split(block) if field]


def unfold(value: bytes) -> bytes:
    """A field's value on one line, without white space around it (RFC 5322 §2.2.3)."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def fold(name: str, value: str) -> bytes:
    """A whole field with its CRLFs: no line over 76 octets where a blank allows it, none over 998.

    Raises HeaderError for a name that is none, and for CR, LF or NUL in the value.
    """
    if not _NAME.fullmatch(name):
        raise HeaderError(f"{name!r} is no name of a header field")
    if _CONTROL.search(value):
        raise HeaderError("line end or NUL in the value of a header field")
    octets = value.encode("utf-8", "replace")
    line, at = f"{name}: ".encode(), 0
    lines: list[bytes] = []
    while at < len(octets) or not lines:
        end, inserted = _line_end(octets, at, len(line))
        lines.append(line + octets[at:end])
        line, at = inserted, end
    return b"\r\n".join(lines) + b"\r\n"


def _line_end(value: bytes, at: int, indent: int) -> tuple[int, bytes]:
    """Where the line ends that has `indent` octets before `value[at:]`, and what is inserted before the next."""
    for length in (FOLD_AT, LINE_MAX):
        end = at + max(length - indent, 0)
        if len(value) <= end:
            return len(value), b""
        blank = max(value.rfind(b" ", at, end + 1), value.rfind(b"\t", at, end + 1))
        if blank > at:
            return blank, b""
    end = at + LINE_MAX - indent
    while value[end] & 0xC0 == 0x80:  # not inside of a UTF-8 character
        end -= 1
    return end, b" "


def _check(block: bytes) -> None:
    """Raise HeaderError if the block is not made of whole fields."""
    if not block:
        return
    at = 0
    if _FIRST_LINE.match(block):
        bad = _BAD_LINE.search(block)
        if bad is None:
            return
        at = bad.end()
    raise HeaderError("line %d of the header is no field" % (block.count(b"\n", 0, at) + 1))
