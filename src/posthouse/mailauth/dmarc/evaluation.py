"""DMARC's verdict on a message (RFC 9989 §5.3, spec/message-pipeline.md §7)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from posthouse.core.world import DnsError, Resolver
from posthouse.mailauth.dmarc.author import author_domain
from posthouse.mailauth.dmarc.discovery import AppliedPolicy, Discovery
from posthouse.mailauth.dmarc.record import Mode, Policy
from posthouse.mailauth.domains import normal_domain
from posthouse.message.address import AddressError
from posthouse.message.auth_results import Result as AuthResult
from posthouse.message.originators import MalformedField

NOT_ENOUGH: Final = "Not enough information (required checks are disabled)"
_SAMPLE_OCTETS: Final = 8  # so many that 100 divides them evenly enough


class Value(StrEnum):
    """What DMARC comes to (RFC 8601 §2.7, RFC 9989 §9)."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DkimResult:
    """What a signature came to: the value as in Authentication-Results, and its `d=`."""

    value: str
    domain: str


@dataclass(frozen=True, slots=True)
class SpfResult:
    """What SPF came to: the value as in Authentication-Results, and the domain it is of: MAIL FROM's, for `<>` HELO's."""

    value: str
    domain: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What DMARC says of a message.

    author: the domain in From, in A-labels; "" if there is not exactly one.
    disposition: what to do; with TEMPERROR, what is to be rejected is to be tried again.
    policy_domain: where the policy was found; "" if none was.
    """

    value: Value
    reason: str = ""
    disposition: Policy = Policy.NONE
    author: str = ""
    policy_domain: str = ""

    def auth_result(self) -> AuthResult:
        """For Authentication-Results."""
        return "dmarc", self.value.value, self.reason, {"header.from": self.author}


class Dmarc:
    """DMARC for one message. What DNS said is remembered, so that `policy` may be asked for ahead of the verdict."""

    def __init__(self, from_fields: Sequence[bytes], resolver: Resolver, mode: Mode) -> None:
        """from_fields: the values of all From fields of the message."""
        self._discovery = Discovery(resolver, mode)
        self._author = ""
        self._malformed: MalformedField | None = None
        try:
            self._author = author_domain(from_fields)
        except MalformedField as err:
            self._malformed = err

    async def policy(self) -> AppliedPolicy | None:
        """The policy for the domain in From, before any result is known; None: there is none.

        Raises MalformedField if there is not exactly one domain, DnsError (transient) if DNS cannot tell.
        """
        if self._malformed is not None:
            raise self._malformed
        return await self._discovery.policy(self._author)

    async def evaluate(
        self, dkim: Sequence[DkimResult], spf: SpfResult | None, random: Callable[[int], bytes]
    ) -> Verdict:
        """The verdict. dkim: empty if signatures are not checked; spf: None likewise. random: for `pct`."""
        try:
            applied = await self.policy()
        except MalformedField as err:
            return Verdict(Value.PERMERROR, str(err))
        except DnsError as err:
            return Verdict(Value.TEMPERROR, _failed(err), Policy.REJECT, self._author)
        if applied is None:
            return Verdict(Value.NONE, author=self._author)
        value, reason = await self._judge(applied, dkim, spf)
        disposition = Policy.NONE
        if value not in (Value.PASS, Value.NONE) and _is_chosen(applied.record.pct, random):
            disposition = applied.policy
        return Verdict(value, reason, disposition, self._author, applied.domain)

    async def _judge(
        self, applied: AppliedPolicy, dkim: Sequence[DkimResult], spf: SpfResult | None
    ) -> tuple[Value, str]:
        if not dkim or spf is None:
            return Value.NONE, NOT_ENOUGH
        strict_dkim, strict_spf = applied.record.strict_dkim, applied.record.strict_spf
        passing = [(one.domain, strict_dkim) for one in dkim if one.value == "pass"]
        if spf.value == "pass":
            passing.append((spf.domain, strict_spf))
        in_doubt = [(one.domain, strict_dkim) for one in dkim if one.value == "temperror"]
        try:
            if await self._any_aligned(passing):
                return Value.PASS, ""
            if await self._any_aligned(in_doubt):
                return Value.TEMPERROR, "DKIM authentication temp error"
        except DnsError as err:
            return Value.TEMPERROR, _failed(err)
        if spf.value == "temperror":
            return Value.TEMPERROR, "SPF authentication temp error"
        return Value.FAIL, "No aligned identifiers"

    async def _any_aligned(self, identifiers: Iterable[tuple[str, bool]]) -> bool:
        """Whether one of the domains is aligned, each strictly or not. DNS is asked only if none is the same.

        Raises DnsError (transient).
        """
        names = dict.fromkeys((_name(domain), strict) for domain, strict in identifiers)
        if any(name == self._author for name, _ in names):
            return True
        for name, strict in names:
            if not strict and name and await self._are_one(name):
                return True
        return False

    async def _are_one(self, name: str) -> bool:
        """Whether a domain is of the same organisation as that in From: relaxed alignment (RFC 9989 §3.2.10.1)."""
        if name.rpartition(".")[2] != self._author.rpartition(".")[2]:
            return False
        organisation = await self._discovery.organisation(self._author)
        if organisation is None or not f".{name}".endswith(f".{organisation}"):
            return False
        return await self._discovery.organisation(name) == organisation


def _name(domain: str) -> str:
    """The domain as it is compared; "" if it is none."""
    try:
        return normal_domain(domain)
    except AddressError:
        return ""


def _is_chosen(pct: int, random: Callable[[int], bytes]) -> bool:
    """Whether the policy is for this message: not if a number from 0 to 99 is greater than `pct`."""
    return int.from_bytes(random(_SAMPLE_OCTETS)) % 100 <= pct


def _failed(err: DnsError) -> str:
    return f"Policy lookup failed: {err}"
