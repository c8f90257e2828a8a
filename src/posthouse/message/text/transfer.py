"""Content transfer encodings (RFC 2045 §6), read as generously as any client does, so that nothing hides from a search.

Both are read at once, or chunk by chunk; the chunks may be cut anywhere. Time grows with the length only.
"""

import re
from binascii import a2b_base64, a2b_qp
from typing import Protocol

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_JUNK = bytes(set(range(256)) - set(_ALPHABET))

LINE_MAX = 65_536  # octets of a line in quoted-printable that are held back until its end comes

_BLANKS = b" \t\r"
_FAULTY = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r\n|\Z)")


class Decoder(Protocol):
    def decode(self, octets: bytes, *, final: bool) -> bytes:
        """What these octets are; some may be held back until the next, but for the final ones."""
        ...


def decode_base64(octets: bytes) -> bytes:
    """Base64, without what is no base64. Padding may be missing, and text may follow it."""
    clean = octets.translate(None, _JUNK).rstrip(b"=")
    if b"=" not in clean:
        return _unpadded(clean)
    return b"".join(map(_unpadded, clean.split(b"=")))


def decode_quoted_printable(octets: bytes) -> bytes:
    """Quoted-printable, with CRLF as line ends. A `=` that begins no code stays as it is; one at the very end is dropped.

    Blanks before a line end were added on the way, and are dropped, too (RFC 2045 §6.7, rule 3).
    """
    lines = [line.rstrip(_BLANKS) for line in octets.split(b"\n")]
    octets = b"\r\n".join(lines)
    if b"==" in octets or octets.count(b"\r") >= len(lines):  # where a2b_qp drops more than it should
        octets = _FAULTY.sub(b"=3D", octets)
    return a2b_qp(octets)


def decode_q(octets: bytes) -> bytes:
    """The encoding Q of encoded words, on one line: quoted-printable with `_` for a blank (RFC 2047 §4.2)."""
    if b"==" in octets:
        octets = _FAULTY.sub(b"=3D", octets)
    return a2b_qp(octets, header=True)


class Base64Decoder:
    """Does what `decode_base64` does, chunk by chunk."""

    def __init__(self) -> None:
        self._held = b""  # less than four characters of the alphabet, or one group with padding

    def decode(self, octets: bytes, *, final: bool) -> bytes:
        clean = self._held + octets.translate(None, _JUNK)
        whole = len(clean)
        if not final:
            whole -= (len(clean) - 1 - clean.rfind(b"=")) % 4
        self._held = clean[whole:]
        return decode_base64(clean[:whole])


class QuotedPrintableDecoder:
    """Does what `decode_quoted_printable` does, chunk by chunk. Blanks at the end of lines over LINE_MAX may stay."""

    def __init__(self) -> None:
        self._held = b""  # the beginning of a line, or of a code

    def decode(self, octets: bytes, *, final: bool) -> bytes:
        octets = self._held + octets
        whole = len(octets) if final else octets.rfind(b"\n") + 1
        if len(octets) - whole > LINE_MAX:
            whole = len(octets.rstrip(_BLANKS)) or len(octets)
            sign = octets.rfind(b"=", whole - 3, whole)
            whole = sign if sign >= 0 else whole
        self._held = octets[whole:]
        return decode_quoted_printable(octets[:whole])


class IdentityDecoder:
    """For 7bit, 8bit, binary, and what is unknown."""

    def decode(self, octets: bytes, *, final: bool) -> bytes:
        return octets


def _unpadded(characters: bytes) -> bytes:
    """A run of the alphabet without padding. One character too many says nothing, and is dropped."""
    over = len(characters) % 4
    if over == 1:
        return a2b_base64(characters[:-1])
    return a2b_base64(characters + b"=="[: -over % 4])
