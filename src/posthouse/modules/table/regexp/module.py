"""The table: its pattern, and the values of what matches."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.module import Context, Module
from posthouse.modules.table.regexp.syntax import compile_pattern

KEY_MAX: Final = 1000  # characters: the time of a look-up is bounded by this times the size of the pattern
_REFERENCE: Final = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


class RegexpTable(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="PATTERN [REPLACEMENT...]", least=1)
        full_match: bool = directive(
            boolean, default=True, help="as if the pattern began with `^` and ended with `$`"
        )
        case_insensitive: bool = directive(boolean, default=True, help="the case of letters does not matter")
        expand_placeholders: bool = directive(
            boolean, default=True, names=("expand_replaceholders",), help="expand `$` in replacements"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        pattern, *self._replacements = settings.args
        ignore_case = settings.case_insensitive
        self._program, self._names = compile_pattern(pattern, ignore_case=ignore_case)
        if settings.full_match:  # as maddy adds them, not around alternatives; a second one changes nothing
            self._program, self._names = compile_pattern(f"^{pattern}$", ignore_case=ignore_case)
        self._expand = settings.expand_placeholders
        self._module = context.module

    async def lookup(self, key: str) -> Sequence[str]:
        if len(key) > KEY_MAX:
            raise MailError(INTERNAL, module=self._module, reason=f"a key of more than {KEY_MAX} characters")
        places = self._program.search(key)
        if places is None:
            return ()
        if not self._replacements:
            return (key,)
        if not self._expand:
            return self._replacements
        groups = [
            key[b:e] if b <= e and b >= 0 else "" for b, e in zip(places[::2], places[1::2], strict=True)
        ]
        return [expand(replacement, groups, self._names) for replacement in self._replacements]


def expand(template: str, groups: Sequence[str], names: Mapping[str, int]) -> str:
    """A template with groups for its references; one that there is not is empty, a `$` that begins none stays."""

    def value(reference: "re.Match[str]") -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isdecimal() and len(name) < 5 else names.get(name, len(groups))
        return groups[number] if number < len(groups) else ""

    return _REFERENCE.sub(value, template)
