"""`proxy_protocol`: connections come through a proxy, which says who the client is (spec/smtp-endpoint.md §8)."""

from collections.abc import Iterable
from dataclasses import dataclass

from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import directive, parse_settings, repeated, settings
from posthouse.framework.config.tls import server_tls
from posthouse.framework.config.values import Network, enum, ip_networks, networks
from posthouse.framework.interfaces.endpoint import Address
from posthouse.framework.interfaces.tls import ServerTls
from posthouse.net.proxied import Proxies


def check_proxies(proxies: Proxies | None, addresses: Iterable[Address]) -> None:
    """Raises ConfigError where TLS would be both below and behind the header."""
    if proxies is not None and proxies.tls is not None and any(address.is_tls for address in addresses):
        raise ConfigError("proxy_protocol: there is no tls inside of that of a tls:// address")


@settings
class ProxyBlock:
    """What stands in the block of `proxy_protocol`."""

    trust: tuple[tuple[Network, ...], ...] = repeated(
        networks, help="proxies whose word is taken; without any, everybody's"
    )
    untrusted: str = directive(
        enum("ignore", "reject"),
        default="ignore",
        help="what becomes of a header from somebody else: it is taken off and not believed, or ends the connection",
    )
    tls: ServerTls | None = directive(
        server_tls, default=None, default_text="off", help="TLS that the client speaks through the proxy"
    )


@dataclass(frozen=True, slots=True)
class ProxyProtocolKind:
    """`proxy_protocol [IP|CIDR]... { trust IP|CIDR...; tls ... }`, all of it optional."""

    name: str = "[IP | CIDR]... and block"

    def parse(self, node: Node, scope: Scope) -> Proxies:
        block = parse_settings(ProxyBlock, node, scope, args=())
        try:
            listed = ip_networks(node.args)
        except ValueError as err:
            raise ConfigError(str(err), at=node) from err
        tls = block.tls.context if block.tls else None
        return Proxies(sum(block.trust, listed), tls, rejects_untrusted=block.untrusted == "reject")


proxy_protocol = ProxyProtocolKind()
