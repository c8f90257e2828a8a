"""Mailbox names: Unicode inside of the server, modified UTF-7 on the wire (RFC 3501 §5.1.3)."""

import re
from binascii import Error, a2b_base64, b2a_base64

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.strings import quoted

INBOX = "INBOX"
NAME_MAX = (
    2560  # octets of a name on the wire: what takes 1,000 in UTF-8, as in storages, takes at most 2,500 here
)

_SHIFTED = re.compile(rb"&([^-]*+)-")
_NOT_DIRECT = re.compile(r"[^ -%'-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DIRECT = re.compile(rb"[ -~]*")


def parse_mailbox(cursor: Cursor) -> str:
    """Read a mailbox name. INBOX in any case is `INBOX`. Raises ParseError for a name that none can have."""
    return decode_mailbox(cursor.astring())


def parse_only_mailbox(cursor: Cursor) -> str:
    """Read a blank and a mailbox name, with which the command ends."""
    cursor.space()
    mailbox = parse_mailbox(cursor)
    cursor.end()
    return mailbox


def decode_mailbox(octets: bytes) -> str:
    """A name from the wire. Raises ParseError for controls, octets over 127 and what is no modified UTF-7."""
    return (
        INBOX if octets.upper() == b"INBOX" else from_utf7(octets)
    )  # only of ASCII letters the case does not matter


def encode_mailbox(name: str) -> bytes:
    """A name for the wire: the inbox is an atom, all others are quoted (spec/storage-and-imap.md §5)."""
    return b"INBOX" if name == INBOX else quoted(to_utf7(name))


def from_utf7(octets: bytes) -> str:
    """Decode modified UTF-7. Raises ParseError, also for the other ways to write a character that has a shorter one."""
    if len(octets) > NAME_MAX:
        raise ParseError("Mailbox name is too long")
    if _DIRECT.fullmatch(octets) is None:
        raise ParseError("Invalid mailbox name")
    if b"&" not in octets:
        return octets.decode("ascii")
    parts: list[str] = []
    at = 0
    while (start := octets.find(b"&", at)) >= 0:
        parts.append(octets[at:start].decode("ascii"))
        shifted = _SHIFTED.match(octets, start)
        if shifted is None:
            raise ParseError("Invalid mailbox name")
        parts.append(_decode_shifted(shifted[1]))
        at = shifted.end()
    parts.append(octets[at:].decode("ascii"))
    name = "".join(parts)
    if _CONTROL.search(name) or to_utf7(name) != octets:
        raise ParseError("Invalid mailbox name")
    return name


def to_utf7(name: str) -> bytes:
    """Encode as modified UTF-7. Lone surrogates, which no name from the wire has, become U+FFFD."""
    return _NOT_DIRECT.sub(lambda found: _encode_shifted(found[0]), name).encode("ascii")


def _decode_shifted(text: bytes) -> str:
    if not text:
        return "&"
    try:
        octets = a2b_base64(text.replace(b",", b"/") + b"=" * (-len(text) % 4), strict_mode=True)
        return octets.decode("utf-16-be")
    except (Error, UnicodeDecodeError) as err:
        raise ParseError("Invalid mailbox name") from err


def _encode_shifted(text: str) -> str:
    return "".join(
        "&-" * len(part) if part.startswith("&") else _base64(part)
        for part in re.split(r"(&+)", text)
        if part
    )


def _base64(text: str) -> str:
    octets = text.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace").encode("utf-16-be")
    return "&" + b2a_base64(octets, newline=False).rstrip(b"=\n").replace(b"/", b",").decode("ascii") + "-"
