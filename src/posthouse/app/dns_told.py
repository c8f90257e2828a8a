"""DNS lookups as they are told of (`posthouse explain`)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from posthouse.core.world import DnsError, IpAddress, IpVersion, Resolver
from posthouse.pipeline.facts import DnsAsked

T = TypeVar("T")


class ToldResolver:
    """Another resolver, whose answers are told as facts. See core.world.Resolver."""

    def __init__(self, asked: Resolver, hear: Callable[[DnsAsked], None]) -> None:
        self._asked = asked
        self._hear = hear

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        kind = {None: "A/AAAA", 4: "A", 6: "AAAA"}[version]
        return await self._told(kind, name, self._asked.addresses(name, version), _texts)

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        return await self._told("MX", name, self._asked.mx(name), _exchanges)

    async def txt(self, name: str) -> Sequence[bytes]:
        return await self._told("TXT", name, self._asked.txt(name), _strings)

    async def names(self, address: IpAddress) -> Sequence[str]:
        return await self._told("PTR", str(address), self._asked.names(address), _texts)

    async def cname(self, name: str) -> str | None:
        return await self._told(
            "CNAME", name, self._asked.cname(name), lambda found: (found,) if found else ()
        )

    async def _told(
        self, kind: str, name: str, answer: Awaitable[T], shown: Callable[[T], tuple[str, ...]]
    ) -> T:
        try:
            found = await answer
        except DnsError as err:
            self._hear(DnsAsked(kind, name, (), str(err)))
            raise
        self._hear(DnsAsked(kind, name, shown(found)))
        return found


def _texts(values: Sequence[object]) -> tuple[str, ...]:
    return tuple(map(str, values))


def _exchanges(values: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(f"{preference} {exchange or '.'}" for preference, exchange in values)


def _strings(values: Sequence[bytes]) -> tuple[str, ...]:
    return tuple(value.decode("utf-8", "backslashreplace") for value in values)
