"""Types of directive values (spec/config-language §6): each a small object for `directive(boolean, help=...)`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import isfinite
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from posthouse.framework import normalize
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.registry import Role

T = TypeVar("T")
Network = IPv4Network | IPv6Network

INT64_MAX: Final = 2**63 - 1
TRUE: Final = frozenset({"1", "true", "on", "yes"})
FALSE: Final = frozenset({"0", "false", "off", "no"})
SIZE_UNITS: Final = {"G": 1 << 30, "M": 1 << 20, "K": 1 << 10, "B": 1, "b": 1}  # octets
DURATION_UNITS: Final = {
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ns": 1e-9,
}
DURATION_MAX: Final = INT64_MAX / 1e9  # seconds, as Go counts them

_INTEGER = re.compile(r"[+-]?[0-9]{1,30}", re.ASCII)
_FLOAT = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]{0,300})?|\.[0-9]{1,300})([eE][+-]?[0-9]{1,3})?", re.ASCII)
_SIZE = re.compile(r"([0-9]{1,20})([GMKBb])", re.ASCII)
_DURATION = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,20})?)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)


def without_block(node: Node) -> Node:
    """The same node. Raises ConfigError when it has a block, even an empty one."""
    if node.children is not None:
        raise ConfigError("can't declare block here", at=node)
    return node


def one_argument(node: Node) -> str:
    """The only argument of a directive that has no block. Raises ConfigError."""
    if len(without_block(node).args) != 1:
        raise ConfigError("expected 1 argument", at=node)
    return node.args[0]


def some_arguments(node: Node) -> tuple[str, ...]:
    """The arguments, one at least, of a directive that has no block. Raises ConfigError."""
    if not without_block(node).args:
        raise ConfigError("expected at least one argument", at=node)
    return node.args


@dataclass(frozen=True, slots=True)
class Single(Generic[T]):
    """Exactly one argument.

    convert: makes it the value; raises ValueError with the text that the operator reads.
    show: writes a value, for the reference pages.
    """

    name: str
    convert: Callable[[str], T]
    show: Callable[[T], str] = str

    def parse(self, node: Node, scope: Scope) -> T:
        return _converted(self.convert, one_argument(node), node)


@dataclass(frozen=True, slots=True)
class Several(Generic[T]):
    """One argument or more."""

    name: str
    convert: Callable[[tuple[str, ...]], T]
    show: Callable[[T], str] = str

    def parse(self, node: Node, scope: Scope) -> T:
        return _converted(self.convert, some_arguments(node), node)


@dataclass(frozen=True, slots=True)
class Boolean:
    """Yes, no, or the bare directive for yes."""

    name: str = "bool"

    def parse(self, node: Node, scope: Scope) -> bool:
        if not node.args:
            without_block(node)
            return True
        word = one_argument(node).lower()
        if word not in TRUE | FALSE:
            raise ConfigError("bool argument should be 'yes' or 'no'", at=node)
        return word in TRUE

    def show(self, value: bool) -> str:
        return "yes" if value else "no"


@dataclass(frozen=True, slots=True)
class StatePath:
    """The path of a file or directory; a relative one is below the state directory."""

    name: str = "path"

    def parse(self, node: Node, scope: Scope) -> Path:
        if not (text := one_argument(node)):
            raise ConfigError("a path is expected", at=node)
        return scope.paths.state / text


@dataclass(frozen=True, slots=True)
class Block(Generic[T]):
    """A block with directives of its own, and no arguments."""

    name: str
    settings: type[T]

    def parse(self, node: Node, scope: Scope) -> T:
        if node.children is None:
            raise ConfigError("a block is expected here", at=node)
        return parse_settings(self.settings, node, scope)


@dataclass(frozen=True, slots=True)
class ModuleKind(Generic[T]):
    """A module reference or an inline module."""

    role: Role[T]

    @property
    def name(self) -> str:
        return self.role.name

    def parse(self, node: Node, scope: Scope) -> T:
        return scope.registry.resolve(node, self.role, scope)


def _converted(convert: Callable[[Any], T], argument: object, node: Node) -> T:
    try:
        return convert(argument)
    except ValueError as err:
        raise ConfigError(str(err), at=node) from err


def _bounded(least: int, most: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not _INTEGER.fullmatch(text) or not least <= int(text) <= most or (least >= 0 and text[0] in "+-"):
            raise ValueError(f"invalid integer: {text}")
        return int(text)

    return convert


def integer_between(least: int, most: int) -> Single[int]:
    """An integer with bounds of its own, both included."""
    number = _bounded(-INT64_MAX - 1, INT64_MAX)

    def convert(text: str) -> int:
        value = number(text)
        if not least <= value <= most:
            raise ValueError(f"invalid integer: {text}, it must be between {least} and {most}")
        return value

    return Single(f"int, {least} to {most}", convert)


def _float(text: str) -> float:
    if not _FLOAT.fullmatch(text) or not isfinite(number := float(text)):
        raise ValueError(f"invalid float: {text}")
    return number


def duration_seconds(text: str) -> float:
    """A duration as `1h30m` says it, in seconds. Raises ValueError."""
    if text == "0":
        return 0.0
    seconds, at = 0.0, 0
    while (part := _DURATION.match(text, at)) is not None:
        seconds += float(part[1]) * DURATION_UNITS[part[2]]
        at = part.end()
    if at == 0 or at < len(text) or seconds > DURATION_MAX:
        raise ValueError(f"invalid duration: {text}")
    return seconds


def duration_text(seconds: float) -> str:
    """The shortest way to write a duration: 5400 is `1h30m`."""
    text = ""
    for unit in ("h", "m"):
        count, seconds = divmod(seconds, DURATION_UNITS[unit])
        text += f"{count:.0f}{unit}" if count else ""
    return text + (f"{seconds:g}s" if seconds else "") or "0"


def size_octets(text: str) -> int:
    """A size as `1M 512K` says it, in octets. Raises ValueError."""
    octets = 0
    for word in text.split(" "):
        part = _SIZE.fullmatch(word)
        if part is None and word != "0":
            raise ValueError(f"invalid size: {text}")
        octets += int(part[1]) * SIZE_UNITS[part[2]] if part else 0
    if octets > INT64_MAX:
        raise ValueError(f"invalid size: {text}")
    return octets


def size_text(octets: int) -> str:
    """The shortest way to write a size: 33554432 is `32M`."""
    unit = next((name for name in "GMK" if octets and octets % SIZE_UNITS[name] == 0), "B")
    return f"{octets // SIZE_UNITS[unit]}{unit}" if octets else "0"


def _checked(choices: tuple[str, ...]) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in choices:
            raise ValueError(f"invalid argument, valid values are: [{' '.join(choices)}]")
        return text

    return convert


def enum(*choices: str) -> Single[str]:
    """One of a fixed set of words, in this case."""
    return Single(" | ".join(choices), _checked(choices))


def enums(*choices: str) -> Several[tuple[str, ...]]:
    """One or more of a fixed set of words."""
    check = _checked(choices)
    return Several(f"one or more of {', '.join(choices)}", lambda args: tuple(map(check, args)), " ".join)


def ip_networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """IP addresses and networks; an entry without `/` is a single host. Raises ValueError."""
    try:
        return tuple(ip_network(text, strict=False) for text in texts)
    except ValueError as err:
        raise ValueError(f"expected IP addresses or networks: {err}") from err


string = Single("string", str)
strings: Several[tuple[str, ...]] = Several("strings", tuple, " ".join)
boolean = Boolean()
integer = Single("int", _bounded(-INT64_MAX - 1, INT64_MAX))
unsigned = Single("uint", _bounded(0, 2**64 - 1))
int32 = Single("int32", _bounded(-(2**31), 2**31 - 1))
uint32 = Single("uint32", _bounded(0, 2**32 - 1))
int64 = Single("int64", _bounded(-INT64_MAX - 1, INT64_MAX))
uint64 = Single("uint64", _bounded(0, 2**64 - 1))
floating = Single("float", _float)
duration = Several("duration", lambda args: duration_seconds("".join(args)), duration_text)
size = Several("size", lambda args: size_octets(" ".join(args)), size_text)
path = StatePath()
normalization = Single("norm", normalize.by_name, normalize.name_of)
networks = Several("IP or CIDR...", ip_networks, lambda found: " ".join(map(str, found)))
