"""/etc/hosts: names and addresses that are known without DNS (hosts(5))."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from posthouse.core.world import IpAddress
from posthouse.wire.dns.name import DnsFormatError, canonical


@dataclass(frozen=True, slots=True)
class Hosts:
    addresses: Mapping[str, Sequence[IpAddress]]  # by canonical name
    names: Mapping[IpAddress, Sequence[str]]


def parse_hosts(text: str) -> Hosts:
    """Read the file. Lines that make no sense are left out."""
    addresses: dict[str, list[IpAddress]] = {}
    names: dict[IpAddress, list[str]] = {}
    for address, name in _entries(text):
        addresses.setdefault(name, []).append(address)
        names.setdefault(address, []).append(name)
    return Hosts(addresses, names)


def _entries(text: str) -> Iterator[tuple[IpAddress, str]]:
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        try:
            known = ip_address(address)
        except ValueError:
            continue
        for name in names:
            try:
                yield known, canonical(name)
            except DnsFormatError:
                continue
