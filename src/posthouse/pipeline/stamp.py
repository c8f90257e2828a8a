"""What a pipeline writes on top of a message: Received, Authentication-Results, what its checks contribute."""

import asyncio
from collections.abc import Iterable
from typing import Final

from posthouse.framework.interfaces.check import AuthResult
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.message.auth_results import auth_results_value, is_from
from posthouse.message.date import format_date
from posthouse.message.header import Header
from posthouse.message.received import Client, received_value

RDNS_PATIENCE: Final = 1.0  # seconds that a message waits for the name of its client


async def received(envelope: Envelope, hostname: str, now: float) -> str:
    """The value of the Received field."""
    connection = envelope.connection
    return received_value(
        client=None if connection is None or envelope.hide_client else await _client(connection),
        hostname=hostname,
        reverse_path=envelope.original_from,
        protocol=connection.protocol if connection else "",
        utf8=envelope.options.utf8,
        message_id=envelope.id,
        date=format_date(int(now)),
    )


def remove_forged(header: Header, hostname: str) -> None:
    """Take out results of authentication that somebody else wrote in our name (RFC 8601 §5)."""
    header.remove(b"Authentication-Results", lambda value: is_from(value, hostname))


def add_findings(
    header: Header, hostname: str, results: Iterable[AuthResult], fields: Iterable[bytes]
) -> None:
    """Put Authentication-Results on top, if there are any, and above it the fields of checks, in their order."""
    results = tuple(results)
    if results:
        header.add("Authentication-Results", auth_results_value(hostname, results))
    for field in reversed(tuple(fields)):
        header.add_raw(field)


async def _client(connection: Connection) -> Client:
    """The peer as the Received field shows it; its name is waited for a moment."""
    name = None
    if connection.rdns is not None:
        if not connection.rdns.done():
            await asyncio.wait({connection.rdns}, timeout=RDNS_PATIENCE)
        if connection.rdns.done() and not connection.rdns.cancelled():
            name = connection.rdns.result()
    return Client(connection.hello, connection.ip_text, name)
