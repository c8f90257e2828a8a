"""The syntax of regular expressions (RE2's), read into a program."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from posthouse.modules.table.regexp.program import (
    BEGIN,
    Char,
    Holds,
    Program,
    Step,
    Steps,
    any_number,
    either,
    group,
    optional,
)

PATTERN_MAX: Final = 1000  # characters
STEPS_MAX: Final = 1000  # of a program
DEPTH_MAX: Final = 50  # groups in groups
REPEAT_MAX: Final = 1000  # as in RE2
UNICODE_MAX: Final = 0x10FFFF

# Classes are ASCII, as in RE2, and written as the inside of [...].
_PERL: Final = {
    "d": "0-9",
    "D": "\0-/:-\U0010ffff",
    "s": "\t\n\f\r ",
    "S": "\0-\x08\x0b\x0e-\x1f!-\U0010ffff",
    "w": "0-9A-Za-z_",
    "W": "\0-/:-@\\[-\\^`{-\U0010ffff",
}
_POSIX: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": "\0-\x7f",
    "blank": "\t ",
    "cntrl": "\0-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_CONTROLS: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PLACES: Final = {"A": r"\A", "z": r"\Z", "b": r"\b", "B": r"\B"}
_REPEAT: Final = re.compile(r"\{(\d+)(?:(,)(\d*))?\}", re.ASCII)
_NUMBER: Final = re.compile(r"x\{([0-9a-fA-F]{1,6})\}|x([0-9a-fA-F]{2})|(0[0-7]{0,2}|[1-7][0-7]{2})")
_NAME: Final = re.compile(r"P?<(\w{1,100})>", re.ASCII)
_FLAGS: Final = re.compile(r"([imsU]*)(?:-([imsU]+))?([:)])")
_CLASS_NAME: Final = re.compile(r"\[:(\^?)(\w+):\]", re.ASCII)


def compile_pattern(pattern: str, *, ignore_case: bool) -> tuple[Program, Mapping[str, int]]:
    """The program of a pattern, and its groups by name. Raises ValueError."""
    if len(pattern) > PATTERN_MAX:
        raise ValueError(f"the regular expression has more than {PATTERN_MAX} characters")
    parser = _Parser(pattern, ignore_case=ignore_case)
    steps = group(0, parser.alternatives(0))
    if not parser.is_at_end:
        raise parser.error("unexpected )")
    return Program(steps, parser.groups), parser.names


class _Parser:
    """Reads a pattern from left to right; each method reads one thing."""

    def __init__(self, pattern: str, *, ignore_case: bool) -> None:
        self._pattern = pattern
        self._at = 0
        self._flags = frozenset("i" if ignore_case else "")
        self.groups = 1
        self.names: dict[str, int] = {}

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._pattern)

    def error(self, what: str) -> ValueError:
        return ValueError(f"invalid regular expression, at character {self._at + 1}: {what}")

    def alternatives(self, depth: int) -> Steps:
        """Up to the end of the group."""
        if depth > DEPTH_MAX:
            raise self.error("too many groups in groups")
        found = [self._sequence(depth)]
        while self._take("|"):
            found.append(self._sequence(depth))
        steps = found.pop()
        while found:
            steps = self._bounded(either(found.pop(), steps))
        return steps

    def _sequence(self, depth: int) -> Steps:
        steps: Steps = []
        while not self.is_at_end and self._pattern[self._at] not in "|)":
            steps = self._bounded(steps + self._repeated(self._item(depth)))
        return steps

    def _bounded(self, steps: Steps) -> Steps:
        if len(steps) > STEPS_MAX:
            raise self.error("it is too large")
        return steps

    def _repeated(self, steps: Steps) -> Steps:
        """What comes before `*`, `+`, `?` or `{n,m}`, as often as they say."""
        bounds = self._bounds()
        if bounds is None:
            return steps
        greedy = self._take("?") == ("U" in self._flags)
        if self._at_repetition():
            raise self.error("a repetition of a repetition")
        least, most = bounds
        if max(least, most or 0) * len(steps) > STEPS_MAX:
            raise self.error("it is too large")
        rest: Steps = [] if most is not None else any_number(steps, greedy=greedy)
        for _ in range((most or least) - least):
            rest = optional(steps + rest, greedy=greedy)
        return steps * least + rest

    def _bounds(self) -> tuple[int, int | None] | None:
        """The least and most of a repetition; None for the most is any number."""
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}.get(self._pattern[self._at : self._at + 1])
        if simple is not None:
            self._at += 1
            return simple
        match = _REPEAT.match(self._pattern, self._at)
        if match is None:
            return None
        least = int(match[1])
        most = None if match[2] and not match[3] else int(match[3] or least)
        if max(least, most or 0) > REPEAT_MAX or (most is not None and most < least):
            raise self.error("invalid repetition")
        self._at = match.end()
        return least, most

    def _at_repetition(self) -> bool:
        return self._pattern[self._at : self._at + 1] in {"*", "+", "?"} or bool(
            _REPEAT.match(self._pattern, self._at)
        )

    def _item(self, depth: int) -> Steps:
        char = self._pattern[self._at]
        if self._at_repetition():
            raise self.error("nothing to repeat")
        self._at += 1
        if char == "(":
            return self._group(depth)
        if char == "[":
            return [self._char(self._class())]
        if char == "\\":
            return [self._escaped()]
        if char == ".":
            return [self._char("[^\n]" if "s" not in self._flags else "[\0-\U0010ffff]")]
        if char == "^":
            return [self._place(r"^", re.MULTILINE) if "m" in self._flags else BEGIN]
        if char == "$":
            return [self._place(r"$", re.MULTILINE) if "m" in self._flags else self._place(r"\Z")]
        return [self._char(re.escape(char), char)]

    def _group(self, depth: int) -> Steps:
        outside = self._flags
        number = 0
        if not self._take("?"):
            number = self._new_group()
        elif (name := _NAME.match(self._pattern, self._at)) is not None:
            self._at = name.end()
            number = self._new_group()
            if self.names.setdefault(name[1], number) != number:
                raise self.error(f"a second group {name[1]}")
        elif not self._set_flags():
            return []
        steps = self.alternatives(depth + 1)
        if not self._take(")"):
            raise self.error("missing )")
        self._flags = outside
        return group(number, steps) if number else steps

    def _new_group(self) -> int:
        self.groups += 1
        return self.groups - 1

    def _set_flags(self) -> bool:
        """`i-s:` of a group or `i-s)`; whether a group follows."""
        match = _FLAGS.match(self._pattern, self._at)
        if match is None or match[0] == ")":
            raise self.error("unknown or unsupported kind of group")
        self._at = match.end()
        self._flags = (self._flags | frozenset(match[1])) - frozenset(match[2] or "")
        return match[3] == ":"

    def _escaped(self) -> Step:
        letter = self._pattern[self._at : self._at + 1]
        if letter in _PLACES and letter:
            self._at += 1
            return self._place(_PLACES[letter], re.ASCII)
        inside = self._escape()
        return self._char(f"[{inside}]", inside.removeprefix("\\"))

    def _escape(self) -> str:
        """What follows a backslash and stands for characters, as the inside of a class."""
        letter = self._pattern[self._at : self._at + 1]
        number = _NUMBER.match(self._pattern, self._at)
        if number is not None:
            self._at = number.end()
            code = int(number[3], 8) if number[3] else int(number[1] or number[2], 16)
            if code > UNICODE_MAX:
                raise self.error("no such character")
            return re.escape(chr(code))
        if letter in _PERL:
            self._at += 1
            return _PERL[letter]
        if letter in _CONTROLS or (letter.isascii() and letter.isprintable() and not letter.isalnum()):
            self._at += len(letter)
            if letter:
                return re.escape(_CONTROLS.get(letter, letter))
        raise self.error(f"unknown or unsupported escape \\{letter}")

    def _class(self) -> str:
        """The rest of [...]."""
        negated = "^" if self._take("^") else ""
        inside = ""
        while not inside or not self._take("]"):
            inside += self._class_part()
        return f"[{negated}{inside}]"

    def _class_part(self) -> str:
        """A character, a range, or a class in the class."""
        named = _CLASS_NAME.match(self._pattern, self._at)
        if named is not None:
            self._at = named.end()
            if named[2] not in _POSIX:
                raise self.error(f"unknown class {named[0]}")
            return _POSIX[named[2]] if not named[1] else _without(_POSIX[named[2]])
        low = self._class_char()
        is_range = (
            self._pattern[self._at : self._at + 1] == "-" != self._pattern[self._at + 1 : self._at + 2] != "]"
        )
        if not is_range:
            return low
        self._at += 1
        high = self._class_char()
        if len(low.removeprefix("\\")) != 1 or len(high.removeprefix("\\")) != 1 or low[-1] > high[-1]:
            raise self.error("invalid range")
        return f"{low}-{high}"

    def _class_char(self) -> str:
        if self.is_at_end:
            raise self.error("missing ]")
        char = self._pattern[self._at]
        self._at += 1
        return self._escape() if char == "\\" else re.escape(char)

    def _char(self, pattern: str, literal: str = "") -> Char:
        """literal: the character that the pattern stands for, if it is one."""
        if "i" not in self._flags:
            return Char.of(re.compile(pattern), literal if len(literal) == 1 else "")
        caseless = len(literal) == 1 and literal.isascii() and not literal.isalpha()
        return Char.of(re.compile(pattern, re.IGNORECASE), literal if caseless else "")

    def _place(self, pattern: str, flags: int = 0) -> Holds:
        test: Callable[[str, int], object] = re.compile(pattern, flags).match
        return Holds(test)

    def _take(self, char: str) -> bool:
        """Go over this character, if it comes next."""
        if self.is_at_end or self._pattern[self._at] != char:
            return False
        self._at += 1
        return True


def _without(inside: str) -> str:
    """The inside of a class that has every character but these."""
    known = re.compile(f"[{inside}]")
    return "".join(re.escape(c) for c in map(chr, range(128)) if not known.match(c)) + "\x80-\U0010ffff"
