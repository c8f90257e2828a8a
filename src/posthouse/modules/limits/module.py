"""The module: its lines, and what a message takes of them."""

import asyncio
from collections.abc import Hashable
from ipaddress import IPv6Address, ip_address
from typing import Final

from posthouse.core.errors import MailError
from posthouse.core.world import IpAddress
from posthouse.framework.config.settings import repeated, settings
from posthouse.framework.config.values import Several, duration_seconds, integer
from posthouse.framework.interfaces.module import Context, Module
from posthouse.modules.limits.holders import LimiterSet
from posthouse.modules.limits.limiter import Concurrency, Limiter, Line, Rate
from posthouse.modules.limits.scope import Scope, TooManyKeys
from posthouse.wire.smtp.reply import Reply

HIGH_LOAD: Final = Reply(451, (4, 4, 5), "High load, try again later")
TAKE_TIMEOUT: Final = 5.0  # seconds, for all scopes together
DEFAULT_PERIOD: Final = "1s"
NETWORK_OCTETS: Final = 8  # of an IPv6 address: whoever has one address has its whole /64
SITE_OCTETS: Final = 6  # of an IPv6 address: a site has 65,536 networks (RFC 6177 §2)
EVERYTHING: Final = ""  # the only key of `all`


def parse_line(args: tuple[str, ...]) -> Line | None:
    """`rate BURST [PERIOD]` or `concurrency MAX`; None for one that limits nothing. Raises ValueError."""
    kind, *values = args
    if kind == "rate" and 1 <= len(values) <= 2:
        burst, period = integer.convert(values[0]), duration_seconds((*values, DEFAULT_PERIOD)[1])
        if period <= 0:
            raise ValueError("the period of a rate must be longer than 0")
        return Rate(burst, period) if burst > 0 else None
    if kind == "concurrency" and len(values) == 1:
        most = integer.convert(values[0])
        return Concurrency(most) if most > 0 else None
    if kind in {"rate", "concurrency"}:
        raise ValueError("expected rate BURST [PERIOD] or concurrency MAX")
    raise ValueError(f"unknown limit: {kind}, valid ones are: [rate concurrency]")


_LINE: Final = Several("rate BURST [PERIOD] | concurrency MAX", parse_line)


class Limits(Module):
    @settings
    class Settings:
        all_: tuple[Line | None, ...] = repeated(_LINE, help="limit of all messages together")
        ip: tuple[Line | None, ...] = repeated(
            _LINE, help="limit of each client: an IPv4 address, or an IPv6 network of 64 bits"
        )
        source: tuple[Line | None, ...] = repeated(_LINE, help="limit of each domain of senders")
        destination: tuple[Line | None, ...] = repeated(
            _LINE, help="limit of each domain of recipients; only target.remote asks for it"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        clock = context.world.clock

        def scope(name: str, lines: tuple[Line | None, ...]) -> Scope:
            return Scope(name, tuple(line for line in lines if line is not None), clock)

        self._module = context.module
        self._all = scope("all", settings.all_)
        self._ip = scope("ip", settings.ip)
        self._source = scope("source", settings.source)
        self._destination = scope("destination", settings.destination)

    async def take_message(self, ip: IpAddress, source: str) -> "Taken":
        client = network(ip)
        holder = site(client)
        return await self._take(
            (self._all, EVERYTHING, None), (self._ip, client, holder), (self._source, source, holder)
        )

    async def take_destination(self, domain: str) -> "Taken":
        return await self._take((self._destination, domain, None))

    async def _take(self, *wanted: tuple[Scope, Hashable, Hashable]) -> "Taken":
        """Take of each scope in order, for a key, which a holder brings.

        A token of a rate is spent even if what follows is refused.
        """
        deadline = asyncio.get_running_loop().time() + TAKE_TIMEOUT
        taken = Taken()
        try:
            for scope, key, holder in wanted:
                if scope.lines:
                    await self._take_of(scope, key, holder, taken, deadline)
        except BaseException:
            taken.release()
            raise
        return taken

    async def _take_of(
        self, scope: Scope, key: Hashable, holder: Hashable, taken: "Taken", deadline: float
    ) -> None:
        try:
            found = taken.enter(scope, key, holder)
        except TooManyKeys as err:
            raise self._refusal(scope, key, "keys") from err
        for line, limiter in zip(scope.lines, found.limiters, strict=True):
            if not limiter.take_now():
                try:
                    async with asyncio.timeout_at(deadline):
                        await limiter.take()
                except TimeoutError as err:
                    raise self._refusal(scope, key, line) from err
            taken.limiters.append(limiter)

    def _refusal(self, scope: Scope, key: Hashable, line: object) -> MailError:
        """What the peer hears, and what tells the operator whom which limit stopped (R-073)."""
        shown = network_text(key) if isinstance(key, bytes) else key
        return MailError(HIGH_LOAD, module=self._module, limit=f"{scope.name} {line}", key=shown)


class Taken:
    """What one message holds of the limits: the sets of its keys, and the limiters that it has passed."""

    __slots__ = ("_sets", "limiters")

    def __init__(self) -> None:
        self._sets: list[tuple[Scope, LimiterSet]] = []
        self.limiters: list[Limiter] = []

    def enter(self, scope: Scope, key: Hashable, holder: Hashable) -> LimiterSet:
        """The limiters of a key, held until `release`. Raises TooManyKeys."""
        found = scope.enter(key, holder)
        self._sets.append((scope, found))
        return found

    def release(self) -> None:
        while self.limiters:
            self.limiters.pop().release()
        while self._sets:
            scope, left = self._sets.pop()
            scope.leave(left)


def network(ip: IpAddress) -> bytes:
    """The octets that all addresses of one client have in common."""
    if ip.version == 4:
        return ip.packed
    return ip.ipv4_mapped.packed if ip.ipv4_mapped else ip.packed[:NETWORK_OCTETS]


def site(client: bytes) -> bytes:
    """The octets that all networks of one site have in common."""
    return client if len(client) != NETWORK_OCTETS else client[:SITE_OCTETS]


def network_text(octets: bytes) -> str:
    """Those octets as an operator would write them."""
    if len(octets) != NETWORK_OCTETS:
        return str(ip_address(octets))
    return f"{IPv6Address(octets + bytes(16 - NETWORK_OCTETS))}/{8 * NETWORK_OCTETS}"
