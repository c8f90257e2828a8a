"""Modules as a configuration makes them, without a server."""

from dataclasses import replace
from typing import TypeVar

from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.registry import Registry, Role
from posthouse.modules.catalogue import CATALOGUE
from posthouse.testing.world import FakeWorld

T = TypeVar("T")


def module_of(fake: FakeWorld, directive: str, role: Role[T], text: str) -> T:
    """The module that a line, or a block, of such a directive makes. Raises ConfigError."""
    (node,) = parse(text, "test.conf").nodes
    registry = Registry(CATALOGUE, lambda module, instance, *_: fake.context(module, instance))
    named = replace(node, name=directive, args=(node.name, *node.args))
    return registry.resolve(named, role, Scope({}, fake.paths, registry))
