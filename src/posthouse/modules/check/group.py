"""checks: a group of checks, used as `check &NAME`.

    checks NAME {
        require_tls
        &OTHER
    }

Each directive is a check with its arguments and its block, or refers to a check at top level. `check { ... }` is such a group
without a name.
"""

from posthouse.framework.config.group import GroupKind
from posthouse.framework.config.settings import rest_of_block, settings
from posthouse.framework.interfaces.check import Check
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.roles import CHECK


class Checks(Module):
    @settings
    class Settings:
        members: tuple[Check, ...] = rest_of_block(GroupKind(CHECK), help="the checks, in their order")

    def __init__(self, settings: Settings, context: Context) -> None:
        self._members = settings.members

    def checks(self) -> tuple[Check, ...]:
        return self._members
