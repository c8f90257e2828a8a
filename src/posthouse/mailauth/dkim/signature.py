"""What a DKIM-Signature field says (RFC 6376 §3.5)."""

import re
from dataclasses import dataclass

from posthouse.mailauth.dkim.canonical import Canonicalization
from posthouse.mailauth.dkim.names import ascii_domain, is_within, key_name
from posthouse.mailauth.dkim.tags import TagError, parse_base64, parse_tags, split_list, without_space

_FIELD_NAME = re.compile(r"[!-9;-~]+")
_DECIMAL = re.compile(r"[0-9]{1,12}")  # RFC 6376 §3.5 asks for no more digits


@dataclass(frozen=True, slots=True)
class Signature:
    """A well-formed signature; whether it is one that we take is another question.

    domain, key_name: A-labels, lower case.
    identity: as written, in dkim-quoted-printable; without one it is `@` and the domain.
    names: of the signed fields, in order, lower case.
    has_length: only so many octets of the body are signed (`l=`).
    signed_at, expires: seconds since the epoch.
    """

    algorithm: str
    header_way: Canonicalization
    body_way: Canonicalization
    domain: str
    selector: str
    identity: str
    key_name: str
    names: tuple[str, ...]
    body_hash: bytes
    octets: bytes
    has_length: bool
    signed_at: int | None
    expires: int | None


def parse_signature(value: bytes) -> Signature:
    """The signature in the value of a field, folded or not. Raises TagError; unknown tags are ignored."""
    tags = parse_tags(value)
    missing = {"v", "a", "b", "bh", "d", "h", "s"} - tags.keys()
    if missing:
        raise TagError(f"no tag {min(missing)}=")
    if tags["v"] != "1":
        raise TagError("unknown version")
    if "dns/txt" not in split_list(tags.get("q", "dns/txt")):
        raise TagError("unknown query method")
    header_way, body_way = _ways(tags.get("c", "simple"))
    domain = ascii_domain(tags["d"])
    return Signature(
        algorithm=tags["a"],
        header_way=header_way,
        body_way=body_way,
        domain=domain,
        selector=tags["s"],
        identity=_identity(tags.get("i", f"@{domain}"), domain),
        key_name=key_name(domain, tags["s"]),
        names=_names(tags["h"]),
        body_hash=parse_base64(tags["bh"]),
        octets=parse_base64(tags["b"]),
        has_length="l" in tags,
        signed_at=_seconds(tags.get("t")),
        expires=_seconds(tags.get("x")),
    )


def _ways(value: str) -> tuple[Canonicalization, Canonicalization]:
    """Canonicalization of header and body."""
    header, _, body = value.partition("/")
    try:
        return Canonicalization(header), Canonicalization(body or "simple")
    except ValueError as err:
        raise TagError("unknown canonicalization") from err


def _names(value: str) -> tuple[str, ...]:
    names = split_list(value.lower())
    if not all(map(_FIELD_NAME.fullmatch, names)):
        raise TagError("malformed list of fields")
    return tuple(names)


def _identity(value: str, domain: str) -> str:
    identity = without_space(value)
    if not is_within(identity, domain):
        raise TagError("identity is not of the domain")
    return identity


def _seconds(value: str | None) -> int | None:
    if value is None:
        return None
    if not _DECIMAL.fullmatch(value):
        raise TagError("malformed time")
    return int(value)
