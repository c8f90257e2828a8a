"""The part of a header that a signature is over (RFC 6376 §3.7, §5.4.2)."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from posthouse.mailauth.dkim.canonical import Canonicalization, canonical_field
from posthouse.mailauth.dkim.tags import without_value
from posthouse.message.header import Header, split_fields

FieldsByName = Mapping[str, Sequence[bytes]]  # names in lower case; whole fields from the top


def fields_by_name(header: Header) -> FieldsByName:
    """The fields of a header, to choose from."""
    fields: dict[str, list[bytes]] = {}
    for field in split_fields(header.to_bytes()):
        name = field[: field.index(b":")].decode("ascii").lower()
        fields.setdefault(name, []).append(field)
    return fields


def header_digest(fields: FieldsByName, names: Iterable[str], own: bytes, way: Canonicalization) -> bytes:
    """The SHA-256 that a signature is made of.

    names: of the signed fields. Of fields with one name the lowest is taken first; names without one more are signed
    as missing.
    own: the whole field of the signature, with or without the value of `b=`.
    """
    signed = [canonical_field(field, way) for field in _chosen(fields, names, own)]
    name, colon, tags = own.partition(b":")
    signed.append(canonical_field(name + colon + without_value(tags, b"b"), way).removesuffix(b"\r\n"))
    return sha256(b"".join(signed)).digest()


def _chosen(fields: FieldsByName, names: Iterable[str], own: bytes) -> list[bytes]:
    chosen: list[bytes] = []
    others: dict[str, list[bytes]] = {}  # not yet chosen
    for name in names:
        left = others.get(name)
        if left is None:
            left = others[name] = [field for field in fields.get(name, ()) if field is not own]
        if left:
            chosen.append(left.pop())
    return chosen
