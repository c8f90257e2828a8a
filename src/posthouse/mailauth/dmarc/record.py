"""Records of DMARC (RFC 9989 §4.7, §4.8; RFC 7489 §6.3, §6.4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import unquote

from posthouse.message.address import valid

TAGS_MAX: Final = 100  # tags of a record that are read; DNS alone would allow for 30,000
URIS_MAX: Final = 10  # of each kind of report; RFC 7489 §6.3 asks for at least 2
_PCT_ALL: Final = 100


class Mode(StrEnum):
    """Which DMARC it is."""

    TREE = "tree"  # RFC 9989: policy and organisation are found by walking up the DNS tree
    PSL = "psl"  # RFC 7489: by the public suffix list


class Policy(StrEnum):
    """What a domain wants done with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Psd(StrEnum):
    """What a record says of its domain."""

    YES = "y"  # a public suffix
    NO = "n"  # an organisation's domain
    UNKNOWN = "u"


@dataclass(frozen=True, slots=True)
class Record:
    """One record; what it does not say, or says with errors, has the default.

    p: None: nothing usable is said, and no DMARC takes place (RFC 9989 §4.10.1).
    sp, np: for sub-domains that exist, and that do not; None: not said.
    testing: the domain's owner wants one step less than the policy (`t=y`).
    rua, ruf: URIs for aggregate and failure reports, without the size limits that RFC 7489 allowed.
    fo: when failure reports are wanted; of no meaning without `ruf`.
    pct: per cent of the failing messages that the policy is for.
    """

    p: Policy | None
    sp: Policy | None = None
    np: Policy | None = None
    psd: Psd = Psd.UNKNOWN
    testing: bool = False
    strict_dkim: bool = False
    strict_spf: bool = False
    rua: tuple[str, ...] = ()
    ruf: tuple[str, ...] = ()
    fo: frozenset[str] = frozenset("0")
    pct: int = _PCT_ALL


# The tags that each knows; others are ignored. So are rf and ri of RFC 7489: they have to do with reports of its form.
_COMMON: Final = frozenset({"p", "sp", "adkim", "aspf", "rua", "ruf", "fo"})
_KNOWN: Final = {Mode.TREE: _COMMON | {"np", "psd", "t"}, Mode.PSL: _COMMON | {"pct"}}

_VERSION = re.compile(rb"[vV][ \t]*+=[ \t]*+DMARC1[ \t]*+(?:;|\Z)")
_VALUE = re.compile(r"[ -~]++")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+):([A-Za-z0-9._~:/?#\[\]@$&'()*+=%-]++)(?:![0-9]++[kmgtKMGT]?)?")
_FO = re.compile("[01ds](?::[01ds])*+")


def parse_record(octets: bytes, mode: Mode) -> Record | None:
    """The record in a TXT record; None if it is none: those begin with `v=DMARC1`, whatever follows.

    Of a tag that comes twice, the first counts. Names and values are read in any case, but DMARC1 itself.
    """
    version = _VERSION.match(octets)
    if version is None:
        return None
    tags = _tags(octets[version.end() :].decode("latin-1"), mode)
    rua = _uris(tags.get("rua", ""))
    policies = {name: _policy(tags[name]) for name in ("p", "sp", "np") if name in tags}
    if policies.get("p") is None or None in policies.values():
        policies = {"p": Policy.NONE if rua else None}
    return Record(
        p=policies["p"],
        sp=policies.get("sp"),
        np=policies.get("np"),
        psd=_psd(tags.get("psd", "")),
        testing=_is("y", tags.get("t")),
        strict_dkim=_is("s", tags.get("adkim")),
        strict_spf=_is("s", tags.get("aspf")),
        rua=rua,
        ruf=_uris(tags.get("ruf", "")),
        fo=_fo(tags.get("fo", "")),
        pct=_pct(tags.get("pct", "")),
    )


def _tags(text: str, mode: Mode) -> Mapping[str, str]:
    """The known tags that have a value of printable characters."""
    tags: dict[str, str] = {}
    for tag in text.split(";", TAGS_MAX)[:TAGS_MAX]:
        name, _, value = (part.strip(" \t") for part in tag.partition("="))
        name = name.lower()
        if name in _KNOWN[mode] and _VALUE.fullmatch(value):
            tags.setdefault(name, value)
    return tags


def _policy(value: str) -> Policy | None:
    try:
        return Policy(value.lower())
    except ValueError:
        return None


def _psd(value: str) -> Psd:
    try:
        return Psd(value.lower())
    except ValueError:
        return Psd.UNKNOWN


def _is(letter: str, value: str | None) -> bool:
    return value is not None and value.lower() == letter


def _pct(value: str) -> int:
    is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(_PCT_ALL))
    return min(int(value), _PCT_ALL) if is_number else _PCT_ALL


def _fo(value: str) -> frozenset[str]:
    """The options; 0 if they are not well written: 0 and 1 exclude each other."""
    options = frozenset(value.lower().split(":")) if _FO.fullmatch(value.lower()) else frozenset("0")
    return frozenset("0") if options >= {"0", "1"} else options


def _uris(value: str) -> tuple[str, ...]:
    """The URIs that are well written, without size limits. Commas and exclamation marks in them are escaped."""
    found = (_URI.fullmatch(uri.strip(" \t")) for uri in value.split(",", URIS_MAX)[:URIS_MAX])
    return tuple(f"{uri[1]}:{uri[2]}" for uri in found if uri is not None and _can_be_used(uri[1], uri[2]))


def _can_be_used(scheme: str, rest: str) -> bool:
    return scheme.lower() != "mailto" or ("@" in rest and valid(unquote(rest.partition("?")[0])))
