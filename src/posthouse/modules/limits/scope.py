"""Scopes: one set of limiters for each key, and a bound for their number."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from posthouse.core.world import Clock
from posthouse.modules.limits.holders import Holder, Holders, LimiterSet
from posthouse.modules.limits.limiter import Line, Rate

KEYS_MAX: Final = 20_010  # per scope
KEYS_OF_HOLDER_MAX: Final = KEYS_MAX // 2  # of them, that one client may have brought
IDLE_TIME: Final = 60.0  # seconds after which a set may make room for another key's


class TooManyKeys(Exception):
    """All sets of a scope are in use, or were a moment ago."""


class Scope:
    """The lines of `all`, `ip`, `source` or `destination`.

    Every call takes the same time in the long run, however many keys there are. When they are too many, those go first that
    say nothing any more; then one of the client that has most of them idle. So nobody keeps others out (R-071).
    """

    def __init__(self, name: str, lines: Sequence[Line], clock: Clock) -> None:
        self.name = name
        self.lines = lines
        self._clock = clock
        self._full_after = max((line.period for line in lines if isinstance(line, Rate)), default=0.0)
        self._sets: dict[Hashable, LimiterSet] = {}
        self._idle: OrderedDict[Hashable, LimiterSet] = OrderedDict()  # the longest idle first
        self._holders = Holders()

    def enter(self, key: Hashable, holder: Hashable) -> LimiterSet:
        """The set of a key, held until `leave`. Raises TooManyKeys.

        holder: who brings the key, should it be new; None where nobody is told apart.
        """
        found = self._sets.get(key)
        if found is None:
            found = self._new_set(key, holder)
        elif not found.users:
            del self._idle[key]
            self._holders.wake(found)
        found.users += 1
        return found

    def leave(self, left: LimiterSet) -> None:
        left.users -= 1
        if not left.users:
            left.idle_since = self._clock.monotonic()
            self._idle[left.key] = left
            self._holders.idle(left)

    def _new_set(self, key: Hashable, name: Hashable) -> LimiterSet:
        self._forget_full()
        self._make_room(self._holders.get(name))
        limiters = tuple(line.limiter(self._clock) for line in self.lines)
        new = self._sets[key] = LimiterSet(key, self._holders.bring(name), limiters)
        return new

    def _forget_full(self) -> None:
        """Forget sets that are as good as new: idle for a whole period, their buckets are full, and their slots are free.

        Each was made once, so this costs nothing in the long run.
        """
        while self._idle and self._is_idle_for(self._full_after, self._idle):
            self._forget(self._idle)

    def _make_room(self, holder: Holder | None) -> None:
        """Let there be room for one more set of a holder; None: of somebody who has none yet."""
        if holder is not None and holder.name is not None and holder.count >= KEYS_OF_HOLDER_MAX:
            self._forget_idle(holder.idle)
        elif len(self._sets) >= KEYS_MAX:
            idlest = self._holders.idlest()
            if idlest is None:
                raise TooManyKeys
            if holder is None or len(holder.idle) < len(idlest.idle):
                self._forget(idlest.idle)
            else:
                self._forget_idle(self._idle)

    def _forget_idle(self, idle: OrderedDict[Hashable, LimiterSet]) -> None:
        """Forget the first of them if it was not used for long. Raises TooManyKeys."""
        if not idle or not self._is_idle_for(IDLE_TIME, idle):
            raise TooManyKeys
        self._forget(idle)

    def _is_idle_for(self, seconds: float, idle: OrderedDict[Hashable, LimiterSet]) -> bool:
        return self._clock.monotonic() - next(iter(idle.values())).idle_since >= seconds

    def _forget(self, idle: OrderedDict[Hashable, LimiterSet]) -> None:
        """Forget the first of them."""
        first = next(iter(idle.values()))
        del self._sets[first.key], self._idle[first.key]
        self._holders.forget(first)
