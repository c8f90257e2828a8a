"""Scopes: one set of limiters for each key, and a bound for their number."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from posthouse.core.world import Clock
from posthouse.modules.limits.limiter import Limiter, Line

KEYS_MAX: Final = 20_010  # per scope
IDLE_TIME: Final = 60.0  # seconds after which a set may make room for another key's


class TooManyKeys(Exception):
    """All sets of a scope are in use, or were a moment ago."""


class LimiterSet:
    """The limiters of one key, in the order of the configuration."""

    __slots__ = ("key", "limiters", "users")

    def __init__(self, key: Hashable, limiters: tuple[Limiter, ...]) -> None:
        self.key = key
        self.limiters = limiters
        self.users = 0  # that wait or have passed


class Scope:
    """The lines of `all`, `ip`, `source` or `destination`. Every call takes the same time, however many keys there are."""

    def __init__(self, name: str, lines: Sequence[Line], clock: Clock) -> None:
        self.name = name
        self.lines = lines
        self._clock = clock
        self._sets: dict[Hashable, LimiterSet] = {}
        self._idle: OrderedDict[Hashable, float] = OrderedDict()  # since when, the longest idle first

    def enter(self, key: Hashable) -> LimiterSet:
        """The set of a key, held until `leave`. Raises TooManyKeys."""
        found = self._sets.get(key)
        if found is None:
            found = self._new_set(key)
        elif not found.users:
            del self._idle[key]
        found.users += 1
        return found

    def leave(self, left: LimiterSet) -> None:
        left.users -= 1
        if not left.users:
            self._idle[left.key] = self._clock.monotonic()

    def _new_set(self, key: Hashable) -> LimiterSet:
        if len(self._sets) >= KEYS_MAX:
            self._make_room()
        new = LimiterSet(key, tuple(line.limiter(self._clock) for line in self.lines))
        self._sets[key] = new
        return new

    def _make_room(self) -> None:
        """Drop all that are idle for long: each was made once, so this costs nothing in the long run."""
        forgotten = self._clock.monotonic() - IDLE_TIME
        while self._idle and next(iter(self._idle.values())) < forgotten:
            key, _ = self._idle.popitem(last=False)
            del self._sets[key]
        if len(self._sets) >= KEYS_MAX:
            raise TooManyKeys
