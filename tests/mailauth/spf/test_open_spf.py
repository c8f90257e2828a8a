"""The openspf suite for RFC 7208, read from the folder that POSTHOUSE_TESTDATA names (default: shared/testdata beside the project)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final, cast

import pytest
import yaml

from posthouse.core.world import DnsError, IpAddress, IpVersion
from posthouse.mailauth.spf import check_host
from posthouse.wire.dns.name import canonical

PROJECT: Final = Path(__file__).parents[3]
FOLDER: Final = Path(os.environ.get("POSTHOUSE_TESTDATA", PROJECT.parent / "shared" / "testdata"))
SUITE: Final = FOLDER / "spf-rfc7208" / "rfc7208-tests.yml"
ALIASES_MAX: Final = 10

Value = str | list[object]
Entry = str | Mapping[str, Value]  # TIMEOUT, or one record
Zone = Mapping[str, Sequence[Entry]]


@dataclass(frozen=True)
class ZoneResolver:
    """Answers from the records of a scenario."""

    zone: Mapping[str, Sequence[Entry]]  # by canonical name

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        assert version is not None, "SPF asks for the records of one version"
        return [ip_address(str(value)) for value in self._values(name, "A" if version == 4 else "AAAA")]

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        records = [cast("tuple[int, str]", value) for value in self._values(name, "MX")]
        return sorted((preference, in_dns(exchange)) for preference, exchange in records)

    async def txt(self, name: str) -> Sequence[bytes]:
        return ["".join(map(str, value)).encode("latin-1") for value in self._values(name, "TXT")]

    async def names(self, address: IpAddress) -> Sequence[str]:
        return [in_dns(str(value)) for value in self._values(address.reverse_pointer, "PTR")]

    async def cname(self, name: str) -> str | None:
        raise AssertionError("SPF does not ask for aliases")

    def _values(self, name: str, kind: str) -> list[Value]:
        for _ in range(ALIASES_MAX):
            if name not in self.zone:
                raise DnsError(f"{name}: no such name", transient=False)
            entries = self.zone[name]
            if found := records(entries, kind):
                return found
            if "TIMEOUT" in entries:
                raise DnsError(f"{name}: timed out", transient=True)
            aliases = records(entries, "CNAME")
            if not aliases:
                return []
            name = in_dns(str(aliases[0]))
        raise DnsError(f"{name}: chain of aliases is too long", transient=True)


def records(entries: Sequence[Entry], kind: str) -> list[Value]:
    """The records of a type. Those of SPF are those of TXT too, unless there is something said of TXT."""
    found = [entry[kind] for entry in entries if isinstance(entry, Mapping) and kind in entry]
    if kind == "TXT" and not found:
        return records(entries, "SPF")
    return [value for value in found if value != "NONE"]


def in_dns(name: str) -> str:
    return canonical(name.replace("\\", r"\\"))


def cases() -> Iterator[object]:
    if not SUITE.is_file():
        yield pytest.param({}, {}, marks=pytest.mark.skip(f"no {SUITE}: POSTHOUSE_TESTDATA names its folder"))
        return
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    for scenario in yaml.load_all(SUITE.read_text(), loader):
        for name, case in scenario["tests"].items():
            yield pytest.param(case, scenario["zonedata"], id=f"{scenario['description']}: {name}")


@pytest.mark.parametrize(("case", "zone"), list(cases()))
async def test_open_spf(case: Mapping[str, str | list[str]], zone: Zone) -> None:
    """All results that the suite allows are right; explanations are not: we do not fetch them."""
    resolver = ZoneResolver({in_dns(name): entries for name, entries in zone.items()})
    helo, sender = str(case["helo"]), str(case["mailfrom"])
    sender = sender or f"postmaster@{helo}"
    _, _, domain = sender.rpartition("@")
    found = await check_host(ip_address(str(case["host"])), domain, sender, helo, resolver)
    assert found.result in (case["result"] if isinstance(case["result"], list) else [case["result"]]), found
