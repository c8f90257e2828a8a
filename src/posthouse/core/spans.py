"""Spans: which stage on the way of a message took how long, for a trace viewer. Not why it goes there: that is `pipeline.trace`.

Off unless `trace_file` is configured. Who wants a stage to be seen asks `is_on`, or `within`, which does; modules are not asked to
(`app.timed_modules` stands around them). Events are those of Chrome's trace event format, one JSON object each.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from itertools import count
from time import monotonic_ns
from types import TracebackType
from typing import Any, Final, TypeVar

import msgspec

from posthouse.core.log import error_fields

LANES: Final = 64  # tids of one track; what more tasks do at the same time is drawn on the last of them
TEXT_MAX: Final = 200  # characters of a field's value
_TID_MAX: Final = 2**31  # viewers take no larger ones

T = TypeVar("T")
Sink = Callable[[bytes], None]  # takes an event; never blocks or raises

is_on = False
_pid = 0
_sink: Sink = lambda event: None  # noqa: E731 - replaced by `start`


def start(sink: Sink) -> None:
    """Record spans from now on, whatever was begun before."""
    global is_on, _pid, _sink
    is_on, _pid, _sink = True, os.getpid(), sink


def stop() -> None:
    """Record no more; spans that are open come to nothing, and nothing works for a session any more."""
    global is_on, _sink
    is_on, _sink = False, lambda event: None
    _current.set(None)


class _Event(msgspec.Struct, omit_defaults=True):
    """See the trace event format. ts, dur: microseconds of the monotonic clock."""

    name: str
    pid: int
    tid: int
    args: Mapping[str, object]
    ph: str = ""
    ts: float = 0
    dur: float = -1
    s: str = ""


_encode: Final = msgspec.json.Encoder(enc_hook=str).encode


class _Lane:
    """A line of a viewer: spans on it lie within each other or one after the other. task: whose spans these are, while there are any."""

    __slots__ = ("depth", "task", "tid")

    def __init__(self, tid: int) -> None:
        self.tid = tid
        self.task: object = None
        self.depth = 0


_tracks: Final = count(1)


class Track:
    """What happens to one message, in one session or thread. Tasks that work for it at the same time have a lane each.

    label: how viewers call it. fields: stand in each of its events.
    """

    __slots__ = ("_busy", "_fields", "_free", "_lanes", "_number", "label")

    def __init__(self, label: str, **fields: object) -> None:
        self.label = label
        self._fields = fields
        self._number = next(_tracks)
        self._lanes = 0
        self._free: list[_Lane] = []
        self._busy: dict[object, _Lane] = {}  # by task

    def span(self, name: str, **fields: object) -> "Span | nullcontext[None]":
        """A span, to be used with `with`."""
        return Span(self, name, fields) if is_on else NOTHING

    def enter(self) -> _Lane:
        """Where the running task draws its next span; to be given back by `leave`."""
        task = _running_task()
        lane = self._busy.get(task)
        if lane is None:
            lane = self._busy[task] = self._free.pop() if self._free else self._new_lane()
            lane.task = task
        lane.depth += 1
        return lane

    def leave(self, lane: _Lane) -> None:
        lane.depth -= 1
        if not lane.depth:
            del self._busy[lane.task]
            lane.task = None
            self._free.append(lane)

    def write(self, lane: _Lane, name: str, began: int, ended: int, fields: Mapping[str, object]) -> None:
        """Record a span. began, ended: nanoseconds."""
        args = {key: _shown(value) for key, value in {**self._fields, **fields}.items()}
        _sink(_encode(_Event(name, _pid, lane.tid, args, "X", began / 1000, (ended - began) / 1000)))

    def _new_lane(self) -> _Lane:
        number = min(self._lanes, LANES - 1)
        self._lanes += 1
        lane = _Lane((self._number * LANES + number) % _TID_MAX)
        label = f"{self.label} ({number + 1})" if number else self.label
        _sink(_encode(_Event("thread_name", _pid, lane.tid, {"name": label}, "M")))
        return lane


class Span:
    """One stage. What it ends with is its outcome: nothing is said of a good one."""

    __slots__ = ("_began", "_fields", "_lane", "_name", "_track")

    def __init__(self, track: Track, name: str, fields: Mapping[str, object]) -> None:
        self._track = track
        self._name = name
        self._fields = fields

    def __enter__(self) -> None:
        self._lane = self._track.enter()
        self._began = monotonic_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = monotonic_ns()
        self._track.leave(self._lane)
        fields = self._fields if error is None else {**self._fields, **_outcome(error)}
        self._track.write(self._lane, self._name, self._began, ended, fields)


NOTHING: Final[nullcontext[None]] = nullcontext()  # in place of a span, while nobody wants to see it

_current: Final[ContextVar[Track | None]] = ContextVar("track", default=None)


def span(name: str, **fields: object) -> "Span | nullcontext[None]":
    """A span of the message or session that the running task works for; NOTHING where it works for none."""
    track = _current.get()
    return NOTHING if track is None else track.span(name, **fields)


def within(name: str, step: Awaitable[T]) -> Awaitable[T]:
    """A step, as a span while spans are recorded: `await within("rDNS fetch", resolver.names(ip))`."""
    return _within(name, step) if is_on else step


async def _within(name: str, step: Awaitable[T]) -> T:
    with span(name):
        return await step


def enter_session(client: str) -> None:
    """The running task, and what it begins from now on, works for this session. client: IP:PORT, as in the log."""
    label = f"session {client}"
    track = _current.get()
    if track is None or track.label != label:
        _current.set(Track(label, session=client))


class MessageSpans:
    """A message on its way: a task that lasts from now on until `end`, and the tasks within it.

    error: why the message was refused. is_done: nobody has given it up.
    """

    __slots__ = ("_track", "_whole", "error", "is_done")

    def __init__(self, task: str, message_id: str, **fields: object) -> None:
        self.error: BaseException | None = None
        self.is_done = False
        self._track = Track(f"message {message_id}", msg_id=message_id)
        self._whole = Span(self._track, task, fields)
        self._whole.__enter__()

    async def around(self, name: str, step: Awaitable[T]) -> T:
        """A step as a task of the message; spans within it are the message's."""
        before = _current.set(self._track)
        try:
            with self._track.span(name):
                return await step
        finally:
            _current.reset(before)

    def end(self) -> None:
        """To be called once."""
        error = self.error if self.is_done else asyncio.CancelledError()
        self._whole.__exit__(None if error is None else type(error), error, None)


def _running_task() -> "asyncio.Task[Any] | None":  # Any: whatever it gives
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread without event loop
        return None


def _outcome(error: BaseException) -> Mapping[str, object]:
    if isinstance(error, asyncio.CancelledError):
        return {"outcome": "cancelled"}
    return {"outcome": "failed", "reason": error_fields(error)["reason"]}


def _shown(value: object) -> object:
    """A value as JSON can have it: bounded, without lone surrogates."""
    if isinstance(value, int) or (isinstance(value, str) and value.isascii() and len(value) <= TEXT_MAX):
        return value
    return str(value)[:TEXT_MAX].encode("utf-8", "backslashreplace").decode()
