"""Holders: whose keys they are that fill a scope, and who of them gives way."""

from collections import OrderedDict
from collections.abc import Hashable

from posthouse.modules.limits.limiter import Limiter


class LimiterSet:
    """The limiters of one key, in the order of the configuration."""

    __slots__ = ("holder", "idle_since", "key", "limiters", "users")

    def __init__(self, key: Hashable, holder: "Holder", limiters: tuple[Limiter, ...]) -> None:
        self.key = key
        self.holder = holder
        self.limiters = limiters
        self.users = 0  # that wait or have passed
        self.idle_since = 0.0  # while there are none


class Holder:
    """Somebody who has brought keys: the site of a client. Where nobody is told apart, `name` is None."""

    __slots__ = ("count", "idle", "name")

    def __init__(self, name: Hashable) -> None:
        self.name = name
        self.count = 0  # of its sets
        self.idle: OrderedDict[Hashable, LimiterSet] = OrderedDict()  # of them, the longest idle first


class Holders:
    """All who hold keys of a scope, ranked by how many are idle. Every call takes the same time, however many there are."""

    def __init__(self) -> None:
        self._all: dict[Hashable, Holder] = {}
        self._ranks: dict[int, OrderedDict[Holder, None]] = {}  # by the number of their idle sets
        self._highest = 0

    def get(self, name: Hashable) -> Holder | None:
        return self._all.get(name)

    def bring(self, name: Hashable) -> Holder:
        """The holder of one set more."""
        holder = self._all.get(name)
        if holder is None:
            holder = self._all[name] = Holder(name)
        holder.count += 1
        return holder

    def idle(self, left: LimiterSet) -> None:
        """Nobody uses a set any more."""
        holder = left.holder
        self._unrank(holder)
        holder.idle[left.key] = left
        self._rank(holder)

    def wake(self, used: LimiterSet) -> None:
        """An idle set is used again."""
        holder = used.holder
        self._unrank(holder)
        del holder.idle[used.key]
        self._rank(holder)

    def forget(self, idle: LimiterSet) -> None:
        """An idle set is gone."""
        self.wake(idle)
        idle.holder.count -= 1
        if not idle.holder.count:
            del self._all[idle.holder.name]

    def idlest(self) -> Holder | None:
        """Who has most idle sets; None if nobody has any."""
        rank = self._ranks.get(self._highest)
        return next(iter(rank)) if rank else None

    def _rank(self, holder: Holder) -> None:
        idle = len(holder.idle)
        if idle:
            self._ranks.setdefault(idle, OrderedDict())[holder] = None
        self._highest = max(self._highest, idle)

    def _unrank(self, holder: Holder) -> None:
        """One's number changes by one at a time: so does the highest."""
        idle = len(holder.idle)
        if not idle:
            return
        rank = self._ranks[idle]
        del rank[holder]
        if not rank:
            del self._ranks[idle]
            if idle == self._highest:
                self._highest -= 1
