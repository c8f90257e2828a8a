"""Connections that come through a proxy: its header (PROXY protocol) says who the client is."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from posthouse.core.log import Logger
from posthouse.core.world import IpAddress
from posthouse.net.connection import ConnectionLost, Stream, unmapped
from posthouse.wire.lines import ProtocolError
from posthouse.wire.proxy.header import ProxyHeader, parse_proxy_header

HEADER_TIMEOUT = 10.0  # seconds from the first octets of a header to its end


class BadProxyHeader(ConnectionLost):
    """The connection begins with something that would be a header, and is of no use."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """Whose headers are believed: those of peers in these networks, of everybody if there are none, and of Unix sockets.

    rejects_untrusted: a header of somebody else ends the connection; else it is taken off, and what it says ignored.
    tls: gives the context of the TLS that begins behind the header; None where nothing is encrypted there.
    """

    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    tls: Callable[[], ssl.SSLContext] | None = None
    rejects_untrusted: bool = False

    def trusts(self, peer: IpAddress | None) -> bool:
        return peer is None or not self.networks or any(peer in network for network in self.networks)


class ProxiedStream(Stream):
    """A connection whose first octets may be a header. `read` gives what follows it.

    From then on `peer_ip` and `peer_port` are those of the client. Before, a session may already greet: clients of our
    protocols wait for that, and a header is not obligatory.

    admit: asked once the client is known, whether there is room for it; where there is not, `read` gives no more.
    """

    __slots__ = ("_head", "_log", "_proxies", "admit")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        made: "Callable[[Stream], None]",
        proxies: Proxies,
        log: Logger,
    ) -> None:
        super().__init__(loop, made)
        self._proxies = proxies
        self._log = log
        self._head: bytes | None = b""  # what has come of the header; None behind it
        self.admit: Callable[[], bool] | None = None

    @property
    def is_peer_known(self) -> bool:
        return self._head is None or not self._proxies.trusts(self.peer_ip)

    async def read(self, timeout: float) -> bytes:
        """As for every stream. Raises BadProxyHeader for a header that is malformed, cut off, or slow to come."""
        if self._head is None:
            return await super().read(timeout)
        deadline = self._loop.time() + HEADER_TIMEOUT if self._head else None
        while True:
            patience = timeout if deadline is None else min(timeout, deadline - self._loop.time())
            data = await self._more(patience)
            if not data and not self._head:
                return b""
            deadline = deadline or self._loop.time() + HEADER_TIMEOUT
            rest = self._behind_header(data)
            if rest is not None:
                if self.admit is not None and not self.admit():
                    return b""
                return rest or await super().read(timeout)

    async def _more(self, timeout: float) -> bytes:
        try:
            return await super().read(timeout)
        except TimeoutError:
            if not self._head:
                raise
            raise BadProxyHeader("PROXY header without its end") from None

    def _behind_header(self, data: bytes) -> bytes | None:
        """What follows the header, once it is complete."""
        assert self._head is not None
        if not data:
            raise BadProxyHeader("PROXY header without its end")
        self._head += data
        try:
            header = parse_proxy_header(self._head)
        except ProtocolError as err:
            raise BadProxyHeader(str(err)) from err
        if header is None:
            return None
        self._believe(header)
        rest, self._head = self._head[header.size :], None
        return rest

    def _believe(self, header: ProxyHeader) -> None:
        is_trusted = self._proxies.trusts(self.peer_ip)
        if header.size and not is_trusted and self._proxies.rejects_untrusted:
            raise BadProxyHeader("PROXY header from an untrusted source")
        if header.ip is None:
            return
        if not is_trusted:
            self._log.info(f"connection from untrusted source {self.peer}")
            return
        self.peer_ip, self.peer_port = unmapped(header.ip), header.port
