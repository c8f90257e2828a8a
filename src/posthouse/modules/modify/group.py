"""modifiers: a group of modifiers, used as `modify &NAME`.

    modifiers NAME {
        replace_rcpt file aliases
        &OTHER
    }

Each directive is a modifier with its arguments and its block, or refers to a modifier at top level. `modify { ... }` is such a
group without a name.
"""

from posthouse.framework.config.group import GroupKind
from posthouse.framework.config.settings import rest_of_block, settings
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.roles import MODIFIER


class Modifiers(Module):
    @settings
    class Settings:
        members: tuple[Modifier, ...] = rest_of_block(
            GroupKind(MODIFIER), help="the modifiers, in their order"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        self._members = settings.members

    def modifiers(self) -> tuple[Modifier, ...]:
        return self._members
