"""What the configuration parser gives out, and how its errors read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

NEAR: Final = 0.75  # how like a known name an unknown one must be to be taken for it


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

    at: where. A module's constructor leaves it out: the place is then its block.
    hint: for a second, indented line, behind the column: what may have been meant.
    """

    def __init__(self, text: str, *, at: Node | None = None, hint: str = "") -> None:
        self.text, self.at, self.hint = text, at, hint
        where = f"{at.where}: " if at is not None else ""
        column = f"column {at.column}" if at is not None else ""
        second = ", ".join(part for part in (column, hint) if part)
        super().__init__(f"{where}{text}" + (f"\n    {second}" if second else ""))

    def placed(self, at: Node) -> "ConfigError":
        """The same mistake, at this node if it was nowhere."""
        return self if self.at is not None else ConfigError(self.text, at=at, hint=self.hint)


class ConfigErrors(ConfigError):
    """Several mistakes. None at all: what is wrong was said elsewhere."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors: tuple[ConfigError, ...] = tuple(
            one for error in errors for one in (error.errors if isinstance(error, ConfigErrors) else (error,))
        )
        super().__init__("\n".join(dict.fromkeys(str(error) for error in self.errors)))

    def placed(self, at: Node) -> "ConfigError":
        return ConfigErrors([error.placed(at) for error in self.errors])


class UnknownDirective(ConfigError):
    """A name that this block does not know. Who knows more of its names adds a hint (`or_one_of`)."""

    def or_one_of(self, known: Iterable[str]) -> ConfigError:
        """The same mistake, and where it has no hint yet, the nearest of these names."""
        if self.hint or self.at is None:
            return self
        return UnknownDirective(self.text, at=self.at, hint=did_you_mean(self.at.name, known))


def raise_all(errors: Sequence[ConfigError]) -> None:
    """Raise what was gathered: nothing, the one error, or all of them."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigErrors(errors)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest known one, if there is one near."""
    from difflib import get_close_matches  # needed only when something is wrong

    near = get_close_matches(name, known, 1, NEAR)
    return f"did you mean {near[0]}" if near else ""
