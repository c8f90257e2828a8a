"""The header that a proxy sends before the octets of its client (PROXY protocol, versions 1 and 2)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final

from posthouse.wire.lines import ProtocolError

V1_MAX: Final = 107  # octets with CRLF
V2_MAX: Final = 4096  # octets with what is added behind the addresses; proxies send some tens

_V1: Final = b"PROXY "
_V2: Final = b"\r\n\r\n\0\r\nQUIT\n"
_V2_FIXED: Final = 16  # octets before the addresses
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*+)?|(?P<family>TCP[46]) (?P<source>[0-9a-fA-F.:]++) (?P<destination>[0-9a-fA-F.:]++)"
    rb" (?P<port>[0-9]{1,5}) (?P<to_port>[0-9]{1,5}))"
)


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """What a proxy says of its client.

    size: octets of the header; 0 without one. ip: None where the addresses of the connection itself hold.
    """

    size: int
    ip: IPv4Address | IPv6Address | None = None
    port: int = 0


NO_HEADER: Final = ProxyHeader(0)


def parse_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header at the beginning of a connection, NO_HEADER if it begins otherwise; None until it is complete.

    Raises ProtocolError for a header that is malformed, or longer than one can be.
    """
    if data.startswith(_V1):
        return _text_header(data)
    if data.startswith(_V2):
        return _binary_header(data)
    return None if _V1.startswith(data) or _V2.startswith(data) else NO_HEADER


def _text_header(data: bytes) -> ProxyHeader | None:
    end = data.find(b"\r\n", 0, V1_MAX)
    if end < 0:
        if len(data) >= V1_MAX:
            raise ProtocolError("PROXY header without its end")
        return None
    match = _LINE.fullmatch(data, 0, end)
    if match is None:
        raise ProtocolError("malformed PROXY header")
    size = end + 2
    if match["family"] is None:
        return ProxyHeader(size)
    make = IPv4Address if match["family"] == b"TCP4" else IPv6Address
    port = int(match["port"])
    try:
        ip = make(match["source"].decode())
        make(match["destination"].decode())
    except ValueError as err:
        raise ProtocolError("malformed address in a PROXY header") from err
    if max(port, int(match["to_port"])) > 65535:
        raise ProtocolError("malformed port in a PROXY header")
    return ProxyHeader(size, ip, port)


# Octets of both addresses and ports, and of one address. Unix sockets have no address that anybody could use.
_FAMILIES: Final[Mapping[int, tuple[int, int]]] = MappingProxyType(
    {0x00: (0, 0), 0x11: (12, 4), 0x21: (36, 16), 0x31: (216, 0)}
)


def _binary_header(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_FIXED:
        return None
    command, family = data[12], data[13]
    length = int.from_bytes(data[14:16])
    size = _V2_FIXED + length
    needed, octets = _FAMILIES.get(family, (0, 0))
    if command not in (0x20, 0x21) or size > V2_MAX:
        raise ProtocolError("malformed PROXY header")
    is_local = (
        command == 0x20
    )  # the proxy itself, as it looks whether we are there: what it says is to be ignored
    if not is_local and (family not in _FAMILIES or length < needed):
        raise ProtocolError("malformed address in a PROXY header")
    if len(data) < size:
        return None
    if is_local or not octets:
        return ProxyHeader(size)
    address = data[_V2_FIXED : _V2_FIXED + octets]
    at = _V2_FIXED + 2 * octets
    ip = IPv4Address(address) if octets == 4 else IPv6Address(address)
    return ProxyHeader(size, ip, int.from_bytes(data[at : at + 2]))
