"""Programs of regular expressions: what they consist of, and how they run, in time linear to the text.

A program is a list of steps. A thread of it goes from step to step, over the text at the same time; where it can go two ways, the
second one is tried if the first one fails. No step is ever tried twice at the same place: it would fail again, for there
are no references back. So a program takes at most len(program) * len(text) steps, and finds what a search that
backtracks would find (Cox, Regular Expression Matching: the Virtual Machine Approach, 2009).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

NO_MATCH: Final = -1  # the place of a group that took no part


@dataclass(frozen=True, slots=True)
class Char:
    """One character of a class."""

    ascii: frozenset[str]
    beyond: "re.Pattern[str]"  # the same class, for all others
    only: str  # the one character that it consists of, or ""

    @classmethod
    def of(cls, pattern: "re.Pattern[str]", only: str = "") -> "Char":
        return cls(frozenset(c for c in map(chr, range(128)) if pattern.match(c)), pattern, only)


@dataclass(frozen=True, slots=True)
class Holds:
    """Nothing is taken, but this must hold at the place."""

    test: Callable[[str, int], object]


@dataclass(frozen=True, slots=True)
class Split:
    """Go on at `first`, and if that fails at `second`: steps from here."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Save:
    """Remember the place: 2n is where group n begins, 2n + 1 where it ends."""

    slot: int


Step = Char | Holds | Split | Save
Steps = list[Step]


def at_begin(text: str, place: int) -> bool:
    return place == 0


BEGIN: Final = Holds(at_begin)


def either(one: Steps, other: Steps) -> Steps:
    return [Split(1, len(one) + 2), *one, _jump(len(other) + 1), *other]


def optional(steps: Steps, *, greedy: bool) -> Steps:
    return [_split(1, len(steps) + 1, greedy=greedy), *steps]


def any_number(steps: Steps, *, greedy: bool) -> Steps:
    return [_split(1, len(steps) + 2, greedy=greedy), *steps, _jump(-len(steps) - 1)]


def group(number: int, steps: Steps) -> Steps:
    return [Save(2 * number), *steps, Save(2 * number + 1)]


def _jump(offset: int) -> Split:
    return Split(offset, offset)


def _split(inside: int, outside: int, *, greedy: bool) -> Split:
    return Split(inside, outside) if greedy else Split(outside, inside)


@dataclass(frozen=True, slots=True)
class Program:
    """The steps of group 0; whoever comes to their end has found it."""

    steps: Sequence[Step]
    groups: int  # group 0 among them
    _needed: Sequence[str] = field(init=False)  # characters without which no text matches

    def __post_init__(self) -> None:
        object.__setattr__(self, "_needed", _needed(self.steps))

    def search(self, text: str) -> Sequence[int] | None:
        """Where the groups begin and end in the first match, or None."""
        for char in self._needed:
            if char not in text:
                return None
        tried = bytearray(len(self.steps) * (len(text) + 1))
        last = 0 if self.steps[1] == BEGIN else len(text)
        for start in range(last + 1):
            if found := self._match(text, start, tried):
                return found
        return None

    def _match(self, text: str, start: int, tried: bytearray) -> Sequence[int] | None:
        steps, end, width = self.steps, len(text), len(text) + 1
        saved = [NO_MATCH] * (2 * self.groups)
        waiting = [(0, start)]  # what to try next; (-1 - slot, place): what to remember again
        while waiting:
            at, place = waiting.pop()
            if at < 0:
                saved[-1 - at] = place
                continue
            while not tried[at * width + place]:
                tried[at * width + place] = True
                step = steps[at]
                if isinstance(step, Char):
                    if place == end:
                        break
                    char = text[place]
                    if char not in step.ascii and (char < "\x80" or not step.beyond.match(char)):
                        break
                    at += 1
                    place += 1
                elif isinstance(step, Split):
                    if step.second != step.first:
                        waiting.append((at + step.second, place))
                    at += step.first
                elif isinstance(step, Save):
                    waiting.append((-1 - step.slot, saved[step.slot]))
                    saved[step.slot] = place
                    at += 1
                    if at == len(steps):
                        return saved
                elif step.test(text, place):
                    at += 1
                else:
                    break
        return None


def _needed(steps: Sequence[Step]) -> list[str]:
    """Characters that every way through the program takes: without them a text need not be tried."""
    chars = {step.only for step in steps if isinstance(step, Char) and step.only}
    return [char for char in sorted(chars) if not _can_do_without(steps, char)]


def _can_do_without(steps: Sequence[Step], char: str) -> bool:
    seen: set[int] = set()
    waiting = [0]
    while waiting:
        at = waiting.pop()
        if at == len(steps):
            return True
        step = steps[at]
        if at in seen or (isinstance(step, Char) and step.only == char):
            continue
        seen.add(at)
        waiting += [at + step.first, at + step.second] if isinstance(step, Split) else [at + 1]
    return False
