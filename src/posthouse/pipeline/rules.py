"""The rules of a pipeline, as its configuration says them (spec/message-pipeline.md §2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posthouse.framework.actions import parse_reply
from posthouse.framework.config.node import ConfigError, Node, UnknownDirective, did_you_mean, raise_all
from posthouse.framework.config.scope import Scope
from posthouse.framework.interfaces.roles import TARGET
from posthouse.framework.interfaces.target import Target
from posthouse.message import address
from posthouse.wire.smtp.reply import Reply

HANDLING = frozenset({"deliver_to", "reject", "reroute"})  # what may be done with a recipient
LATER = frozenset({"check", "modify", "dmarc", "dmarc_mode", "source_in", "destination_in", "reroute"})


@dataclass(frozen=True, slots=True)
class DestinationRules:
    """What is done with the recipients of one block: a reply that refuses them, or targets. Neither: discarded."""

    where: str  # FILE:LINE of the block
    reject: Reply | None = None
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceRules:
    """What is done with messages of one source block."""

    where: str
    default: DestinationRules
    by_key: Mapping[str, DestinationRules] = field(default_factory=dict)  # see `_keys`


@dataclass(frozen=True, slots=True)
class Rules:
    """A whole pipeline."""

    default: SourceRules
    by_key: Mapping[str, SourceRules] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RulesKind:
    """The type of a block whose directives are a pipeline."""

    name: str = "pipeline"

    def parse(self, node: Node, scope: Scope) -> Rules:
        return parse_rules(node, scope)


RULES = RulesKind()


def parse_rules(block: Node, scope: Scope) -> Rules:
    """The pipeline in a block. Raises ConfigError, or ConfigErrors with all mistakes."""
    children = block.children or ()
    _check_names(children, {"source", "default_source", "destination", "default_destination"} | HANDLING)
    if not children:
        raise ConfigError("empty pipeline configuration, use 'reject' to reject messages", at=block)
    sources = [child for child in children if child.name == "source"]
    default = _only(children, "default_source")
    if not sources and not (default and default.children):
        return Rules(_source_rules(block, [c for c in children if c.name != "default_source"], scope))
    for child in children:
        if child.name not in {"source", "default_source"}:
            raise ConfigError(f"can't put {child.name} next to source blocks: move it into one", at=child)
    if default is None or not default.children:
        text = "missing or empty default source block, use default_source { reject } to reject messages"
        raise ConfigError(text, at=default or block)
    return _in_parallel(block, sources, default, scope)


def _in_parallel(block: Node, sources: Sequence[Node], default: Node, scope: Scope) -> Rules:
    errors: list[ConfigError] = []
    by_key: dict[str, SourceRules] = {}
    found: SourceRules | None = None
    for node in (*sources, default):
        try:
            if not node.children:
                raise ConfigError("empty source block, use 'reject' to reject messages", at=node)
            keys = _keys(node) if node is not default else ()
            found = _source_rules(node, node.children, scope)
            for key in keys:
                by_key.setdefault(key, found)
        except ConfigError as err:
            errors.append(err)
    raise_all(errors)
    assert found is not None
    return Rules(found, by_key)


def _source_rules(block: Node, children: Sequence[Node], scope: Scope) -> SourceRules:
    _check_names(children, {"destination", "default_destination"} | HANDLING)
    destinations = [child for child in children if child.name == "destination"]
    default = _only(children, "default_destination")
    if not destinations and not (default and default.children):
        handling = [c for c in children if c.name != "default_destination"]
        if not handling:
            raise ConfigError("empty source block, use 'reject' to reject messages", at=block)
        return SourceRules(block.where, _destination_rules(block, handling, scope))
    for child in children:
        if child.name in HANDLING:
            raise ConfigError(
                f"can't put {child.name} next to destination blocks: move it into one", at=child
            )
    if default is None or not default.children:
        text = "missing or empty default destination block, use default_destination { reject } to reject messages"
        raise ConfigError(text, at=default or block)
    return _destinations(block, destinations, default, scope)


def _destinations(block: Node, nodes: Sequence[Node], default: Node, scope: Scope) -> SourceRules:
    errors: list[ConfigError] = []
    by_key: dict[str, DestinationRules] = {}
    found: DestinationRules | None = None
    for node in (*nodes, default):
        try:
            keys = _keys(node) if node is not default else ()
            found = _destination_rules(node, node.children or (), scope)
            for key in keys:
                by_key.setdefault(key, found)
        except ConfigError as err:
            errors.append(err)
    raise_all(errors)
    assert found is not None
    return SourceRules(block.where, found, by_key)


def _destination_rules(block: Node, children: Sequence[Node], scope: Scope) -> DestinationRules:
    _check_names(children, HANDLING, text="invalid directive: {}")
    rejects = [child for child in children if child.name == "reject"]
    deliveries = [child for child in children if child.name == "deliver_to"]
    if rejects and deliveries:
        raise ConfigError("can't use reject and deliver_to in the same block", at=rejects[0])
    if len(rejects) > 1:
        raise ConfigError("duplicate directive: reject", at=rejects[1])
    if rejects:
        return DestinationRules(block.where, reject=parse_reject(rejects[0]))
    errors: list[ConfigError] = []
    targets: list[Target] = []
    for node in deliveries:
        try:
            targets.append(scope.registry.resolve(node, TARGET, scope))
        except ConfigError as err:
            errors.append(err)
    raise_all(errors)
    return DestinationRules(block.where, targets=tuple(dict.fromkeys(targets)))


def parse_reject(node: Node) -> Reply:
    """`reject [CODE [ENHANCED [TEXT]]]`. Raises ConfigError."""
    if node.children is not None:
        raise ConfigError("can't declare block here", at=node)
    return parse_reply(node.args, node)


def _keys(node: Node) -> list[str]:
    """The keys of `source RULE...` and `destination RULE...`: `a@b`, `@b` for a domain, `postmaster`."""
    if not node.args:
        raise ConfigError("expected at least one matching rule", at=node)
    return [_key(rule, node) for rule in node.args]


def _key(rule: str, node: Node) -> str:
    try:
        if "@" in rule:
            return address.for_lookup(rule)
        if rule.lower() == "postmaster":
            return "postmaster"
        if not rule or not address.valid_domain(rule):
            raise address.AddressError("not a domain")
        return "@" + address.dns_for_lookup(rule)
    except address.AddressError as err:
        raise ConfigError(f"invalid matching rule: {rule}: {err}", at=node) from err


def _check_names(
    children: Sequence[Node], known: frozenset[str] | set[str], text: str = "unknown pipeline directive: {}"
) -> None:
    errors: list[ConfigError] = []
    for child in children:
        if child.name in LATER:
            errors.append(ConfigError(f"{child.name} is not available in this version", at=child))
        elif child.name not in known:
            hint = did_you_mean(child.name, known)
            errors.append(UnknownDirective(text.format(child.name), at=child, hint=hint))
    raise_all(errors)


def _only(children: Sequence[Node], name: str) -> Node | None:
    found = [child for child in children if child.name == name]
    if len(found) > 1:
        raise ConfigError(f"duplicate directive: {name}", at=found[1])
    if found and found[0].args:
        raise ConfigError(f"{name} takes no arguments", at=found[0])
    return found[0] if found else None
