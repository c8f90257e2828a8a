"""How many clients there may be at a time (R-172)."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from posthouse.core.world import IpAddress

NETWORK_OCTETS: Final = 8  # of an IPv6 address: whoever has one address has its whole /64


@dataclass(slots=True)
class Connections:
    """The connections of an endpoint, counted in all and for each client. Unix sockets count in all only.

    most, most_of_client: 0 or less is no limit.
    """

    most: int
    most_of_client: int
    _count: int = 0
    _of_client: Counter[bytes] = field(default_factory=Counter)

    def enter(self, ip: IpAddress | None) -> bool:
        """Count one more, or say that it is too many. Each that entered has to `leave`."""
        client = _client(ip)
        if self._count >= self.most > 0 or self._of_client[client] >= self.most_of_client > 0:
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


def _client(ip: IpAddress | None) -> bytes:
    if ip is None:
        return b""
    return ip.packed if ip.version == 4 else ip.packed[:NETWORK_OCTETS]
