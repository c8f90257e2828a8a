"""Asking DNS lists about somebody: all of them at once, for a bounded time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.core.world import DnsError, IpAddress, Resolver
from posthouse.message.address import AddressError, dns_for_lookup, domain_to_ascii
from posthouse.modules.check.dnsbl.lists import DnsList, Listing, Subject

TIMEOUT: Final = 10.0  # seconds for a list to say whether it knows somebody
TEXT_TIMEOUT: Final = 3.0  # seconds for it to say why; that is for the log only
ANSWERS_MAX: Final = 64  # addresses, or texts, of one answer that are looked at; lists give a handful
REASON_MAX: Final = 500  # characters of what a list says for the log


@dataclass(frozen=True, slots=True)
class Identity:
    """What a list is asked about. label: as it stands before the zone."""

    subject: Subject
    label: str
    text: str  # for the log


@dataclass(frozen=True, slots=True)
class Hit:
    """A list knows somebody. reason: why, for the log."""

    list: DnsList
    identity: Identity
    listing: Listing
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """hits: what counts; one of a list at most. failures: lists that could not be asked, and why."""

    hits: Sequence[Hit] = ()
    failures: Sequence[tuple[DnsList, str]] = ()


def address_identity(address: IpAddress) -> Identity:
    """The octets, or nibbles, of an address turned around (RFC 5782 §2.1, §2.4)."""
    label = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return Identity(Subject.IPV4 if address.version == 4 else Subject.IPV6, label, str(address))


def name_identities(subject: Subject, domain: str) -> Sequence[Identity]:
    """One. None for what is no name: an address, in brackets or not, and what cannot be asked for."""
    try:
        name = domain_to_ascii(dns_for_lookup(domain))
    except AddressError:
        return ()
    if not name or name.startswith("[") or name.rpartition(".")[2].isdecimal():
        return ()
    return (Identity(subject, name, name),)


async def ask_lists(resolver: Resolver, lists: Sequence[DnsList], identities: Sequence[Identity]) -> Findings:
    """Ask lists at once; each about those identities that it is for, in order, until it knows one."""
    subjects = {identity.subject for identity in identities}
    asked = [one for one in lists if not subjects.isdisjoint(one.subjects)]
    answers = await asyncio.gather(*(_hit(resolver, one, identities) for one in asked))
    return Findings(
        [answer for answer in answers if isinstance(answer, Hit)],
        [(one, answer) for one, answer in zip(asked, answers, strict=True) if isinstance(answer, str)],
    )


async def listed_addresses(resolver: Resolver, one: DnsList, label: str) -> Sequence[IpAddress]:
    """The answers of a list; none when it does not know this. Raises DnsError (transient)."""
    try:
        return (await resolver.addresses(f"{label}.{one.zone}", 4))[:ANSWERS_MAX]
    except DnsError as err:
        if err.transient:
            raise
        return ()


async def _hit(resolver: Resolver, one: DnsList, identities: Sequence[Identity]) -> Hit | str | None:
    """What a list knows; None is nothing, a text why it could not be asked."""
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await _first(resolver, one, identities)
    except (DnsError, TimeoutError) as err:
        return str(err) or "timed out"
    if found is None:
        return None
    identity, listing, answers = found
    texts = await _texts(resolver, f"{identity.label}.{one.zone}")
    reason = "; ".join(texts or map(str, answers))[:REASON_MAX]
    return Hit(one, identity, listing, "".join(char if char.isprintable() else "?" for char in reason))


async def _first(
    resolver: Resolver, one: DnsList, identities: Sequence[Identity]
) -> tuple[Identity, Listing, Sequence[IpAddress]] | None:
    for identity in identities:
        if identity.subject in one.subjects:
            answers = await listed_addresses(resolver, one, identity.label)
            listing = one.listing(answers, identity.subject)
            if listing is not None:
                return identity, listing, answers
    return None


async def _texts(resolver: Resolver, name: str) -> Sequence[str]:
    """What a list says about a name, cut to what is logged at most."""
    try:
        async with asyncio.timeout(TEXT_TIMEOUT):
            texts = (await resolver.txt(name))[:ANSWERS_MAX]
    except (DnsError, TimeoutError):
        return ()
    return [text[:REASON_MAX].decode("utf-8", "replace") for text in texts]
