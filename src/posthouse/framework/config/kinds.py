"""Values that are modules: `directive(table, ...)` takes `&name`, or a module's name, arguments and block."""

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.values import ModuleKind
from posthouse.framework.interfaces import roles
from posthouse.framework.registry import Role

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class UnnamedBlock(Generic[T]):
    """A block that is a module without saying its name, or `&NAME`: `limits { ... }`."""

    role: Role[T]
    module: str

    @property
    def name(self) -> str:
        return f"block, or &NAME of a `{self.module}` block"

    def parse(self, node: Node, scope: Scope) -> T:
        if not node.args and node.children is None:
            raise ConfigError("a block or &NAME is expected here", at=node)
        named = node if node.args else replace(node, args=(self.module,))
        return scope.registry.resolve(named, self.role, scope)


table = ModuleKind(roles.TABLE)
auth = ModuleKind(roles.AUTH)
target = ModuleKind(roles.TARGET)
storage = ModuleKind(roles.STORAGE)
tls_loader = ModuleKind(roles.TLS_LOADER)
limits = UnnamedBlock(roles.LIMITS, "limits")
