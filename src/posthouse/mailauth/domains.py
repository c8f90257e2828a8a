"""Domains as SPF, DKIM and DMARC compare them, and which of them an organisation registered."""

import re
from functools import cache

from publicsuffixlist import PublicSuffixList

from posthouse.message.address import AddressError, dns_for_lookup, domain_to_ascii

_NAME = re.compile(r"[!-\-/-Z^-~]++(?:\.[!-\-/-Z^-~]++)*+")


def normal_domain(domain: str) -> str:
    """The name to compare and to ask DNS for: A-labels, lower case, no dot at the end.

    Raises AddressError for what is no domain, as address literals; lengths and odd characters are left to DNS: a
    sub-domain that cannot exist still is its organisation's matter.
    """
    name = domain_to_ascii(dns_for_lookup(domain))
    if not _NAME.fullmatch(name):
        raise AddressError("not a domain")
    return name


def preload() -> None:
    """Read the public suffix list that is installed, which takes some 34 ms: before the event loop runs, and before fork."""
    _suffixes()


def registered_domain(domain: str) -> str | None:
    """The public suffix of a domain and one label more, in lower case; None for a public suffix itself.

    A top-level domain that the list does not know is a public suffix; those of the list's private part count. Without
    `preload`, the first call reads the list.
    """
    return _suffixes().privatesuffix(domain)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()
