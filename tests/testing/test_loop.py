import asyncio

import pytest

from posthouse.testing.loop import run_simulated
from posthouse.testing.world import SimulatedClock


def test_hours_pass_as_soon_as_there_is_nothing_else_to_do() -> None:
    clock = SimulatedClock()
    began = clock.monotonic()

    async def main() -> tuple[float, ...]:
        async def sleep(seconds: float) -> float:
            await asyncio.sleep(seconds)
            return round(clock.monotonic() - began, 3)

        return await asyncio.gather(sleep(7200), sleep(0), sleep(3600))

    assert list(run_simulated(clock, main())) == [7200, 0, 3600]


def test_waiting_for_what_never_comes_is_an_error() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="everything waits, and no timer runs"):
        run_simulated(SimulatedClock(), main())
