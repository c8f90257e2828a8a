"""table.regexp: values by what a key looks like.

PATTERN has the syntax of RE2: no references back and no looking around, so no key can make it slow. Each REPLACEMENT is a
value, in which `$1`, `${1}` and `${name}` are what the group matched, and `$$` is a dollar sign. Without a REPLACEMENT
the value is the key."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import re2

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.module import Context, Module

PATTERN_MAX: Final = 1000  # characters
PATTERN_MEMORY: Final = 1_048_576  # octets that a compiled pattern may take; refused at configuration beyond
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
        self._pattern = compiled(pattern, ignore_case=settings.case_insensitive)
        if settings.full_match:  # as maddy adds them, not around alternatives; a second one changes nothing
            self._pattern = compiled(f"^{pattern}$", ignore_case=settings.case_insensitive)
        self._expand = settings.expand_placeholders
        self._module = context.module

    async def lookup(self, key: str) -> Sequence[str]:
        if len(key) > KEY_MAX:
            raise MailError(INTERNAL, module=self._module, reason=f"a key of more than {KEY_MAX} characters")
        match = self._pattern.search(key)
        if match is None:
            return ()
        if not self._replacements:
            return (key,)
        if not self._expand:
            return self._replacements
        groups = [match[0], *(group or "" for group in match.groups())]
        return [expand(replacement, groups, self._pattern.groupindex) for replacement in self._replacements]


def compiled(pattern: str, *, ignore_case: bool) -> Any:
    """The pattern, for `search`; the library has no types. Raises ValueError for one that cannot be."""
    if len(pattern) > PATTERN_MAX + 2:
        raise ValueError(f"the pattern has more than {PATTERN_MAX} characters")
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.max_mem = PATTERN_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as err:
        reason = err.args[0].decode(errors="replace") if err.args else "it cannot be read"
        raise ValueError(f"invalid regular expression: {reason}") from err


def expand(template: str, groups: Sequence[str], names: Mapping[str, int]) -> str:
    """A template with groups for its references; one that there is not is empty, a `$` that begins none stays."""

    def value(reference: "re.Match[str]") -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        number = int(name) if name.isdecimal() and len(name) < 5 else names.get(name, len(groups))
        return groups[number] if number < len(groups) else ""

    return _REFERENCE.sub(value, template)
