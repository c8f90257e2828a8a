"""The function check_host() of RFC 7208 §4."""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from posthouse.core.world import IpAddress, Resolver
from posthouse.mailauth.spf.limits import MX_MAX, PTR_MAX
from posthouse.mailauth.spf.lookups import Lookups, dns_name
from posthouse.mailauth.spf.macro import MacroString, expand_domain, has_letter
from posthouse.mailauth.spf.record import (
    BITS,
    All,
    Exists,
    Hosts,
    Include,
    Ip,
    Mechanism,
    Ptr,
    Record,
    parse_record,
    select_record,
)
from posthouse.mailauth.spf.result import PermError, Result, SpfError, SpfResult, TempError

MECHANISM_MAX: Final = 100  # characters of a directive that a result tells of


async def check_host(ip: IpAddress, domain: str, sender: str, helo: str, resolver: Resolver) -> SpfResult:
    """Whether a domain lets a client send mail.

    domain: the one that is asked about, as A-labels. sender: the reverse-path, or `postmaster@HELO` if that is empty.
    helo: what the client calls itself. They are not trusted: nothing raises, and limits.py bounds the cost. There is no
    time limit: callers set `asyncio.timeout(TIME_LIMIT)`, and take TimeoutError for a temperror.
    """
    try:
        return await _Evaluation(ip, sender, helo, resolver).check(domain.removesuffix("."))
    except SpfError as err:
        return SpfResult(err.result, err.reason)


class _Evaluation:
    """One call of check_host(), with all that it includes. Domains are without trailing dot."""

    __slots__ = ("_ip", "_lookups", "_names", "_validated", "_values")

    def __init__(self, ip: IpAddress, sender: str, helo: str, resolver: Resolver) -> None:
        self._ip = _plain(ip)
        self._lookups = Lookups(resolver)
        self._values = _macro_values(self._ip, sender, helo)
        self._names: list[str] | None = None
        self._validated: dict[str, bool] = {}

    async def check(self, domain: str) -> SpfResult:
        """By the record of a domain, and those that it redirects to. Raises SpfError.

        An include comes here again, at most TERMS_MAX deep.
        """
        record = await self._record(domain)
        if record is None:
            return SpfResult(Result.NONE, "no policy")
        while True:
            for directive in record.directives:
                if await self._matches(directive.mechanism, domain):
                    text = directive.text[:MECHANISM_MAX]
                    return SpfResult(directive.result, f"matched {text}", text)
            if record.redirect is None:
                return SpfResult(Result.NEUTRAL, "no mechanism matched")
            self._lookups.begin_term()
            domain = await self._target(record.redirect, domain)
            record = await self._record(domain)
            if record is None:
                raise PermError("redirect to a domain without policy")

    async def _record(self, domain: str) -> Record | None:
        """None for what is no full domain name, too (RFC 7208 §4.3)."""
        name = dns_name(domain)
        if "." not in name or domain.startswith("["):
            return None
        text = select_record(await self._lookups.txt(name))
        return None if text is None else parse_record(text)

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        match mechanism:
            case All():
                return True
            case Ip(address, length):
                return _is_same_network(self._ip, address, length)
        self._lookups.begin_term()
        target = domain if mechanism.domain is None else await self._target(mechanism.domain, domain)
        if isinstance(mechanism, Include):
            return await self._includes(target)
        name = dns_name(target)
        if not name:  # it cannot be asked for, so that it is no void look-up either
            return False
        match mechanism:
            case Hosts():
                return await self._is_of_hosts(mechanism, name)
            case Ptr():
                return await self._is_named(name)
            case Exists():
                return await self._exists(name)

    async def _target(self, spec: MacroString, domain: str) -> str:
        values = self._values | {"d": domain}
        if has_letter(spec, "p"):
            values["p"] = await self._client_name(dns_name(domain))
        return expand_domain(spec, values)

    async def _includes(self, domain: str) -> bool:
        result = (await self.check(domain)).result
        if result is Result.NONE:
            raise PermError("include of a domain without policy")
        return result is Result.PASS

    async def _exists(self, name: str) -> bool:
        """Only A records count, whatever the client has (RFC 7208 §5.7)."""
        found = await self._lookups.addresses(name, 4)
        if not found:
            self._lookups.count_void()
        return bool(found)

    async def _is_of_hosts(self, hosts: Hosts, name: str) -> bool:
        version = self._ip.version
        length = hosts.length4 if version == 4 else hosts.length6
        is_void = True
        for host in await self._exchanges(name) if hosts.is_mx else [name]:
            found = await self._lookups.addresses(host, version)
            if any(_is_same_network(self._ip, address, length) for address in found):
                return True
            is_void = is_void and not found
        if is_void:
            self._lookups.count_void()
        return False

    async def _exchanges(self, name: str) -> list[str]:
        found = await self._lookups.mx(name)
        if len(found) > MX_MAX:
            raise PermError(f"more than {MX_MAX} MX records")
        return [exchange for _, exchange in found if exchange]  # the null MX is none

    # --- the names of the client

    async def _is_named(self, name: str) -> bool:
        """Whether one of the client's validated names is that name or below it (RFC 7208 §5.5)."""
        for one in await self._client_names():
            if _is_within(one, name) and await self._is_validated(one):
                return True
        return False

    async def _client_name(self, name: str) -> str:
        """What `%{p}` is: a validated name, best that one, or one below it (RFC 7208 §7.3)."""
        names = await self._client_names()
        for one in sorted(names, key=lambda one: (one != name, not _is_within(one, name))):
            if await self._is_validated(one):
                return one
        return "unknown"

    async def _client_names(self) -> list[str]:
        """Those that are looked at. A failure of DNS means none (RFC 7208 §5.5); odd octets make no host name."""
        if self._names is None:
            self._names = []
            try:
                found = await self._lookups.names(self._ip)
            except TempError:
                return self._names
            if not found:
                self._lookups.count_void()
            self._names = [name for name in found[:PTR_MAX] if "\\" not in name]
        return self._names

    async def _is_validated(self, name: str) -> bool:
        if name not in self._validated:
            try:
                found = await self._lookups.addresses(name, self._ip.version)
            except TempError:
                found = ()
            self._validated[name] = self._ip in found
        return self._validated[name]


def _plain(ip: IpAddress) -> IpAddress:
    """An IPv4 address within an IPv6 one is taken out (RFC 7208 §5), the zone of a link-local one left out."""
    if isinstance(ip, IPv4Address):
        return ip
    return ip.ipv4_mapped or IPv6Address(int(ip))


def _macro_values(ip: IpAddress, sender: str, helo: str) -> dict[str, str]:
    """What the letters mean (RFC 7208 §7.2), but those that depend on the domain."""
    local_part, _, domain = sender.rpartition("@")
    local_part = local_part or "postmaster"  # RFC 7208 §4.3
    is_ipv4 = isinstance(ip, IPv4Address)
    return {
        "s": f"{local_part}@{domain}",
        "l": local_part,
        "o": domain,
        "i": str(ip) if is_ipv4 else ".".join(ip.exploded.replace(":", "")),
        "h": helo,
        "v": "in-addr" if is_ipv4 else "ip6",
    }


def _is_same_network(ip: IpAddress, other: IpAddress, length: int) -> bool:
    """Whether the addresses are of one version and agree in their first bits."""
    return ip.version == other.version and not (int(ip) ^ int(other)) >> (BITS[ip.version] - length)


def _is_within(name: str, domain: str) -> bool:
    return name == domain or name.endswith("." + domain)
