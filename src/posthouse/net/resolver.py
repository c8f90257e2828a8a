"""The stub resolver: DNS lookups of the whole process, as `core.world.Resolver` describes them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from posthouse.core.world import Clock, DnsError, IpAddress, IpVersion
from posthouse.net.dns_cache import DnsCache, Outcome, Question
from posthouse.net.dns_client import DnsClient
from posthouse.net.hosts import parse_hosts
from posthouse.net.resolv_conf import TIMEOUT, ResolvConf, parse_resolv_conf, parse_server
from posthouse.net.watched_file import WatchedFile
from posthouse.wire.dns.chain import follow
from posthouse.wire.dns.message import Data, MailExchange, Rcode, RecordType
from posthouse.wire.dns.name import DnsFormatError, canonical

LOOKUP_TIMEOUT: Final = 20.0  # seconds for one lookup, all servers and aliases together
LOOKUPS_MAX: Final = 5000  # different questions under way at once
RESTARTS_MAX: Final = 4  # times that a server leaves a chain of aliases to us
_ADDRESSES: Final[Mapping[IpVersion | None, Sequence[RecordType]]] = {
    None: (RecordType.A, RecordType.AAAA),
    4: (RecordType.A,),
    6: (RecordType.AAAA,),
}


@dataclass(frozen=True, slots=True)
class SystemFiles:
    hosts: Path = Path("/etc/hosts")
    resolv_conf: Path = Path("/etc/resolv.conf")


@dataclass(slots=True)
class _Lookup:
    """A question under way, with all who wait for its outcome."""

    task: asyncio.Task[Outcome]
    waiting: int = 0


class StubResolver:
    """Asks the system's servers, after /etc/hosts for addresses and their names.

    override: `IP:PORT` of the one server to ask instead, for everything; /etc/hosts is not looked at then.
    timeout: seconds for one server to answer, in place of what resolv.conf says.
    """

    def __init__(
        self,
        clock: Clock,
        random: Callable[[int], bytes],
        *,
        override: str = "",
        timeout: float | None = None,
        files: SystemFiles | None = None,
    ) -> None:
        files = files or SystemFiles()
        self._client = DnsClient(clock, random)
        self._cache = DnsCache(clock)
        self._lookups: dict[Question, _Lookup] = {}
        self._timeout = timeout
        self._override = ResolvConf((parse_server(override),), TIMEOUT) if override else None
        self._hosts = WatchedFile(files.hosts, parse_hosts, clock)
        self._conf = WatchedFile(files.resolv_conf, parse_resolv_conf, clock)

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        """IPv4 first."""
        name = _canonical(name)
        if known := await self._in_hosts(name, version):
            return known
        outcomes = await asyncio.gather(*(self._outcome(name, kind) for kind in _ADDRESSES[version]))
        data = [one for outcome in outcomes for one in outcome.data]
        if not data:
            _raise_first(sorted(outcomes, key=lambda outcome: not outcome.transient))
        return [one for one in data if isinstance(one, IpAddress)]

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        records = await self._records(name, RecordType.MX)
        return sorted((mx.preference, mx.exchange) for mx in records if isinstance(mx, MailExchange))

    async def txt(self, name: str) -> Sequence[bytes]:
        return [text for text in await self._records(name, RecordType.TXT) if isinstance(text, bytes)]

    async def names(self, address: IpAddress) -> Sequence[str]:
        address = _plain_address(address)
        if self._override is None and (known := (await self._hosts.current()).names.get(address)):
            return known
        records = await self._records(address.reverse_pointer, RecordType.PTR)
        return [name for name in records if isinstance(name, str)]

    async def cname(self, name: str) -> str | None:
        targets = await self._records(name, RecordType.CNAME)
        return next((target for target in targets if isinstance(target, str)), None)

    async def aclose(self) -> None:
        """Give up all lookups."""
        tasks = [lookup.task for lookup in self._lookups.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _in_hosts(self, name: str, version: IpVersion | None) -> Sequence[IpAddress]:
        if self._override is not None:
            return ()
        known = (await self._hosts.current()).addresses.get(name, ())
        return [address for address in known if version in (None, address.version)]

    async def _records(self, name: str, kind: RecordType) -> Sequence[Data]:
        outcome = await self._outcome(_canonical(name), kind)
        _raise_first([outcome])
        return outcome.data

    async def _outcome(self, name: str, kind: RecordType) -> Outcome:
        """From memory, from a lookup of the same under way, or from a new one. Ends it when nobody waits any more."""
        question = (name, kind)
        if (known := self._cache.get(question)) is not None:
            return known
        lookup = self._lookups.get(question) or self._begin(question)
        lookup.waiting += 1
        try:
            return await asyncio.shield(lookup.task)
        finally:
            lookup.waiting -= 1
            if not lookup.waiting:
                lookup.task.cancel()
                self._end(question, lookup)

    def _begin(self, question: Question) -> _Lookup:
        if len(self._lookups) >= LOOKUPS_MAX:
            raise DnsError("too many lookups at once", transient=True)
        lookup = self._lookups[question] = _Lookup(asyncio.create_task(self._look_up(question)))
        return lookup

    def _end(self, question: Question, lookup: _Lookup) -> None:
        if self._lookups.get(question) is lookup:
            del self._lookups[question]

    async def _look_up(self, question: Question) -> Outcome:
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                outcome, ttl = await self._ask(*question)
        except TimeoutError:
            return Outcome(error=f"{question[0]}: timed out", transient=True)
        except DnsError as err:
            return Outcome(error=str(err), transient=True)
        except DnsFormatError as err:
            return Outcome(error=f"{question[0]}: {err}", transient=True)
        self._cache.put(question, outcome, ttl)
        return outcome

    async def _ask(self, name: str, kind: RecordType) -> tuple[Outcome, int]:
        """The outcome and for how many seconds it holds. Goes on where a server does not follow aliases."""
        asked = name
        ttls: list[int] = []
        for _ in range(RESTARTS_MAX):
            conf = self._override or await self._conf.current()
            response = await self._client.ask(conf.servers, self._timeout or conf.timeout, name, kind)
            if response.rcode == Rcode.NXDOMAIN:
                return Outcome(error=f"{asked}: no such name"), min([*ttls, response.negative_ttl or 0])
            found = follow(response.answers, name, kind)
            ttls += [found.ttl] if found.data or found.links else []
            if found.data:
                return Outcome(found.data), min(ttls)
            if not found.links or response.negative_ttl is not None:
                return Outcome(), min([*ttls, response.negative_ttl or 0])
            name = found.name
        raise DnsFormatError("chain of aliases is too long")


def _canonical(name: str) -> str:
    """The form of a name that is asked for. What cannot be a name does not exist."""
    try:
        return canonical(name)
    except DnsFormatError as err:
        raise DnsError(f"{name[:255]}: {err}", transient=False) from err


def _plain_address(address: IpAddress) -> IpAddress:
    """The address that DNS knows: an IPv4 address not within an IPv6 one, a link-local one without its zone."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _raise_first(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error:
            raise DnsError(outcome.error, transient=outcome.transient)
