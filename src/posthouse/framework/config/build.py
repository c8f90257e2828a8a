"""From directives to modules: registration, construction, and what must hold of a whole configuration (spec §9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from posthouse.framework.config.globals import (
    NAMES,
    GlobalModules,
    Globals,
    inheritable,
    top_level,
)
from posthouse.framework.config.node import ConfigError, ConfigErrors, Node, raise_all
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_with_defaults
from posthouse.framework.interfaces.endpoint import Address, Endpoint
from posthouse.framework.registry import Catalogue, ContextMaker, Registry


@dataclass(frozen=True, slots=True)
class Built:
    """A configuration without mistakes; nothing of it is prepared or started.

    registry: all modules, in the order of their start (`lifetime`).
    endpoints: in the order of the file.
    scope: what the blocks could look at.
    """

    registry: Registry
    endpoints: tuple[Endpoint, ...]
    scope: Scope


def build(
    configuration: Globals, catalogue: Catalogue, make_context: ContextMaker, *, is_server: bool = True
) -> Built:
    """Construct all endpoints, and what they refer to.

    is_server: a block that nobody refers to is a mistake; the command line has such blocks constructed too.
    Raises ConfigError or ConfigErrors: all mistakes, in the order of the file.
    """
    registry = Registry(catalogue, make_context, also_known=NAMES)
    errors = list(configuration.errors)
    scope = Scope(configuration.table, configuration.paths, registry)
    modules = parse_with_defaults(GlobalModules, top_level(configuration.others), scope)
    errors += modules.errors
    table = {**configuration.table, **inheritable(modules, configuration.others)}
    scope = Scope(table, configuration.paths, registry)
    endpoints = _construct(modules.values.blocks, scope, errors)
    if not is_server:
        errors += registry.construct_all(scope)
    elif not errors:
        errors += registry.unused()
    raise_all(_in_order(errors, configuration.nodes))
    return Built(registry, endpoints, scope)


def _construct(blocks: Sequence[Node], scope: Scope, errors: list[ConfigError]) -> tuple[Endpoint, ...]:
    """Register the blocks, then construct the endpoints; mistakes are added to `errors`."""
    registry = scope.registry
    found: list[ConfigError] = []
    to_construct: list[Node] = []
    for node in blocks:
        try:
            if registry.is_endpoint(node.name):
                to_construct.append(node)
            else:
                registry.register(node)
        except ConfigError as err:
            found.append(err)
    if not to_construct and not found:  # else the unknown block may have been meant as one
        found.append(ConfigError("at least one endpoint should be configured"))
    endpoints: list[Endpoint] = []
    taken: dict[tuple[str, int, str], str] = {}  # by host, port and path: who listens there
    for node in to_construct:
        try:
            endpoint = cast("Endpoint", registry.endpoint(node, scope))
            _take_addresses(endpoint.addresses, node, taken)
            endpoints.append(endpoint)
        except ConfigError as err:
            found.append(err)
        except RecursionError:
            found.append(ConfigError("what this block holds and refers to is too deep", at=node))
    errors += found
    return tuple(endpoints)


def _take_addresses(addresses: Sequence[Address], node: Node, taken: dict[tuple[str, int, str], str]) -> None:
    """Note who listens where. Raises ConfigError where somebody does already, be it with TLS or without."""
    for address in addresses:
        place = address.host, address.port, address.path
        if place in taken:
            raise ConfigError(f"{address.text}: {taken[place]} listens there already", at=node)
        taken[place] = f"{node.name} ({node.where})"


def _in_order(errors: Sequence[ConfigError], nodes: Sequence[Node]) -> list[ConfigError]:
    """In the order of the directives, which may come from several files; what has no place comes last."""
    places: dict[tuple[str, int], int] = {}
    waiting = list(reversed(nodes))
    while waiting:
        node = waiting.pop()
        places.setdefault((node.file, node.line), len(places))
        waiting += reversed(node.children or ())

    def place(error: ConfigError) -> int:
        return places.get((error.at.file, error.at.line), len(places)) if error.at else len(places)

    return sorted(ConfigErrors(errors).errors, key=place)
