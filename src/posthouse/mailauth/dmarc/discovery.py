"""Finding the policy for a domain, and its organisation's domain (RFC 9989 §4.10; RFC 7489 §3.2, §6.6.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.core.world import DnsError, Resolver
from posthouse.mailauth.dmarc.record import Mode, Policy, Psd, Record, parse_record
from posthouse.mailauth.domains import registered_domain

QUERIES_MAX: Final = 8  # for one walk up the tree (RFC 9989 §4.10)

_ONE_LESS: Final = {
    Policy.REJECT: Policy.QUARANTINE,
    Policy.QUARANTINE: Policy.NONE,
    Policy.NONE: Policy.NONE,
}


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    """The policy for a domain.

    policy: what is wanted for that very domain, in test mode one step less; `record.pct` is left to whoever applies it.
    domain: where the record was found.
    """

    policy: Policy
    domain: str
    record: Record


class Discovery:
    """Asks DNS on behalf of one message, and remembers what it said, errors too. Domains are as `normal_domain` gives them.

    Each name is asked once; twice if two ask at the same moment, which the resolver makes one.
    """

    def __init__(self, resolver: Resolver, mode: Mode) -> None:
        self._resolver = resolver
        self._mode = mode
        self._answers: dict[str, Sequence[bytes] | DnsError] = {}

    async def policy(self, domain: str) -> AppliedPolicy | None:
        """The policy for mail from a domain; None: there is none. Raises DnsError (transient) if it cannot be told."""
        found = await (self._find_by_list(domain) if self._mode is Mode.PSL else self._find_by_walk(domain))
        if found is None:
            return None
        name, record = found
        policy = record.p if name == domain else await self._below(domain, record)
        if policy is None:
            return None
        return AppliedPolicy(_ONE_LESS[policy] if record.testing else policy, name, record)

    async def organisation(self, domain: str) -> str | None:
        """The organisational domain of a domain; None for a public suffix by the list. Raises DnsError (transient)."""
        if self._mode is Mode.PSL:
            return registered_domain(domain)
        return _organisation(domain, await self._walk(domain))

    async def _find_by_list(self, domain: str) -> tuple[str, Record] | None:
        """Several records at the domain end the search, as one does (RFC 7489 §6.6.3)."""
        for name in (domain, registered_domain(domain)):
            if name and (records := await self._records(name)):
                return (name, records[0]) if len(records) == 1 else None
        return None

    async def _find_by_walk(self, domain: str) -> tuple[str, Record] | None:
        """That of the domain, else of its organisation, else of its public suffix (RFC 9989 §4.10.1)."""
        records = await self._records(domain)
        if len(records) == 1:
            return domain, records[0]
        walked = await self._walk(domain)
        if not walked:
            return None
        organisation = _organisation(domain, walked)
        return next((found for found in walked if found[0] == organisation), walked[-1])

    async def _walk(self, domain: str) -> list[tuple[str, Record]]:
        """Names with one record each, upwards; at most the last of them says what it is (psd=y, psd=n)."""
        walked: list[tuple[str, Record]] = []
        for name in walk_names(domain):
            records = await self._records(name)
            if len(records) == 1:
                walked.append((name, records[0]))
                if records[0].psd is not Psd.UNKNOWN:
                    break
        return walked

    async def _below(self, domain: str, record: Record) -> Policy | None:
        """What a record of a domain above says: np, sp or p."""
        existing = record.sp or record.p
        if record.np in (None, existing):
            return existing
        return existing if await self._exists(domain) else record.np

    async def _exists(self, domain: str) -> bool:
        """Whether a domain exists, with records or without (RFC 9989 §3.2.13)."""
        try:
            await self._texts(domain)
        except DnsError as err:
            if err.transient:
                raise
            return False
        return True

    async def _records(self, domain: str) -> list[Record]:
        try:
            texts = await self._texts(f"_dmarc.{domain}")
        except DnsError as err:
            if err.transient:
                raise
            return []
        return [record for text in texts if (record := parse_record(text, self._mode)) is not None]

    async def _texts(self, name: str) -> Sequence[bytes]:
        answer = self._answers.get(name)
        if answer is None:
            try:
                answer = await self._resolver.txt(name)
            except DnsError as err:
                answer = err
            self._answers[name] = answer
        if isinstance(answer, DnsError):
            raise answer
        return answer


def walk_names(domain: str) -> list[str]:
    """The domain and those above it that are asked, in order; of long ones some are left out behind the first."""
    labels = domain.split(".")
    starts = [0, *range(max(1, len(labels) - QUERIES_MAX + 1), len(labels))]
    return [".".join(labels[start:]) for start in starts]


def _organisation(domain: str, walked: Sequence[tuple[str, Record]]) -> str:
    """RFC 9989 §4.10.2: as the walk ends at what says what it is, the last record always decides."""
    if not walked:
        return domain
    name, record = walked[-1]
    if record.psd is not Psd.YES or name == domain:
        return name
    label = domain.removesuffix(f".{name}").rpartition(".")[2]
    return f"{label}.{name}"
