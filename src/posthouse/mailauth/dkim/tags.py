"""Lists of tags, the syntax of signatures and of key records (RFC 6376 §3.2), and of what tags hold."""

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from typing import Final

TAGS_MAX: Final = 16_384  # octets of a list

_WSP: Final = b" \t"
_BAD = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_NO_WSP: Final = {ord(" "): None, ord("\t"): None}


class TagError(ValueError):
    """A list of tags, or the value of one, that is malformed. The text is for others: it repeats no octet of theirs."""


def parse_tags(value: bytes) -> dict[str, str]:
    """The tags by name, values unfolded and without white space around them. Names are told apart by case.

    Values may have UTF-8 (RFC 8616 §5). Raises TagError, also for a tag that comes twice.
    """
    if len(value) > TAGS_MAX:
        raise TagError("too long")
    value = value.replace(b"\r\n", b"")
    if _BAD.search(value):
        raise TagError("control character")
    tags: dict[str, str] = {}
    for part in _parts(value):
        name, equals, text = part.partition(b"=")
        name = name.strip(_WSP)
        if not equals or not _NAME.fullmatch(name):
            raise TagError("malformed tag")
        if name.decode() in tags:
            raise TagError("tag given twice")
        tags[name.decode()] = _text(text.strip(_WSP))
    return tags


def without_value(value: bytes, tag: bytes) -> bytes:
    """A list of tags as it is written, but with nothing behind the equals sign of one of them (RFC 6376 §3.7)."""
    parts = value.split(b";")
    for number, part in enumerate(parts):
        name, equals, _ = part.partition(b"=")
        if equals and name.strip(b" \t\r\n") == tag:
            parts[number] = name + equals
    return b";".join(parts)


def without_space(value: str) -> str:
    """A value of which white space is no part: it may have been folded anywhere."""
    return value.translate(_NO_WSP)


def split_list(value: str) -> list[str]:
    """The members of a value that has colons between them, with white space around each or not."""
    return [member.strip(" \t") for member in value.split(":")]


def parse_base64(value: str) -> bytes:
    """The octets of a value, folded anywhere. Raises TagError unless this is how these octets are written.

    Stray bits behind the last octet are refused: a signature changed in them is not the one that was made.
    """
    text = without_space(value)
    try:
        octets = a2b_base64(text, strict_mode=True)
    except (Error, ValueError) as err:
        raise TagError("malformed base64") from err
    if b64encode(octets).decode() != text:
        raise TagError("malformed base64")
    return octets


def _parts(value: bytes) -> list[bytes]:
    """The value cut at semicolons; there may be one at the end."""
    parts = value.split(b";")
    if len(parts) > 1 and not parts[-1].strip(_WSP):
        parts.pop()
    return parts


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as err:
        raise TagError("value is not UTF-8") from err
