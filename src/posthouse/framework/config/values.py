"""Types of directive values (spec/config-language §6)."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.registry import Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModuleKind(Generic[T]):
    """A module reference or an inline module."""

    role: Role[T]

    @property
    def name(self) -> str:
        return self.role.name

    def parse(self, node: Node, scope: Scope) -> T:
        return scope.registry.resolve(node, self.role, scope)
