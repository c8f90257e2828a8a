"""A pipeline as its configuration says it, read into blocks (spec/message-pipeline.md §2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, NamedTuple, ParamSpec, TypeVar

from posthouse.framework.actions import parse_reply
from posthouse.framework.config.node import ConfigError, Node, UnknownDirective, did_you_mean, raise_all
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import directive, parse_settings, settings
from posthouse.framework.config.values import boolean, enum
from posthouse.framework.interfaces.check import CheckGroup
from posthouse.framework.interfaces.modifier import ModifierGroup
from posthouse.framework.interfaces.roles import CHECKS, MODIFIERS, TABLE, TARGET
from posthouse.framework.interfaces.target import Target
from posthouse.framework.registry import Role
from posthouse.mailauth.dmarc.record import Mode
from posthouse.message import address
from posthouse.pipeline.blocks import DestinationRules, InTable, SourceRules
from posthouse.pipeline.blocks import Rules as Rules  # what RULES gives
from posthouse.wire.smtp.reply import Reply

T = TypeVar("T")
B = TypeVar("B")
P = ParamSpec("P")

GROUPS: Final = frozenset({"check", "modify"})  # allowed at every level
HANDLING: Final = frozenset({"deliver_to", "reject", "reroute"})  # what may be done with a recipient
DMARC: Final = frozenset({"dmarc", "dmarc_mode"})  # for a whole pipeline
DESTINATIONS: Final = frozenset({"destination", "destination_in", "default_destination"})
SOURCES: Final = frozenset({"source", "source_in", "default_source"})
_ELSEWHERE: Final = {  # what is known, but not at this level
    **dict.fromkeys(DESTINATIONS, "it stands outside of destination blocks"),
    **dict.fromkeys(SOURCES | DMARC, "it stands outside of source and destination blocks"),
}


@dataclass(frozen=True, slots=True)
class RulesKind:
    """The type of a block whose directives are a pipeline."""

    name: str = "pipeline"
    page: str = "pipeline.md"

    def parse(self, node: Node, scope: Scope) -> Rules:
        return parse_rules(node, scope)


RULES: Final = RulesKind()


def parse_rules(block: Node, scope: Scope) -> Rules:
    """The pipeline in a block. Raises ConfigError, or ConfigErrors with all mistakes."""
    empty = "empty pipeline configuration, use 'reject' to reject messages"
    parts = _parts(block, "source", SOURCES | DESTINATIONS | HANDLING | DMARC)
    reading = _Reading(scope)
    dmarc = reading.read(_dmarc, block, scope)
    level = reading.read(_level, parts, empty, _source, scope)
    reading.finish()
    assert level is not None
    return Rules(*level, dmarc=dmarc)


@settings
class DmarcDirectives:
    """Those of a whole pipeline that say whether, and how, messages are judged by DMARC."""

    dmarc: bool = directive(boolean, default=False, help="judge messages by DMARC")
    dmarc_mode: str = directive(enum(*Mode), default=Mode.TREE.value, help="how policies are found")


def _dmarc(block: Node, scope: Scope) -> Mode | None:
    own = tuple(child for child in block.children or () if child.name in DMARC)
    read = parse_settings(DmarcDirectives, replace(block, children=own), scope, args=())
    return Mode(read.dmarc_mode) if read.dmarc else None


def _source(block: Node, scope: Scope) -> SourceRules:
    parts = _parts(block, "destination", DESTINATIONS | HANDLING)
    empty = "empty source block, use 'reject' to reject messages"
    return SourceRules(block.where, *_level(parts, empty, _destination, scope))


class _Level(NamedTuple, Generic[B]):
    """Blocks to choose from, and what is for all of them."""

    default: B
    by_key: Mapping[str, B]
    tables: tuple[InTable[B], ...]
    checks: tuple[CheckGroup, ...]
    modifiers: tuple[ModifierGroup, ...]


def _level(parts: "_Parts", empty: str, block: Callable[[Node, Scope], B], scope: Scope) -> _Level[B]:
    """empty: what is wrong where nothing is said at all. block: reads one of the blocks."""
    chosen = parts.chosen_default(empty)
    reading = _Reading(scope)
    tables = reading.tables(parts.tables, block)
    by_key = reading.by_key(parts.blocks, block)
    default = reading.read(block, chosen, scope)
    checks, modifiers = reading.groups(parts.groups)
    reading.finish()
    assert default is not None
    return _Level(default, by_key, tables, checks, modifiers)


def _destination(block: Node, scope: Scope) -> DestinationRules:
    if block.children is None:  # { } discards, but who forgets a block does not mean that
        raise ConfigError(f"a block is expected here: {block.name} ... {{ ... }}", at=block)
    children = block.children
    _check_names(children, HANDLING | GROUPS, text="invalid directive: {}")
    rejects = [child for child in children if child.name == "reject"]
    deliveries = [child for child in children if child.name in {"deliver_to", "reroute"}]
    if rejects and deliveries:
        raise ConfigError(f"can't use reject and {deliveries[0].name} in the same block", at=rejects[0])
    if len(rejects) > 1:
        raise ConfigError("duplicate directive: reject", at=rejects[1])
    reading = _Reading(scope)
    reject = reading.read(parse_reject, rejects[0]) if rejects else None
    targets = [reading.read(_target, node, scope) for node in deliveries]
    checks, modifiers = reading.groups([child for child in children if child.name in GROUPS])
    reading.finish()
    different = tuple(dict.fromkeys(target for target in targets if target is not None))
    return DestinationRules(block.where, reject, different, checks, modifiers)


def _target(node: Node, scope: Scope) -> Target | Rules:
    if node.name == "deliver_to":
        return scope.registry.resolve(node, TARGET, scope)
    if node.args:
        raise ConfigError("reroute takes no arguments", at=node)
    if node.children is None:
        raise ConfigError("a block is expected here: reroute { ... }", at=node)
    return parse_rules(node, scope)


def parse_reject(node: Node) -> Reply:
    """`reject [CODE [ENHANCED [TEXT]]]`. Raises ConfigError."""
    if node.children is not None:
        raise ConfigError("can't declare block here", at=node)
    return parse_reply(node.args, node)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The directives of a block that chooses by address, sorted. kind: "source" or "destination"."""

    block: Node
    kind: str
    groups: tuple[Node, ...]  # check, modify
    tables: tuple[Node, ...]  # source_in
    blocks: tuple[Node, ...]  # source
    default: Node | None  # default_source
    others: tuple[Node, ...]  # the content of a default block that is left out

    def chosen_default(self, empty: str) -> Node:
        """The default block, be it only implied. Raises ConfigError; `empty` where there is nothing at all."""
        has_default = self.default is not None and self.default.children
        if not self.blocks and not has_default:
            if not self.others:
                raise ConfigError(empty, at=self.block)
            return replace(self.block, children=self.others)
        if self.others:
            text = f"can't put {self.others[0].name} next to {self.kind} blocks: move it into one"
            raise ConfigError(text, at=self.others[0])
        if self.default is None or not has_default:
            name = f"default_{self.kind}"
            text = f"missing or empty default {self.kind} block, use {name} {{ reject }} to reject messages"
            raise ConfigError(text, at=self.default or self.block)
        return self.default


def _parts(block: Node, kind: str, known: frozenset[str]) -> _Parts:
    children = block.children or ()
    _check_names(children, known | GROUPS)
    own = {kind, f"{kind}_in", f"default_{kind}", *GROUPS, *DMARC}
    return _Parts(
        block,
        kind,
        groups=tuple(child for child in children if child.name in GROUPS),
        tables=tuple(child for child in children if child.name == f"{kind}_in"),
        blocks=tuple(child for child in children if child.name == kind),
        default=_only(children, f"default_{kind}"),
        others=tuple(child for child in children if child.name not in own),
    )


class _Reading:
    """What is read of one block: gathers the mistakes of all its parts."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._errors: list[ConfigError] = []

    def read(self, part: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """A part, read by this function; None if there is a mistake in it."""
        try:
            return part(*args, **kwargs)
        except ConfigError as err:
            self._errors.append(err)
            return None

    def finish(self) -> None:
        """Raise all mistakes."""
        raise_all(self._errors)

    def by_key(self, nodes: Sequence[Node], block: Callable[[Node, Scope], B]) -> dict[str, B]:
        """The blocks `source RULE... { }` or `destination RULE... { }` by their rules; of equal ones the first wins."""
        found: dict[str, B] = {}
        for node in nodes:
            keys = self.read(_keys, node)
            read = self.read(block, node, self._scope)
            if read is not None:
                for key in keys or ():
                    found.setdefault(key, read)
        return found

    def tables(self, nodes: Sequence[Node], block: Callable[[Node, Scope], B]) -> tuple[InTable[B], ...]:
        """`source_in TABLE { }` or `destination_in TABLE { }`: the block is not the table's."""
        found: list[InTable[B]] = []
        for node in nodes:
            asked = replace(node, children=None)
            table = self.read(self._scope.registry.resolve, asked, TABLE, self._scope)
            read = self.read(block, node, self._scope)
            if table is not None and read is not None:
                found.append(InTable(node.where, table, read))
        return tuple(found)

    def groups(self, nodes: Sequence[Node]) -> tuple[tuple[CheckGroup, ...], tuple[ModifierGroup, ...]]:
        """All `check` and all `modify`."""
        checks = [self.read(self._group, n, "checks", CHECKS) for n in nodes if n.name == "check"]
        modifiers = [self.read(self._group, n, "modifiers", MODIFIERS) for n in nodes if n.name == "modify"]
        return tuple(filter(None, checks)), tuple(filter(None, modifiers))

    def _group(self, node: Node, module: str, role: Role[T]) -> T:
        """`check &NAME`, or `check { ... }`: a group without a name."""
        if not node.args and node.children is not None:
            node = replace(node, args=(module,))
        if not node.args or not (node.args[0] == module or node.args[0].startswith("&")):
            raise ConfigError(f"expected {node.name} &NAME, or {node.name} {{ ... }}", at=node)
        return self._scope.registry.resolve(node, role, self._scope)


def _keys(node: Node) -> list[str]:
    """The keys of `source RULE...` and `destination RULE...`: `a@b`, `@b` for a domain, `postmaster`."""
    if not node.args:
        raise ConfigError("expected at least one matching rule", at=node)
    return [_key(rule, node) for rule in node.args]


def _key(rule: str, node: Node) -> str:
    local_part, at, domain = rule.rpartition("@")
    if at and local_part in ("", "*"):
        raise ConfigError(
            f"invalid matching rule: {rule}: a whole domain is said without @: {domain}", at=node
        )
    if "*" in domain:
        text = f"there are no wildcards, but {node.name}_in with a table, as regexp"
        raise ConfigError(f"invalid matching rule: {rule}: {text}", at=node)
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
    children: Sequence[Node], known: frozenset[str], text: str = "unknown pipeline directive: {}"
) -> None:
    errors: list[ConfigError] = []
    for child in children:
        if child.name not in known:
            hint = _ELSEWHERE.get(child.name) or did_you_mean(child.name, known)
            errors.append(UnknownDirective(text.format(child.name), at=child, hint=hint))
    raise_all(errors)


def _only(children: Sequence[Node], name: str) -> Node | None:
    found = [child for child in children if child.name == name]
    if len(found) > 1:
        raise ConfigError(f"duplicate directive: {name}", at=found[1])
    if found and found[0].args:
        raise ConfigError(f"{name} takes no arguments", at=found[0])
    return found[0] if found else None
