"""Records of SPF: choosing one, and reading it (RFC 7208 §4.5, §4.6.1, §12)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from posthouse.core.world import IpAddress, IpVersion
from posthouse.mailauth.spf.limits import RECORD_MAX
from posthouse.mailauth.spf.macro import MacroString, check_macro_string, parse_domain_spec
from posthouse.mailauth.spf.result import PermError, Result, shown

QUALIFIERS: Final = {
    "": Result.PASS,
    "+": Result.PASS,
    "-": Result.FAIL,
    "?": Result.NEUTRAL,
    "~": Result.SOFTFAIL,
}
BITS: Final[Mapping[IpVersion, int]] = {4: 32, 6: 128}  # of an address

_VERSION: Final = b"v=spf1"
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)([a-z0-9]+)([:/].*)?", re.IGNORECASE | re.DOTALL)
_LENGTHS = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?\Z")  # dual-cidr-length
_IP4 = re.compile(r":([0-9.]+)(?:/(0|[1-9][0-9]?))?")
_IP6 = re.compile(r":([0-9a-f:.]+)(?:/(0|[1-9][0-9]{0,2}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class All:
    """Always matches."""


@dataclass(frozen=True, slots=True)
class Include:
    domain: MacroString


@dataclass(frozen=True, slots=True)
class Hosts:
    """`a`, or `mx` if `is_mx`. domain: None for the current one. length4, length6: of the prefixes that count."""

    is_mx: bool
    domain: MacroString | None
    length4: int
    length6: int


@dataclass(frozen=True, slots=True)
class Ptr:
    """domain: None for the current one."""

    domain: MacroString | None


@dataclass(frozen=True, slots=True)
class Ip:
    """`ip4` or `ip6`. length: of the prefix that counts."""

    address: IpAddress
    length: int


@dataclass(frozen=True, slots=True)
class Exists:
    domain: MacroString


Mechanism = All | Include | Hosts | Ptr | Ip | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism, and the result when it matches. text: as it is written."""

    result: Result
    mechanism: Mechanism
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """What a domain says. `exp` is not kept: nobody shows what strangers would have us say."""

    directives: Sequence[Directive]
    redirect: MacroString | None


def select_record(texts: Sequence[bytes]) -> str | None:
    """The one record of SPF among those of TXT, if there is one. Raises PermError."""
    records = [text for text in texts if text[:6].lower() == _VERSION and text[6:7] in (b"", b" ")]
    if not records:
        return None
    if len(records) > 1:
        raise PermError("more than one record")
    if len(records[0]) > RECORD_MAX:
        raise PermError("record too long")
    if not records[0].isascii():
        raise PermError("record is not ASCII")
    return records[0].decode()


def parse_record(text: str) -> Record:
    """Read a record that `select_record` gave: all of it, so that errors are found anywhere. Raises PermError.

    A directive that comes thousands of times is in memory once.
    """
    terms = list(filter(None, text[len(_VERSION) :].split(" ")))
    directives: dict[str, Directive] = {}
    known: dict[str, MacroString] = {}
    for term in terms:
        if (modifier := _MODIFIER.fullmatch(term)) is not None:
            _add_modifier(known, modifier[1].lower(), modifier[2])
        elif term not in directives:
            directives[term] = _parse_directive(term)
    return Record([directives[term] for term in terms if term in directives], known.get("redirect"))


def _add_modifier(known: dict[str, MacroString], name: str, value: str) -> None:
    if name not in ("redirect", "exp"):
        check_macro_string(value)
    elif name in known:
        raise PermError(f"{name} is there twice")
    else:
        known[name] = parse_domain_spec(value)


def _parse_directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise PermError(f"no mechanism: {shown(term)}")
    mechanism = _parse_mechanism(found[2].lower(), found[3] or "")
    if mechanism is None:
        raise PermError(f"bad or unknown mechanism: {shown(term)}")
    return Directive(QUALIFIERS[found[1]], mechanism, term)


def _parse_mechanism(name: str, argument: str) -> Mechanism | None:
    """argument: with the colon or slash before it; "" if there is none."""
    match name:
        case "all":
            return All() if not argument else None
        case "include":
            return Include(_parse_domain(argument))
        case "exists":
            return Exists(_parse_domain(argument))
        case "ptr":
            return Ptr(_parse_domain(argument) if argument else None)
        case "a" | "mx":
            return _parse_hosts(argument, is_mx=name == "mx")
        case "ip4":
            return _parse_ip(_IP4.fullmatch(argument), IPv4Address, BITS[4])
        case "ip6":
            return _parse_ip(_IP6.fullmatch(argument), IPv6Address, BITS[6])
    return None


def _parse_domain(argument: str) -> MacroString:
    if not argument.startswith(":"):
        raise PermError("mechanism without its domain name")
    return parse_domain_spec(argument[1:])


def _parse_hosts(argument: str, *, is_mx: bool) -> Hosts:
    lengths = _LENGTHS.search(argument)
    assert lengths is not None  # it may be empty
    domain = argument[: lengths.start()]
    return Hosts(
        is_mx,
        _parse_domain(domain) if domain else None,
        _parse_length(lengths[1], BITS[4]),
        _parse_length(lengths[2], BITS[6]),
    )


def _parse_ip(found: re.Match[str] | None, kind: type[IPv4Address | IPv6Address], bits: int) -> Ip | None:
    if found is None:
        return None
    try:
        return Ip(kind(found[1]), _parse_length(found[2], bits))
    except ValueError:
        return None


def _parse_length(digits: str | None, bits: int) -> int:
    length = bits if digits is None else int(digits)
    if length > bits:
        raise PermError(f"prefix of {length} bits")
    return length
