"""Mail addresses and domains in their normal forms (spec/config-language.md §11).

An address is text: a local part, `@`, a domain; or `postmaster` alone, in any case. Inside the server a domain has
U-labels, is NFC and lower case. A-labels are decoded as plain Punycode, without the mappings of IDNA 2003 or UTS 46.
"""

import re
from functools import lru_cache
from unicodedata import normalize

ADDRESS_MAX = 320  # octets: a local part of 64, "@", a domain of 255 (RFC 5321 §4.5.3.1)
DOMAIN_MAX = 255  # octets (RFC 5321 §4.5.3.1.2)
LABEL_MAX = 64  # octets of an A-label; DNS stops at 63, maddy here
_CONVERTED_MAX = 1024  # characters of a domain that we convert: Punycode takes time with the square of it
_CACHED = 1024  # domains

_ACE_PREFIX = "xn--"
_LOCAL_PART = re.compile(r"[\w!#$%&'*+\-/=?^`{|}~.\xa0-\ud7ff\ue000-\U0010ffff]+", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,"\s]')
_TO_ESCAPE = re.compile(r'[\\"]')
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NOT_IN_DOMAIN = re.compile(r"[\x00-\x20@\x7f-\x9f]")
_NOT_IN_U_LABEL = re.compile(r"[\x00-\x2c./:-@\[-\x60{-\x9f\ud800-\udfff]")


class AddressError(ValueError):
    """An address or domain that cannot be taken apart or converted."""


def split(address: str) -> tuple[str, str]:
    """The local part, as it is written, and the domain, cut at the last `@`; `postmaster` alone has the domain "".

    Raises AddressError if `@` or one of the parts is missing.
    """
    local_part, at, domain = address.rpartition("@")
    if local_part and domain:
        return local_part, domain
    if _is_postmaster(address):
        return address, ""
    raise AddressError("missing @" if not at else "empty domain" if local_part else "empty local part")


def clean_domain(address: str) -> str:
    """The address with its domain in U-labels, NFC, lower case; "" and `postmaster` stay. Raises AddressError."""
    if not address:
        return ""
    local_part, domain = split(address)
    return _join(local_part, _normal(domain))


def for_lookup(address: str) -> str:
    """The form by which addresses are compared and looked up: all NFC and lower case, no dot after the domain.

    Raises AddressError.
    """
    local_part, domain = split(address)
    if domain:
        domain = dns_for_lookup(domain)
        if not domain:
            raise AddressError("empty domain")
    return _join(_lower(local_part), domain)


def dns_for_lookup(domain: str) -> str:
    """The form by which domains are compared: U-labels, NFC, lower case, one dot at the end removed.

    Raises AddressError.
    """
    return _normal(domain).removesuffix(".")


def equal(one: str, other: str) -> bool:
    """Whether two addresses have the same lookup form. Malformed ones equal only themselves."""
    if one == other:
        return True
    try:
        return for_lookup(one) == for_lookup(other)
    except AddressError:
        return False


def valid(address: str) -> bool:
    """Whether mail could be addressed so: syntax and lengths. No comments, no unquoted blanks, no control characters."""
    if len(address) > ADDRESS_MAX or len(address.encode("utf-8", "replace")) > ADDRESS_MAX:
        return False
    try:
        local_part, domain = split(address)
        return _valid_local_part(local_part) and (not domain or valid_domain(domain))
    except AddressError:
        return False


def valid_domain(domain: str) -> bool:
    """Whether this can be the domain of an address. Address literals pass."""
    if not 1 <= len(domain.encode("utf-8", "replace")) <= DOMAIN_MAX or _NOT_IN_DOMAIN.search(domain):
        return False
    if domain.startswith(".") or ".." in domain:
        return False
    try:
        return all(len(label) <= LABEL_MAX for label in domain_to_ascii(domain).split("."))
    except AddressError:
        return False


def unquote_mbox(local_part: str) -> str:
    """The local part without the quotes and backslashes of RFC 5321 §4.1.2. Raises AddressError."""
    if local_part.startswith('"'):
        quoted = _QUOTED.fullmatch(local_part)
        if quoted is None:
            raise AddressError("malformed quoted local part")
        mailbox = _ESCAPE.sub(r"\1", quoted[1])
    elif '"' in local_part or "\\" in local_part or "@" in local_part:
        raise AddressError("special character in an unquoted local part")
    else:
        mailbox = local_part
    if not mailbox:
        raise AddressError("empty local part")
    return mailbox


def quote_mbox(mailbox: str) -> str:
    """The local part as it has to be written: quoted when it holds special characters or a blank."""
    return '"%s"' % _TO_ESCAPE.sub(r"\\\g<0>", mailbox) if _SPECIAL.search(mailbox) else mailbox


def to_ascii(address: str) -> str:
    """The address with its domain in A-labels. Raises AddressError, also for a local part that is not ASCII."""
    local_part, domain = split(address)
    if not local_part.isascii():
        raise AddressError("local part is not ASCII")
    return _join(local_part, domain_to_ascii(domain))


def select_idna(name: str, *, utf8: bool) -> str:
    """An address or domain for a peer: in U-labels and NFC where UTF-8 is allowed, else in A-labels.

    Raises AddressError.
    """
    if not utf8:
        return to_ascii(name) if "@" in name else domain_to_ascii(name)
    local_part, at, domain = name.rpartition("@")
    return normalize("NFC", local_part) + at + domain_to_unicode(domain)


def domain_to_unicode(domain: str) -> str:
    """The domain in U-labels and NFC. The case of ASCII letters stays. Raises AddressError."""
    if domain.isascii() and _ACE_PREFIX not in domain.lower():
        return domain
    return _to_unicode(domain)


def domain_to_ascii(domain: str) -> str:
    """The domain in A-labels. ASCII labels stay as they are. Raises AddressError."""
    if domain.isascii() and _ACE_PREFIX not in domain.lower():
        return domain
    return _to_ascii(domain)


def _is_postmaster(address: str) -> bool:
    return len(address) == 10 and address.lower() == "postmaster"


def _join(local_part: str, domain: str) -> str:
    return f"{local_part}@{domain}" if domain else local_part


def _lower(text: str) -> str:
    # Lower case can undo NFC: dotted capital I with a mark below it.
    return text.lower() if text.isascii() else normalize("NFC", normalize("NFC", text).lower())


def _normal(domain: str) -> str:
    return _lower(domain_to_unicode(domain))


def _valid_local_part(local_part: str) -> bool:
    if local_part.startswith('"'):
        return not _CONTROL.search(unquote_mbox(local_part))
    return _LOCAL_PART.fullmatch(local_part) is not None


@lru_cache(_CACHED)
def _to_unicode(domain: str) -> str:
    return ".".join(map(_u_label, _labels(domain)))


@lru_cache(_CACHED)
def _to_ascii(domain: str) -> str:
    return ".".join(map(_a_label, map(_u_label, _labels(domain))))


def _labels(domain: str) -> list[str]:
    if len(domain) > _CONVERTED_MAX:
        raise AddressError("domain too long")
    return domain.split(".")


def _u_label(label: str) -> str:
    if label[:4].lower() == _ACE_PREFIX:
        return _decoded(label)
    if label.isascii():
        return label
    label = normalize("NFC", label)
    if _SURROGATE.search(label):
        raise AddressError("domain is no text")
    return label


def _decoded(label: str) -> str:
    try:
        decoded = normalize("NFC", label[4:].encode("ascii").decode("punycode"))
    except UnicodeError as err:
        raise AddressError(f"malformed A-label {label!r}") from err
    # What is no U-label must not pass for another domain: xn--a-.example is not a.example.
    if decoded.isascii() or _NOT_IN_U_LABEL.search(decoded):
        raise AddressError(f"{label!r} is no A-label")
    return decoded


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    return _ACE_PREFIX + _lower(label).encode("punycode").decode("ascii")
