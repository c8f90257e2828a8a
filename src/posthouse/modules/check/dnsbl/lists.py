"""DNS lists as a configuration names them: `ZONE [ZONE...] { ... }` in the block of check.dnsbl."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from typing import Final, NamedTuple

from posthouse.core.world import IpAddress
from posthouse.framework.config.node import ConfigError, Node, UnknownDirective, raise_all
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import directive, parse_settings, repeated, settings
from posthouse.framework.config.values import Network, boolean, integer, ip_networks, networks, string
from posthouse.message.address import domain_to_ascii
from posthouse.wire.dns.name import canonical
from posthouse.wire.smtp.reply import Reply

DEFAULT_RESPONSES: Final = ip_networks(("127.0.0.1/24",))
LISTINGS: Final = ip_network(
    "127.0.0.0/8"
)  # RFC 5782 §2.1; else the zone is for sale, and has an address for any name
NO_LISTINGS: Final = ip_network(
    "127.255.255.0/24"
)  # "you ask too much", "you may not ask" (Spamhaus, and others after it)


class Subject(Enum):
    """What a list may be asked about. Values are the directives that say so."""

    IPV4 = "client_ipv4"
    IPV6 = "client_ipv6"
    EHLO = "ehlo"
    MAIL_FROM = "mailfrom"

    @property
    def is_name(self) -> bool:
        return self in (Subject.EHLO, Subject.MAIL_FROM)


class Listing(NamedTuple):
    """What it costs to be on a list. message: what the client is told; "" is nothing of its own."""

    score: int
    message: str = ""


@settings
class ResponseBlock:
    """What stands in the block of `response`."""

    score: int = directive(integer, help="what such an answer costs, instead of the list's score")
    message: str = directive(string, default="", help="what the client is told")


@dataclass(frozen=True, slots=True)
class Response:
    """Answers that mean something of their own."""

    networks: Sequence[Network]
    listing: Listing

    def fits(self, answers: Sequence[IpAddress]) -> bool:
        return _any_in(answers, self.networks)


class ResponseKind:
    """`response IP|CIDR... { score INT; message TEXT }`."""

    name = "IP or CIDR... and block"
    settings = ResponseBlock

    def parse(self, node: Node, scope: Scope) -> Response:
        if not node.args:
            raise ConfigError("expected at least one argument: IP addresses or networks", at=node)
        block = parse_settings(ResponseBlock, node, scope, args=())
        try:
            Reply(554, None, block.message)  # whether it can be one
            return Response(ip_networks(node.args), Listing(block.score, block.message))
        except ValueError as err:
            raise ConfigError(str(err), at=node) from err


@settings
class ListBlock:
    """What stands in the block of a list."""

    client_ipv4: bool = directive(boolean, default=True, help="ask about clients with IPv4 addresses")
    client_ipv6: bool = directive(boolean, default=True, help="ask about clients with IPv6 addresses")
    ehlo: bool = directive(boolean, default=False, help="ask about the name that the client gives in EHLO")
    mailfrom: bool = directive(boolean, default=False, help="ask about the domain of the sender")
    score: int = directive(
        integer, default=1, help="what it costs to be on the list; a list of good clients has less than 0"
    )
    responses: tuple[Network, ...] = directive(
        networks, default=DEFAULT_RESPONSES, help="which answers about addresses count; about names all do"
    )
    response: tuple[Response, ...] = repeated(
        ResponseKind(),
        help="what some answers cost; their scores are added up. Other answers do not count then",
    )


@dataclass(frozen=True, slots=True, eq=False)
class DnsList:
    """One list. responses: which answers about addresses count; none is all."""

    zone: str
    subjects: frozenset[Subject]
    score: int = 1
    responses: Sequence[Network] = ()
    response: Sequence[Response] = ()

    def listing(self, answers: Sequence[IpAddress], subject: Subject) -> Listing | None:
        """What the answers cost. None: they mean that the subject is not on the list."""
        if self.response:
            fitting = [one.listing for one in self.response if one.fits(answers)]
            score = sum(listing.score for listing in fitting) or self.score
            return Listing(score, fitting[0].message) if fitting else None
        if subject.is_name or not self.responses:
            is_listed = any(answer in LISTINGS and answer not in NO_LISTINGS for answer in answers)
        else:
            is_listed = _any_in(answers, self.responses)
        return Listing(self.score) if is_listed else None


class ListsKind:
    """All that a block of check.dnsbl does not know is the zone of a list."""

    name = "a list"
    settings = ListBlock

    def parse(self, node: Node, scope: Scope) -> tuple[DnsList, ...]:
        """Raises ConfigError, or ConfigErrors with all mistakes."""
        found: list[DnsList] = []
        errors: list[ConfigError] = []
        for child in node.children or ():
            try:
                found += _lists(child, scope)
            except ConfigError as err:
                errors.append(err)
        raise_all(errors)
        return tuple(found)


def inline_list(zone: str) -> DnsList:
    """A list that is an argument of the check. Raises ValueError: it is no domain."""
    return DnsList(_zone(zone), frozenset({Subject.IPV4}))


def _lists(node: Node, scope: Scope) -> Iterator[DnsList]:
    """The lists of one block. Raises ConfigError."""
    if "." not in node.name:  # so that a directive with a typing error is no list
        raise UnknownDirective(
            f"unexpected directive: {node.name}: neither a directive nor a domain", at=node
        )
    block = parse_settings(ListBlock, node, scope, args=())
    subjects = frozenset(subject for subject in Subject if getattr(block, subject.value))
    scores = (block.score, *(response.listing.score for response in block.response))
    if min(scores) < 0 and any(subject.is_name for subject in subjects):
        text = "a list with a score below 0 may not be asked for names (ehlo, mailfrom): anybody can say them"
        raise ConfigError(text, at=node)
    for zone in (node.name, *node.args):
        try:
            yield DnsList(_zone(zone), subjects, block.score, block.responses, block.response)
        except ValueError as err:
            raise ConfigError(str(err), at=node) from err


def _zone(text: str) -> str:
    """As DNS is asked for it. Raises ValueError."""
    zone = canonical(domain_to_ascii(text))
    if not zone:
        raise ValueError(f"the zone of a list is expected: {text}")
    return zone


def _any_in(answers: Sequence[IpAddress], networks: Sequence[Network]) -> bool:
    return any(answer in network for answer in answers for network in networks)
