"""Limiters: each lets so many pass; the others wait, without a task or thread, in the order in which they came."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Protocol

from posthouse.core.world import Clock
from posthouse.framework.config.values import duration_text


class Limiter(Protocol):
    def take_now(self) -> bool:
        """Pass, if there is room and nobody waits for it."""
        ...

    async def take(self) -> None:
        """Wait for one's turn. A caller that is cancelled leaves the queue, and what it may have got to the next."""
        ...

    def release(self) -> None:
        """Who passed has ended."""
        ...


class _Queue:
    """Those that wait for room."""

    __slots__ = ("_free", "_most", "_waiting")

    def __init__(self, most: int) -> None:
        self._most = most
        self._free = most
        self._waiting: OrderedDict[asyncio.Future[None], None] | None = None  # most keys never need one

    def take_now(self) -> bool:
        if self._waiting or not self._free:
            return False
        self._free -= 1
        return True

    async def take(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        if self._waiting is None:
            self._waiting = OrderedDict()
        self._waiting[turn] = None
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.pop(turn, None)
            else:  # its turn came in the same moment
                self._give_back()
            raise

    def _give_back(self) -> None:
        self._free = min(self._free + 1, self._most)
        self._admit()

    def _admit(self) -> None:
        """Let as many pass as there is room for, the first first."""
        while self._free and self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                self._free -= 1
                turn.set_result(None)


class ConcurrencyLimiter(_Queue):
    """A semaphore."""

    __slots__ = ()

    def release(self) -> None:
        self._give_back()


class RateLimiter(_Queue):
    """A bucket of tokens that is filled once per period, not drop by drop. Nobody gives a token back."""

    __slots__ = ("_clock", "_filled", "_period", "_timer")

    def __init__(self, burst: int, period: float, clock: Clock) -> None:
        super().__init__(burst)
        self._period = period
        self._clock = clock
        self._filled = clock.monotonic()  # when the bucket was filled last
        self._timer: asyncio.TimerHandle | None = None  # runs while somebody waits

    def take_now(self) -> bool:
        self._fill()
        return super().take_now()

    async def take(self) -> None:
        if self._timer is None:
            self._set_timer()
        try:
            await super().take()
        finally:
            if not self._waiting:
                self._stop_timer()

    def release(self) -> None:
        pass

    def _fill(self) -> None:
        periods = (self._clock.monotonic() - self._filled) // self._period
        if periods >= 1:
            self._filled += periods * self._period
            self._free = self._most
            self._admit()

    def _set_timer(self) -> None:
        left = self._filled + self._period - self._clock.monotonic()
        self._timer = asyncio.get_running_loop().call_later(max(left, 0), self._ring)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        self._fill()
        if self._waiting:
            self._set_timer()


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most so many at once."""

    most: int

    def limiter(self, clock: Clock) -> Limiter:
        return ConcurrencyLimiter(self.most)

    def __str__(self) -> str:
        return f"concurrency {self.most}"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many in a period of seconds."""

    burst: int
    period: float

    def limiter(self, clock: Clock) -> Limiter:
        return RateLimiter(self.burst, self.period, clock)

    def __str__(self) -> str:
        return f"rate {self.burst} {duration_text(self.period)}"


Line = Rate | Concurrency
