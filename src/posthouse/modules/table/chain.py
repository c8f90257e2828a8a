"""table.chain: tables one after the other. Each value of a step is the key of the next one.

What a `step` does not know, the chain does not know. An `optional_step` that does not know one of its keys is left out: its keys
go to the next step as they are. A chain without steps answers with the key."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.circles import forbid_circle
from posthouse.framework.config.kinds import table
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import repeated, settings
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import Table

OPTIONAL: Final = "optional_step"
VALUES_MAX: Final = 1000  # after any step; each could double them


@dataclass(frozen=True, slots=True)
class Step:
    table: Table
    is_optional: bool


class StepKind:
    """The type of both directives: their order among each other counts."""

    name = table.name

    def parse(self, node: Node, scope: Scope) -> Step:
        return Step(table.parse(node, scope), is_optional=node.name == OPTIONAL)


class ChainTable(Module):
    @settings
    class Settings:
        step: tuple[Step, ...] = repeated(StepKind(), names=(OPTIONAL,), help="the next table")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.asks = tuple(step.table for step in settings.step)
        forbid_circle(self, self.asks)
        self._steps = settings.step
        self._module = context.module

    async def lookup(self, key: str) -> Sequence[str]:
        values: Sequence[str] = (key,)
        for step in self._steps:
            found = await self._step(step.table, values)
            if not found and not step.is_optional:
                return ()
            values = found or values
        return values

    async def _step(self, table: Table, keys: Sequence[str]) -> Sequence[str]:
        """The values of all keys; none if one of them is not there."""
        values: list[str] = []
        for key in keys:
            found = await table.lookup(key)
            if not found:
                return ()
            values += found
            if len(values) > VALUES_MAX:
                raise MailError(
                    INTERNAL, module=self._module, reason=f"more than {VALUES_MAX} values", key=key
                )
        return values
