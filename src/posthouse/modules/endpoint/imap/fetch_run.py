"""FETCH commands that came together, each for a section of one message: they are answered in one go, as if one by one."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeGuard

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.output import Output
from posthouse.wire.imap.engine import Command, Event
from posthouse.wire.imap.fetch import Fetch, Section
from posthouse.wire.imap.sequence import SequenceSet

RUN_MAX = 32  # commands


def begins_run(command: Command) -> bool:
    """Whether others may follow that are answered together with this one."""
    request = command.request
    if not isinstance(request, Fetch) or not request.single:
        return False
    return any(isinstance(item, Section) for item in request.items)


def follows(event: Event | None, before: Command) -> TypeGuard[Command]:
    """Whether this asks for the same as a command of the run, of a later message."""
    if not isinstance(event, Command) or not isinstance(event.request, Fetch) or event.name != before.name:
        return False
    first, second = before.request, event.request
    return isinstance(first, Fetch) and second.items == first.items and first.single < second.single


def together(commands: Sequence[Command]) -> Fetch:
    """All that the commands of a run ask for."""
    requests = [command.request for command in commands if isinstance(command.request, Fetch)]
    ranges = [request.messages.ranges[0] for request in requests]
    return replace(requests[0], messages=SequenceSet(tuple(ranges)))


class Answers:
    """The tagged responses to the commands of a run, but for the last: each is written behind that of its message.

    Without commands it is one FETCH, of any messages.
    """

    __slots__ = ("_failed", "_out", "_waiting", "is_run")

    def __init__(self, out: Output, commands: Sequence[Command] = ()) -> None:
        self._out = out
        self.is_run = bool(commands)
        self._waiting = deque(commands)
        self._failed: dict[int, Completion] = {}

    def before(self, number: int) -> None:
        """The message of this number, or UID, is next: all that were to come before it have come."""
        while len(self._waiting) > 1 and _number(self._waiting[0]) < number:
            self._answer(DONE)

    def fail(self, number: int, completion: Completion) -> None:
        """The message of this number, or UID, cannot be read."""
        self._failed[number if self.is_run else 0] = completion

    def end(self, completion: Completion = DONE) -> Completion:
        """Nothing more comes. completion: of all that still wait. Gives that of the last command."""
        while len(self._waiting) > 1:
            self._answer(completion)
        last = _number(self._waiting[0]) if self.is_run else 0
        return self._failed.get(last, completion)

    def _answer(self, completion: Completion) -> None:
        command = self._waiting.popleft()
        completion = self._failed.get(_number(command), completion)
        self._out.write(completion.to_bytes(command.tag, command.name))


def _number(command: Command) -> int:
    assert isinstance(command.request, Fetch)
    return command.request.single
