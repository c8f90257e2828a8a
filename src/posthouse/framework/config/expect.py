"""`expect` blocks: tests inside of a configuration.

expect "aliases lead to mailboxes" {
    from bob@example.net
    to sales@example.org
    delivered_to local_mailboxes as ann@example.org
}
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from posthouse.core.world import IpAddress
from posthouse.framework.actions import Action, action, parse_action
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import arguments, directive, parse_settings, repeated, settings
from posthouse.framework.config.values import Single, boolean, some_arguments, string, without_block
from posthouse.message.address import domain_to_ascii

SOME_IP: Final = "192.0.2.1"  # of a client that the block says nothing of; for documentation (RFC 5737)

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
DNS_TYPES: Final = ("a", "mx", "txt", "ptr", "cname")


def asked_name(name: str) -> str:
    """The form by which names in DNS are compared here. Raises AddressError."""
    return domain_to_ascii(name).lower().removesuffix(".")


@dataclass(frozen=True, slots=True)
class Place:
    """`delivered_to TARGET [as ADDRESS]`. address: "" is any."""

    node: Node
    target: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`refused [CODE [ENHANCED]]`; what is not said may be anything."""

    node: Node
    code: str = ""
    enhanced: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """`dns TYPE NAME [VALUE...]`: no value is no such name. name: see asked_name; of `ptr` the IP."""

    node: Node
    type: str
    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GivenVerdict:
    """`check NAME ACTION`: what is done about the message because of a check. check: a block's name, or a module's."""

    node: Node
    check: str
    action: Action


@dataclass(frozen=True, slots=True)
class Flag:
    """A directive of yes or no, and where it stands."""

    node: Node
    value: bool


@dataclass(frozen=True, slots=True)
class PlaceKind:
    name: str = "TARGET [as ADDRESS]"

    def parse(self, node: Node, scope: Scope) -> Place:
        match some_arguments(node):
            case (target,):
                return Place(node, target.removeprefix("&"))
            case (target, "as", address):
                return Place(node, target.removeprefix("&"), address)
        raise ConfigError(f"expected {self.name}", at=node)


@dataclass(frozen=True, slots=True)
class RefusalKind:
    name: str = "[CODE [ENHANCED]]"

    def parse(self, node: Node, scope: Scope) -> Refusal:
        args = without_block(node).args
        if len(args) > 2 or not re.fullmatch(
            r"([45]\d\d( [45]\.\d{1,3}\.\d{1,3})?)?", " ".join(args), re.ASCII
        ):
            raise ConfigError(f"expected {self.name}, as 550 5.1.1", at=node)
        return Refusal(node, *args)


@dataclass(frozen=True, slots=True)
class VerdictKind:
    name: str = f"NAME {action.name}"

    def parse(self, node: Node, scope: Scope) -> GivenVerdict:
        check, *words = some_arguments(node)
        return GivenVerdict(node, check.removeprefix("&"), parse_action(tuple(words), node))


@dataclass(frozen=True, slots=True)
class FlagKind:
    name: str = "bool"

    def parse(self, node: Node, scope: Scope) -> Flag:
        return Flag(node, boolean.parse(node, scope))


@dataclass(frozen=True, slots=True)
class RecordsKind:
    name: str = "TYPE NAME [VALUE...]"

    def parse(self, node: Node, scope: Scope) -> Records:
        args = without_block(node).args
        if len(args) < 2:
            raise ConfigError(f"expected {self.name}", at=node)
        kind, name, values = args[0].lower(), args[1], args[2:]
        if kind not in DNS_TYPES:
            raise ConfigError(f"{args[0]} is none of {', '.join(DNS_TYPES)}", at=node)
        if kind == "mx" and not all(re.fullmatch(r"\d{1,5} \S+", value, re.ASCII) for value in values):
            raise ConfigError('expected exchanges with their preferences, as "10 mx.example.net"', at=node)
        try:
            name = str(ip_address(name)) if kind == "ptr" else asked_name(name)
            for value in values if kind == "a" else ():
                ip_address(value)
        except ValueError as err:
            raise ConfigError(str(err), at=node) from err
        return Records(node, kind, name, values)


def _one_line(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("control characters cannot be in addresses and names")
    return text


def _address(text: str) -> str:
    return _one_line(text[1:-1] if text.startswith("<") and text.endswith(">") else text)


_name: Final = Single("string", _one_line)


@settings
class ExpectBlock:
    name: tuple[str, ...] = arguments(help="what is expected, for people", most=1)
    from_: str = directive(Single("address", _address), help="the sender of the envelope; `<>` for none")
    to: tuple[str, ...] = repeated(Single("address", _address), help="a recipient")
    ip: IpAddress = directive(
        Single("IP", ip_address), default=ip_address(SOME_IP), help="where the client is"
    )
    helo: str = directive(
        _name, default="", default_text="the IP in brackets", help="what the client calls itself"
    )
    auth: str = directive(_name, default="", help="who the client has logged in as")
    endpoint: str = directive(
        string,
        default="",
        default_text="`submission` with `auth`, else `smtp`",
        help="where the client connects: the name of an endpoint, or its address as it is written",
    )
    tls: bool = directive(boolean, default=False, help="the connection is encrypted")
    utf8: bool = directive(boolean, default=False, help="the client asks for SMTPUTF8")
    dns: tuple[Records, ...] = repeated(
        RecordsKind(), help='what DNS says; `mx` has values like "10 mx.example.net", none is no such name'
    )
    check: tuple[GivenVerdict, ...] = repeated(
        VerdictKind(), help="what comes of a check, named by its block or its module, which is not asked then"
    )
    delivered_to: tuple[Place, ...] = repeated(
        PlaceKind(), help="where the message goes; all places have to be said, and nobody is refused"
    )
    refused: Refusal | None = directive(RefusalKind(), default=None, help="every recipient is refused so")
    accepted: Flag | None = directive(
        FlagKind(), default=None, help="every recipient is accepted; `no`: at least one is not"
    )
    quarantined: Flag | None = directive(
        FlagKind(), default=None, help="checks want it in quarantine, or do not"
    )


@dataclass(frozen=True, slots=True)
class Expectation:
    """One block. records: what DNS says, by type and name."""

    node: Node
    block: ExpectBlock
    records: Mapping[tuple[str, str], tuple[str, ...]]

    @property
    def title(self) -> str:
        return " ".join(("expect", *(f'"{name}"' for name in self.block.name)))


def _by_name(dns: Sequence[Records]) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The values of each name. Raises ConfigError for one that has two answers."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for one in dns:
        if (one.type, one.name) in found:
            text = f"the {one.type} records of {one.name} are given already: say all values in one directive"
            raise ConfigError(text, at=one.node)
        found[one.type, one.name] = one.values
    return found


@dataclass(frozen=True, slots=True)
class ExpectKind:
    """The type of a whole block."""

    name: str = "block"

    def parse(self, node: Node, scope: Scope) -> Expectation:
        if node.children is None:
            raise ConfigError('a block is expected here: expect "NAME" { ... }', at=node)
        block = parse_settings(ExpectBlock, node, scope)
        if not block.to:
            raise ConfigError("missing required directive: to", at=node)
        outcomes = (block.delivered_to, block.refused, block.accepted, block.quarantined)
        if not any(outcomes):
            text = "nothing is expected: say delivered_to, refused, accepted or quarantined"
            raise ConfigError(text, at=node)
        if block.refused is not None and block.delivered_to:
            raise ConfigError("a message that is refused is not delivered", at=block.refused.node)
        return Expectation(node, block, _by_name(block.dns))


expect: Final = ExpectKind()
