"""Macros: `$(name)` in arguments (spec/config-language §3)."""

from typing import Final

EXPANSION_MAX: Final = 16 * 1024 * 1024  # characters that the macros of one file may add to it


class Macros:
    """The macros that were declared so far in one file."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        self._expanded = 0

    def declare(self, name: str, values: tuple[str, ...]) -> None:
        """A later declaration replaces an earlier one."""
        self._values[name] = values

    def expand(self, args: list[str]) -> tuple[str, ...]:
        """The arguments with their references replaced. Raises ValueError."""
        if not any("$(" in arg for arg in args):
            return tuple(args)
        return tuple(word for arg in args for word in self._argument(arg))

    def _argument(self, arg: str) -> tuple[str, ...]:
        start = arg.find("$(")
        end = arg.find(")", start) if start >= 0 else -1
        if end < 0:
            return (arg,)
        if start == 0 and end == len(arg) - 1:
            values = self._values.get(arg[2:-1], ())
            self._count(sum(map(len, values), len(values)))
            return values
        return (self._text(arg),)

    def _text(self, arg: str) -> str:
        """References among other text; names end at the first `)`."""
        parts: list[str] = []
        at = 0
        while (start := arg.find("$(", at)) >= 0 and (end := arg.find(")", start)) >= 0:
            parts += arg[at:start], self._single(arg[start + 2 : end])
            at = end + 1
        return "".join(parts) + arg[at:]

    def _single(self, name: str) -> str:
        values = self._values.get(name, ())
        if len(values) > 1:
            raise ValueError("can't expand macro with multiple arguments inside a string")
        value = values[0] if values else ""
        self._count(len(value))
        return value

    def _count(self, added: int) -> None:
        self._expanded += added
        if self._expanded > EXPANSION_MAX:
            raise ValueError(f"macros expand to more than {EXPANSION_MAX} characters")
