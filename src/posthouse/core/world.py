"""The world a module lives in, as small protocols: it is handed in, so that tests can replace it."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Literal, Protocol

IpAddress = IPv4Address | IPv6Address
IpVersion = Literal[4, 6]


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since the epoch, UTC: for what is stored or shown."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump: for deadlines."""
        ...


class DnsError(Exception):
    """A lookup failed. `transient` is False only for NXDOMAIN."""

    def __init__(self, text: str, *, transient: bool) -> None:
        super().__init__(text)
        self.transient = transient


class Resolver(Protocol):
    """DNS lookups. Names are given and returned as A-labels without the trailing dot.

    Each raises DnsError: `transient=False` when the name does not exist (NXDOMAIN), `transient=True` for
    time-outs, SERVFAIL and nonsense. A name without records of the type (NODATA) gives an empty list.
    """

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        """version: of IP, when only A or only AAAA records are wanted."""
        ...

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        """(preference, exchange), in order of preference; the null MX is `(0, "")`."""
        ...

    async def txt(self, name: str) -> Sequence[bytes]:
        """The strings of each record joined (RFC 7208 §3.3)."""
        ...

    async def names(self, address: IpAddress) -> Sequence[str]:
        """PTR: the names of an address."""
        ...

    async def cname(self, name: str) -> str | None: ...


class Subscription(Protocol):
    def close(self) -> None: ...


class Bus(Protocol):
    """Tells the other workers, and processes of the command line, that something changed.

    A message is a hint ("look"), never data: it may be lost, come twice or late.
    """

    def publish(self, topic: str, payload: str) -> None:
        """Tell all others; never blocks, never raises. Subscribers of this process hear it too."""
        ...

    def subscribe(self, topic: str, heard: Callable[[str], None]) -> Subscription:
        """`heard(payload)` is called on the event loop for each message from now on."""
        ...


class Listeners(Protocol):
    def take(self, address: str) -> socket.socket:
        """The listening socket for an address as written in the configuration. The taker closes it."""
        ...


@dataclass(frozen=True, slots=True)
class Paths:
    """Directories, absolute."""

    state: Path
    runtime: Path
    libexec: Path


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside of the program that a module may touch, but its own files."""

    clock: Clock
    resolver: Resolver
    bus: Bus
    listeners: Listeners
    random: Callable[[int], bytes]  # that many unguessable octets
