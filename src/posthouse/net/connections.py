"""How many clients there may be at a time (R-172)."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from posthouse.core.world import IpAddress

NETWORK_OCTETS: Final = 8  # of an IPv6 address: whoever has one address has its whole /64


class TooManyConnections(Exception):
    """There is no room for one more."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many sessions a server has at a time, and as many handshakes of TLS before a session.

    most, most_of_client: 0 or less is no limit. refusal: what a session hears that is one too many, in place of the greeting.
    """

    most: int = 0
    most_of_client: int = 0
    refusal: bytes = b""


UNBOUNDED: Final = Bounds()


@dataclass(slots=True)
class Connections:
    """Connections, counted in all and for each client. Those whose client is not known, as of Unix sockets, count in all only."""

    bounds: Bounds
    _count: int = 0
    _of_client: Counter[bytes] = field(default_factory=Counter)

    def enter(self, ip: IpAddress | None) -> bool:
        """Count one more, or say that it is too many. Each that entered has to `leave`."""
        client, bounds = _client(ip), self.bounds
        if self._count >= bounds.most > 0 or self._of_client[client] >= bounds.most_of_client > 0:
            return False
        self._count += 1
        if client:
            self._of_client[client] += 1
        return True

    def leave(self, ip: IpAddress | None) -> None:
        client = _client(ip)
        self._count -= 1
        if client:
            self._of_client[client] -= 1
            if not self._of_client[client]:
                del self._of_client[client]

    @contextmanager
    def counted(self, ip: IpAddress | None) -> Iterator[None]:
        """Meanwhile one more is counted. Raises TooManyConnections."""
        if not self.enter(ip):
            raise TooManyConnections
        try:
            yield
        finally:
            self.leave(ip)


def _client(ip: IpAddress | None) -> bytes:
    if ip is None:
        return b""
    return ip.packed if ip.version == 4 else ip.packed[:NETWORK_OCTETS]
