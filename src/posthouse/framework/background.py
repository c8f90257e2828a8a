"""What goes on for a message while the message itself goes on, and never longer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from posthouse.core.events import MessageLog
from posthouse.core.log import trace_of

T = TypeVar("T")


class Background(Generic[T]):
    """A look-up that was begun before its answer is needed. Whoever makes one calls `end`."""

    __slots__ = ("_is_heard", "_task")

    def __init__(self, work: Coroutine[Any, Any, T], name: str) -> None:  # Any: nobody sends to it
        self._task = asyncio.create_task(work, name=name)
        self._is_heard = False

    async def result(self) -> T:
        """What came of it, once it is done. Raises what it raised."""
        self._is_heard = True
        return await self._task

    async def end(self, log: MessageLog) -> None:
        """Give it up if it is not done; a crash that nobody has heard of is logged."""
        self._task.cancel()
        await asyncio.wait((self._task,))
        error = None if self._task.cancelled() else self._task.exception()
        if error is not None and not self._is_heard:
            log.error("a task in the background failed", error, trace=trace_of(error))
