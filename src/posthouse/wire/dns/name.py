"""Domain names on the wire (RFC 1035 §3.1, §4.1.4) and as text.

As text a name is lower-case ASCII without the trailing dot, "" is the root. Octets that are not visible ASCII, and dots and
backslashes inside of a label, are escaped as in master files (RFC 1035 §5.1): no name holds a blank or control character.
"""

import re
from functools import lru_cache
from typing import Final

LABEL_MAX: Final = 63  # octets
NAME_MAX: Final = 255  # octets on the wire, with the length octets and the root's
NAME_TEXT_MAX: Final = 4 * NAME_MAX  # characters, when each octet is escaped
POINTERS_MAX: Final = 127  # in one name: as many as there can be labels

_POINTER: Final = 0xC0
_PLAIN: Final = b"-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"  # written as they are
_CACHED: Final = 1024  # names
_CASE_BITS: Final = bytes(0x20 if octet < 0x80 and chr(octet).isalpha() else 0 for octet in range(256))
_ESCAPE = re.compile(rb"\\([0-9]{1,3}|[^0-9])", re.DOTALL)
_LABEL = re.compile(rb"((?:[^.\\]|\\.)*)(\.|\Z)", re.DOTALL)
_TEXT: Final = tuple(
    f"\\{chr(octet)}" if octet in b".\\" else chr(octet).lower() if 0x20 < octet < 0x7F else f"\\{octet:03}"
    for octet in range(256)
)


class DnsFormatError(ValueError):
    """Octets that are no DNS message, or a text that is no domain name."""


def name_to_bytes(name: str) -> bytes:
    """A name as it goes over the wire, not compressed; a trailing dot is allowed.

    Raises DnsFormatError for empty or long labels, long names, and characters that are not ASCII.
    """
    if not name.isascii() or len(name) > NAME_TEXT_MAX:
        raise DnsFormatError("domain name is not ASCII, or too long")
    text = name.encode()
    labels = _escaped_labels(text) if b"\\" in text else text.removesuffix(b".").split(b".")
    if labels == [b""]:
        return b"\0"
    if not all(0 < len(label) <= LABEL_MAX for label in labels):
        raise DnsFormatError("empty or long label in domain name")
    data = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(data) > NAME_MAX:
        raise DnsFormatError("domain name too long")
    return data


def read_name(message: bytes, at: int) -> tuple[str, int]:
    """The name that begins at an offset of a message, and the offset behind it.

    Raises DnsFormatError. Each pointer leads before the part that it ends, so that no name is endless.
    """
    labels: list[bytes] = []
    size, start, end, pointers = 1, at, 0, 0
    while length := _octet(message, at):
        if length >= _POINTER:
            target = (length & 0x3F) << 8 | _octet(message, at + 1)
            if target >= start or pointers == POINTERS_MAX:
                raise DnsFormatError("compression pointer does not lead back, or too many of them")
            end = end or at + 2
            start = at = target
            pointers += 1
            continue
        size += length + 1
        if length > LABEL_MAX or size > NAME_MAX or at + length >= len(message):
            raise DnsFormatError("malformed domain name")
        labels.append(message[at + 1 : at + 1 + length])
        at += 1 + length
    return _text(labels), end or at + 1


@lru_cache(_CACHED)
def canonical(name: str) -> str:
    """The form of a name by which it is compared: lower case, without trailing dot. Raises DnsFormatError."""
    return read_name(name_to_bytes(name), 0)[0]


def mixed_case(name: str, noise: bytes) -> str:
    """The same name with the case of its letters turned where noise, as long as the name, says so.

    A server repeats it as it is; who does not see it has to guess (draft-vixie-dnsext-dns0x20).
    """
    octets = name.encode()
    turned = int.from_bytes(octets.translate(_CASE_BITS), "big") & int.from_bytes(noise, "big")
    return (int.from_bytes(octets, "big") ^ turned).to_bytes(len(octets), "big").decode()


def _octet(message: bytes, at: int) -> int:
    if at >= len(message):
        raise DnsFormatError("domain name is cut off")
    return message[at]


def _text(labels: list[bytes]) -> str:
    if not b"".join(labels).translate(None, _PLAIN):
        return b".".join(labels).decode().lower()
    return ".".join("".join(_TEXT[octet] for octet in label) for label in labels)


def _escaped_labels(text: bytes) -> list[bytes]:
    """Labels of a name that holds backslashes."""
    labels, at = [], 0
    while at < len(text):
        part = _LABEL.match(text, at)
        if part is None:
            raise DnsFormatError("backslash at the end of a domain name")
        labels.append(_ESCAPE.sub(_unescaped, part[1]))
        at = part.end()
    return labels


def _unescaped(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if len(escape) == 1:
        return escape
    if int(escape) > 255:
        raise DnsFormatError("escape out of range in domain name")
    return bytes((int(escape),))
