"""Units that wait to be written, and the next batch of them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

from posthouse.db.batch import Job
from posthouse.db.units import UNIT_ROWS_MAX, Unit

BATCH_UNITS: Final = 512
BATCH_OCTETS: Final = 4 * 1024 * 1024  # of bodies: a sync of more takes longer than others should wait


class Waiting(Job):
    """A job with somebody who waits for it on the event loop."""

    __slots__ = ("answered", "given_up", "running", "since", "size", "woken")

    def __init__(self, unit: Unit[Any], woken: "asyncio.Future[None]", since: float) -> None:
        super().__init__(unit)
        self.size = sum([len(body.octets) for body in self.bodies])  # octets for the blob log
        self.woken = woken
        self.answered = False
        self.since = since  # on the event loop's clock
        self.running = False  # this and the next under the writer's mutex
        self.given_up = False

    def answer(self) -> None:
        """On the loop: wake the waiter, once; `result` or `error` is there."""
        self.answered = True
        if not self.woken.done():
            self.woken.set_result(None)


@dataclass(slots=True)
class WaitingUnits:
    """What the writer's thread has taken in, in order; work that gives way apart."""

    urgent: deque[Waiting] = field(default_factory=deque)
    bulk: deque[Waiting] = field(default_factory=deque)

    def add(self, job: Waiting) -> None:
        (self.bulk if job.unit.gives_way else self.urgent).append(job)

    def batch(self) -> list[Waiting]:
        """The next batch: at least one unit if any waits, and about one long unit's worth of bulk work beside others."""
        taken: list[Waiting] = []
        octets = rows = 0
        while self.urgent and len(taken) < BATCH_UNITS:
            octets += self.urgent[0].size
            if taken and octets > BATCH_OCTETS:
                break
            taken.append(self.urgent.popleft())
        while self.bulk and (rows == 0 or rows + self.bulk[0].unit.rows <= UNIT_ROWS_MAX):
            rows += self.bulk[0].unit.rows
            taken.append(self.bulk.popleft())
        return taken

    def __bool__(self) -> bool:
        return bool(self.urgent or self.bulk)
