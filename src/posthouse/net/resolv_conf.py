"""/etc/resolv.conf: which servers to ask (resolv.conf(5))."""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

PORT: Final = 53
SERVERS_MAX: Final = 3  # more are ignored, as the C library does
TIMEOUT: Final = 5.0  # seconds for one server to answer, unless the file says other
TIMEOUT_MAX: Final = 30.0  # seconds

Server = tuple[str, int]  # IP address, perhaps with a zone, and port


@dataclass(frozen=True, slots=True)
class ResolvConf:
    servers: tuple[Server, ...]  # never empty
    timeout: float  # seconds


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read the file. Lines that make no sense or do not concern us are left out."""
    servers: list[Server] = []
    timeout = TIMEOUT
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_] if _is_address(address):
                servers.append((address, PORT))
            case ["options", *options]:
                timeout = _timeout(options, timeout)
    return ResolvConf(tuple(servers[:SERVERS_MAX]) or (("127.0.0.1", PORT),), timeout)


def parse_server(text: str) -> Server:
    """Read `IP:PORT`, with an IPv6 address in brackets. Raises ValueError."""
    address, _, port = text.rpartition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not _is_address(address) or not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65_536:
        raise ValueError(f"IP:PORT of a DNS server is expected: {text}")
    return address, int(port)


def _timeout(options: list[str], default: float) -> float:
    for option in options:
        name, _, value = option.partition(":")
        if name == "timeout" and value.isascii() and value.isdecimal() and int(value[:9]) > 0:
            return min(float(value), TIMEOUT_MAX)
    return default


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
