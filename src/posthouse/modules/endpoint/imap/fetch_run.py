"""FETCH commands that came together, each for sections of one message: they are answered in one go, as if one by one."""

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.output import Output
from posthouse.wire.imap.again import FetchRun


class Answers:
    """The tagged responses to a run, but for the last: each is written behind that of its message.

    Without a run it is one FETCH, of any messages.
    """

    __slots__ = ("_answered", "_done", "_failed", "_last", "_out", "_run")

    def __init__(self, out: Output, run: FetchRun | None = None) -> None:
        self._out = out
        self._run = run
        self._answered = 0
        self._last = len(run.tags) - 1 if run is not None else 0
        self._done = DONE.to_bytes(b"", run.name) if run is not None else b""
        self._failed: dict[int, Completion] = {}

    def before(self, number: int) -> None:
        """The message of this number, or UID, is next: all that were to come before it have come."""
        while self._answered < self._last and self._number < number:
            self._answer(DONE)

    def fail(self, number: int, completion: Completion) -> None:
        """The message of this number, or UID, cannot be read."""
        self._failed[number if self._run is not None else 0] = completion

    def end(self, completion: Completion = DONE) -> Completion:
        """Nothing more comes. completion: of all that still wait. Gives that of the last command."""
        while self._answered < self._last:
            self._answer(completion)
        return self._failed.get(self._number, completion)

    @property
    def _number(self) -> int:
        """What the next command to be answered is about."""
        return self._run.numbers[self._answered] if self._run is not None else 0

    def _answer(self, completion: Completion) -> None:
        assert self._run is not None
        tag = self._run.tags[self._answered]
        completion = self._failed.get(self._number, completion)
        self._out.write(tag + self._done if completion is DONE else completion.to_bytes(tag, self._run.name))
        self._answered += 1
