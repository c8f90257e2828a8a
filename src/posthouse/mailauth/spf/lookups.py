"""DNS as an evaluation of SPF asks it: within limits, and with its own view of failures (RFC 7208 §4.6.4, §5)."""

from collections.abc import Awaitable, Sequence
from typing import TypeVar

from posthouse.core.world import DnsError, IpAddress, IpVersion, Resolver
from posthouse.mailauth.spf.limits import TERMS_MAX, VOIDS_MAX
from posthouse.mailauth.spf.result import PermError, TempError, shown
from posthouse.wire.dns.name import DnsFormatError, canonical

T = TypeVar("T")


def dns_name(domain: str) -> str:
    """The name of a domain as the resolver takes it; "" if DNS cannot have it, so that it does not exist."""
    try:
        return canonical(domain.replace("\\", r"\\"))
    except DnsFormatError:
        return ""


class Lookups:
    """The look-ups of one evaluation.

    Nothing is found at a name that does not exist. Raises TempError when DNS cannot tell.
    """

    __slots__ = ("_resolver", "_terms", "_voids")

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._terms = 0
        self._voids = 0

    def begin_term(self) -> None:
        """A mechanism or modifier is going to ask. Raises PermError if it is one too many."""
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise PermError(f"more than {TERMS_MAX} terms that ask DNS")

    def count_void(self) -> None:
        """A term found nothing. Raises PermError if it is one too many."""
        self._voids += 1
        if self._voids > VOIDS_MAX:
            raise PermError(f"more than {VOIDS_MAX} terms that find nothing in DNS")

    async def txt(self, name: str) -> Sequence[bytes]:
        return await _found(self._resolver.txt(name))

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        return await _found(self._resolver.mx(name))

    async def addresses(self, name: str, version: IpVersion) -> Sequence[IpAddress]:
        return await _found(self._resolver.addresses(name, version))

    async def names(self, ip: IpAddress) -> Sequence[str]:
        return await _found(self._resolver.names(ip))


async def _found(answer: Awaitable[Sequence[T]]) -> Sequence[T]:
    try:
        return await answer
    except DnsError as err:
        if err.transient:
            raise TempError(f"DNS failed: {shown(str(err))}") from err
        return ()
