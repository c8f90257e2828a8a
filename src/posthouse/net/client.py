"""Connections that we make, as streams."""

import asyncio
from functools import partial
from ipaddress import ip_address

from posthouse.core.world import DnsError, IpAddress, Resolver
from posthouse.net.connection import Stream


async def connect_tcp(host: str, port: int, resolver: Resolver) -> Stream:
    """Connect to a host, a name or a literal address: to the first of its addresses that takes us.

    Raises OSError, for what DNS says too. There is no time limit.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(f"{host} has no address")
    for address in await _addresses(host, resolver):
        try:
            _, stream = await loop.create_connection(partial(Stream, loop, _made), str(address), port)
        except OSError as err:
            failure = err
        else:
            return stream
    raise failure


async def connect_unix(path: str) -> Stream:
    """Connect to a Unix socket. Raises OSError. There is no time limit."""
    loop = asyncio.get_running_loop()
    _, stream = await loop.create_unix_connection(partial(Stream, loop, _made), path)
    return stream


async def _addresses(host: str, resolver: Resolver) -> list[IpAddress]:
    try:
        return [ip_address(host)]
    except ValueError:
        pass
    try:
        return list(await resolver.addresses(host))
    except DnsError as err:
        raise OSError(str(err)) from err


def _made(stream: Stream) -> None:
    """Whoever connects waits for it anyway."""
