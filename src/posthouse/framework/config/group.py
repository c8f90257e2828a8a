"""Groups of modules: a block in which each directive is a module, or `&NAME`."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from posthouse.framework.config.node import ConfigError, Node, raise_all
from posthouse.framework.config.scope import Scope
from posthouse.framework.registry import Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GroupKind(Generic[T]):
    """The type of a block whose directives are modules of one role, in order."""

    role: Role[T]

    @property
    def name(self) -> str:
        return f"{self.role.name} modules"

    def parse(self, node: Node, scope: Scope) -> tuple[T, ...]:
        """Raises ConfigError, or ConfigErrors with all mistakes."""
        found: list[T] = []
        errors: list[ConfigError] = []
        for child in node.children or ():
            module = replace(child, name=self.role.name, args=(child.name, *child.args))
            try:
                found.append(scope.registry.resolve(module, self.role, scope))
            except ConfigError as err:
                errors.append(err)
        raise_all(errors)
        return tuple(found)
