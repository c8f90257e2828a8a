"""Addresses to listen on (spec/config-language §7)."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.values import one_argument
from posthouse.framework.interfaces.endpoint import Address
from posthouse.message.address import valid_domain

PORT_MAX: Final = 65535
PATH_MAX: Final = 107  # octets of a Unix socket's path without its NUL (unix(7))

_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LITERAL = re.compile(r"[0-9.]*+\Z|.*:", re.ASCII)  # IPv4, IPv6


def parse_address(text: str, at: Node | None = None, *, may_name: bool = False) -> Address:
    """An endpoint's address: `tcp://HOST:PORT`, `tls://HOST:PORT`, `unix://PATH`, with or without the slashes.

    at: where it is written; a module's constructor need not say. may_name: the host may be a name, as of a server that we
    connect to. Raises ConfigError, also for a host that is neither that nor a literal IP address.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not scheme.isalpha():
        raise ConfigError(f"{text}: an address is SCHEME://HOST:PORT or unix:PATH", at=at)
    rest = rest.removeprefix("//")
    if scheme == "unix":
        return Address(text, scheme, path=_socket_path(text, rest, at))
    if scheme not in ("tcp", "tls"):
        raise ConfigError(f"unsupported scheme: {scheme}", at=at, hint="known are tcp, tls and unix")
    host, port = _host_and_port(text, rest.partition("/")[0], at, may_name=may_name)
    return Address(text, scheme, host=host, port=port)


@dataclass(frozen=True, slots=True)
class AddressKind:
    """An address to listen on."""

    name: str = "address"

    def parse(self, node: Node, scope: Scope) -> Address:
        return parse_address(one_argument(node), node)


address = AddressKind()


def _socket_path(text: str, path: str, at: Node | None) -> str:
    if not path or "\0" in path:
        raise ConfigError(f"{text}: the path of a socket is required", at=at)
    if len(path.encode("utf-8", "surrogateescape")) > PATH_MAX:
        raise ConfigError(f"{text}: the path is longer than {PATH_MAX} octets", at=at)
    return path


def _host_and_port(text: str, netloc: str, at: Node | None, *, may_name: bool) -> tuple[str, int]:
    if netloc.startswith("["):
        host, _, after = netloc[1:].partition("]")
        port = after.removeprefix(":") if after.startswith(":") else ""
    else:
        host, _, port = netloc.rpartition(":") if ":" in netloc else (netloc, "", "")
    if not port:
        raise ConfigError(f"{text}: port is required", at=at)
    if not _PORT.fullmatch(port) or int(port) > PORT_MAX:
        raise ConfigError(f"{text}: invalid port: {port}", at=at)
    bracketed = netloc.startswith("[")
    if may_name and not bracketed and host.isascii() and valid_domain(host) and not _LITERAL.match(host):
        return host, int(port)
    return _literal(text, host, bracketed, at), int(port)


def _literal(text: str, host: str, bracketed: bool, at: Node | None) -> str:
    try:
        ip = ip_address(host)
    except ValueError as err:
        raise ConfigError(f"{text}: the host must be an IP address: {host}", at=at) from err
    if (ip.version == 6) != bracketed:
        raise ConfigError(f"{text}: an IPv6 address, and no other, stands in brackets", at=at)
    return str(ip)
