"""What the configuration parser gives out, and how its errors read."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One directive: `name args... [{ children }]`."""

    name: str
    args: tuple[str, ...]
    children: tuple["Node", ...] | None  # None without a block, () for an empty one
    file: str
    line: int
    column: int = 1

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


class ConfigError(Exception):
    """A mistake in a configuration file; its text begins with FILE:LINE.

    hint: a second, indented line: the column, and what may have been meant.
    """

    def __init__(self, text: str, *, at: Node | None = None, hint: str = "") -> None:
        where = f"{at.where}: " if at is not None else ""
        column = f"column {at.column}" if at is not None else ""
        second = ", ".join(part for part in (column, hint) if part)
        super().__init__(f"{where}{text}" + (f"\n    {second}" if second else ""))


class ConfigErrors(ConfigError):
    """All mistakes that were found, in the order of the file."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(
            one for error in errors for one in (error.errors if isinstance(error, ConfigErrors) else (error,))
        )
        Exception.__init__(self, "\n".join(dict.fromkeys(str(error) for error in self.errors)))


def raise_all(errors: Sequence[ConfigError]) -> None:
    """Raise what was gathered: nothing, the one error, or all of them."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigErrors(errors)
