"""Whether DNS lists are alive and sane: they must know test entries, and must not know others (RFC 5782 §5)."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Final

from posthouse.core.log import Logger
from posthouse.core.world import DnsError, Resolver
from posthouse.modules.check.dnsbl.asking import TIMEOUT, address_identity, listed_addresses
from posthouse.modules.check.dnsbl.lists import DnsList, Subject


def _reversed(address: str) -> str:
    return address_identity(ip_address(address)).label


_NAMES: Final = ("test", "invalid")
_ENTRIES: Final = {  # by subject: what a list must know, and what it must not
    Subject.IPV4: (_reversed("127.0.0.2"), _reversed("127.0.0.1")),
    Subject.IPV6: (_reversed("::ffff:7f00:2"), _reversed("::ffff:7f00:1")),
    Subject.EHLO: _NAMES,
    Subject.MAIL_FROM: _NAMES,
}


async def try_lists(resolver: Resolver, lists: Sequence[DnsList], log: Logger) -> None:
    """Try one list after the other, and log what is wrong with each. Never raises."""
    for one in lists:
        try:
            async with asyncio.timeout(TIMEOUT):
                await _try(resolver, one, log)
        except (DnsError, TimeoutError) as err:
            log.error("DNS list cannot be tested", err, list=one.zone)
        except Exception as err:  # noqa: BLE001 - the top of a task
            log.error("testing a DNS list failed", err, list=one.zone)


async def _try(resolver: Resolver, one: DnsList, log: Logger) -> None:
    for known, unknown in dict.fromkeys(_ENTRIES[subject] for subject in Subject if subject in one.subjects):
        if not await listed_addresses(resolver, one, known):
            log.info("DNS list lacks the test entry: it may be dead", list=one.zone, entry=known)
        if await listed_addresses(resolver, one, unknown):
            log.info(
                "DNS list has an entry that none may have: it may list all", list=one.zone, entry=unknown
            )
