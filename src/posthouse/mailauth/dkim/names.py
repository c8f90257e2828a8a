"""The names in a signature: domain and selector, which make a name in DNS, and the identity (RFC 6376 §3.5)."""

import re
from typing import Final

from posthouse.mailauth.dkim.tags import TagError
from posthouse.message.address import AddressError, domain_to_ascii

NAME_MAX: Final = 253  # characters of a name in DNS without the trailing dot

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NOT_IN_LOCAL_PART = re.compile(r"[\x00-\x20;\x7f-\xa0]")


def ascii_domain(text: str) -> str:
    """A domain of at least two labels, in A-labels and lower case. Raises TagError."""
    domain = _ascii_name(text)
    if "." not in domain:
        raise TagError("malformed domain")
    return domain


def key_name(domain: str, selector: str) -> str:
    """The name in DNS of a key (RFC 6376 §3.6.2.1), for a domain in A-labels. Raises TagError if that cannot be one."""
    name = f"{_ascii_name(selector)}._domainkey.{domain}"
    if len(name) > NAME_MAX:
        raise TagError("domain too long")
    return name


def is_within(text: str, domain: str) -> bool:
    """Whether an identity (`[LOCAL-PART]@DOMAIN`) is of a domain in A-labels, or one below. Raises TagError."""
    identity_domain = domain_of(text)
    return identity_domain == domain or identity_domain.endswith("." + domain)


def domain_of(identity: str) -> str:
    """The domain of an identity, in A-labels and lower case. Raises TagError."""
    local_part, at, domain = identity.rpartition("@")
    if not at or _NOT_IN_LOCAL_PART.search(local_part):
        raise TagError("malformed identity")
    return ascii_domain(domain)


def _ascii_name(text: str) -> str:
    try:
        name = domain_to_ascii(text).lower()
    except AddressError as err:
        raise TagError("malformed domain") from err
    if len(name) > NAME_MAX or not all(map(_LABEL.fullmatch, name.split("."))):
        raise TagError("malformed domain")
    return name
