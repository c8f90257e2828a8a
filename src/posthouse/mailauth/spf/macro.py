"""Names and texts with macros in them (RFC 7208 §7)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from posthouse.mailauth.spf.result import PermError, shown

DOMAIN_MAX: Final = 253  # characters of a name after expansion (RFC 7208 §7.3)

_ENOUGH: Final = DOMAIN_MAX + len("..")  # a dot at the end, and one before the first label that is kept
_PARTS_DIGITS_MAX: Final = 4  # that many digits mean all parts
_ESCAPES: Final = {"%": "%", "_": " ", "-": "%20"}
_PIECE = re.compile(
    r"%\{([slodiphcrtv])([0-9]*)(r?)([-.+,/_=]*)\}"  # macro-expand: letter, digits, reverse, delimiters
    r"|%([%_-])"
    r"|([!-$&-~]+)",  # macro-literals
    re.IGNORECASE,
)
_TOP_LABEL = re.compile(r"(?=[0-9-]*[a-z-])[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", re.IGNORECASE)
_IN_EXPLANATIONS: Final = "crt"  # letters that names may not have


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{...}`.

    letter: in lower case. parts: how many are kept, on the right; 0 for all. delimiters: "" for the value as it is.
    is_escaped: for use in a URL.
    """

    letter: str
    parts: int
    is_reversed: bool
    delimiters: str
    is_escaped: bool

    def expand(self, value: str) -> str:
        if self.delimiters:
            first = self.delimiters[0]
            parts = value.translate({ord(other): first for other in self.delimiters}).split(first)
            parts = parts[::-1] if self.is_reversed else parts
            value = ".".join(parts[-self.parts :])
        # Text that is not ASCII stays so: a name that holds it does not exist, and its term never matches (RFC 8616 §4).
        return quote(value, safe="") if self.is_escaped and value.isascii() else value


MacroString = Sequence[Macro | str]


def check_macro_string(text: str) -> None:
    """Raises PermError if it is none (`macro-string` of RFC 7208 §7.1)."""
    _split(text)


def parse_domain_spec(text: str) -> MacroString:
    """Read a `domain-spec`, whose end is a macro, or a dot and a top label. Raises PermError."""
    matches = _split(text)
    if not matches or not _is_end(matches[-1]):
        raise PermError(f"no domain name: {shown(text)}")
    pieces = [_piece(match) for match in matches]
    if any(isinstance(piece, Macro) and piece.letter in _IN_EXPLANATIONS for piece in pieces):
        raise PermError(f"macro only for explanations: {shown(text)}")
    return pieces


def has_letter(text: MacroString, letter: str) -> bool:
    return any(isinstance(piece, Macro) and piece.letter == letter for piece in text)


def expand_domain(spec: MacroString, values: Mapping[str, str]) -> str:
    """The name, without a trailing dot, cut down to its last labels when it is too long; "" if none is short enough.

    values: of each letter that is used. It is written from its end, so that nobody pays for what would be cut off.
    """
    name = ""
    for piece in reversed(spec):
        name = (piece if isinstance(piece, str) else piece.expand(values[piece.letter]))[-_ENOUGH:] + name
        if len(name) >= _ENOUGH:
            break
    name = name.removesuffix(".")
    return name if len(name) <= DOMAIN_MAX else name[-DOMAIN_MAX - 1 :].partition(".")[2]


def _split(text: str) -> list[re.Match[str]]:
    matches, at = [], 0
    while at < len(text):
        match = _PIECE.match(text, at)
        if match is None:
            raise PermError(f"bad macro or character: {shown(text[at:])}")
        matches.append(match)
        at = match.end()
    return matches


def _is_end(last: re.Match[str]) -> bool:
    if last[6] is None:
        return True
    _, dot, label = last[6].removesuffix(".").rpartition(".")
    return bool(dot) and _TOP_LABEL.fullmatch(label) is not None


def _piece(match: re.Match[str]) -> Macro | str:
    letter, digits, reverse, delimiters, escape, literal = match.groups()
    if letter is None:
        return literal or _ESCAPES[escape]
    if digits and not digits.strip("0"):
        raise PermError(f"macro keeps no part: {shown(match[0])}")
    digits = digits.lstrip("0")
    parts = int(digits or "0") if len(digits) < _PARTS_DIGITS_MAX else 0
    default = "." if digits or reverse else ""
    return Macro(letter.lower(), parts, bool(reverse), delimiters or default, letter.isupper())
