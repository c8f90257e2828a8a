"""An event loop whose time is a simulated clock's: hours of waiting take no time, and the same course in every run.

def test_something(tmp_path: Path) -> None:
    fake = FakeWorld(tmp_path)
    run_simulated(fake.clock, something_that_waits(fake))
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from posthouse.testing.world import SimulatedClock

T = TypeVar("T")


def run_simulated(clock: SimulatedClock, main: Coroutine[Any, Any, T]) -> T:
    """Run to the end. Time passes when nothing is left to do but to wait for a timer. There may be no threads in it."""
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(main)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__(_Selector(clock))
        self._simulated = clock

    def time(self) -> float:
        return self._simulated.monotonic()


class _Selector(selectors.DefaultSelector):
    def __init__(self, clock: SimulatedClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits, and no timer runs")
        if not ready and timeout:
            self._clock.advance(timeout)
        return ready
