"""Commands without arguments (RFC 3501 §6.1, §6.4; IDLE: RFC 2177, UNSELECT: RFC 3691, NAMESPACE: RFC 2342)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from posthouse.wire.imap.cursor import Cursor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Capability:
    pass


@dataclass(frozen=True, slots=True)
class Noop:
    pass


@dataclass(frozen=True, slots=True)
class Check:
    pass


@dataclass(frozen=True, slots=True)
class Logout:
    pass


@dataclass(frozen=True, slots=True)
class StartTls:
    pass


@dataclass(frozen=True, slots=True)
class Close:
    pass


@dataclass(frozen=True, slots=True)
class Unselect:
    pass


@dataclass(frozen=True, slots=True)
class Namespace:
    pass


@dataclass(frozen=True, slots=True)
class Idle:
    """Followed by a Response, once the endpoint has asked for it: `DONE`."""


def without_arguments(request: Callable[[], T]) -> Callable[[Cursor], T]:
    """The parser of a command that has none."""

    def parse(cursor: Cursor) -> T:
        cursor.end()
        return request()

    return parse
