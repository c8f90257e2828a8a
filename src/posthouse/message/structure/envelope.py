"""ENVELOPE, ready for the wire (RFC 3501 §7.4.2)."""

from functools import lru_cache

from posthouse.message.address_list import Address, parse_address_list
from posthouse.message.structure.fields import Fields, nstring_of
from posthouse.message.structure.strings import NIL, nstring, string

# The same people write to the same people. This takes less than 2 MiB, and far less where the addresses are real.
_REMEMBERED = 512  # lists of addresses
_REMEMBERED_MAX = 100  # octets of each, as it is written


def envelope(fields: Fields) -> bytes:
    """The ENVELOPE of a message with these fields. Encoded words stay as they are (RFC 2047)."""
    author = _addresses(fields, b"from")
    return b"(%b %b %b %b %b %b %b %b %b %b)" % (
        nstring_of(fields, b"date"),
        nstring_of(fields, b"subject"),
        author,
        _addresses(fields, b"sender", author),
        _addresses(fields, b"reply-to", author),
        _addresses(fields, b"to"),
        _addresses(fields, b"cc"),
        _addresses(fields, b"bcc"),
        nstring_of(fields, b"in-reply-to"),
        nstring_of(fields, b"message-id"),
    )


def _addresses(fields: Fields, name: bytes, default: bytes = NIL) -> bytes:
    """The addresses of all fields of this name as a list; the default if there are none."""
    values = fields.get(name)
    if not values:
        return default
    value = values[0] if len(values) == 1 else b",".join(values)
    return (_remembered(value) if len(value) <= _REMEMBERED_MAX else _list(value)) or default


def _list(value: bytes) -> bytes:
    """The addresses in a field's value as a list; b"" if there are none."""
    listed = parse_address_list(value)
    return b"(%b)" % b"".join(map(_address, listed)) if listed else b""


_remembered = lru_cache(_REMEMBERED)(_list)


def _address(address: Address) -> bytes:
    name, route, local_part, domain = address
    return b"(%b %b %b %b)" % (
        nstring(name),
        nstring(route),
        NIL if local_part is None else string(local_part),
        NIL if domain is None else string(domain),
    )
