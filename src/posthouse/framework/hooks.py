"""Hooks: functions that any code registers for events of the process."""

from collections.abc import Callable
from dataclasses import dataclass, field

Hook = Callable[[], None]


@dataclass(slots=True)
class Hooks:
    """Each list runs in reverse order of registration. A hook must not block; what it raises is logged."""

    reload: list[Hook] = field(default_factory=list)
    rotate: list[Hook] = field(default_factory=list)
    stop: list[Hook] = field(default_factory=list)
