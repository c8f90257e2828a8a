"""The server's side of IMAP: bytes in, events out.

    engine.feed(octets)
    while (event := engine.next_event()) is not None:
        ...

Commands are parsed one at a time, when they are asked for: so each is judged in the state that the one before it has left.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import ClassVar

from posthouse.wire.imap.again import Again, FetchRun, can_come_again
from posthouse.wire.imap.append import Append, parse_append
from posthouse.wire.imap.commands import COMMANDS, Request, State, refusal
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.response import UNTAGGED, Condition, Status, bad, bye

LINE_MAX = 65_536  # octets of a command without its literals
LITERALS_MAX = 65_536  # octets of all literals of a command, the message of APPEND apart
LITERALS_MAX_BEFORE_LOGIN = 8192  # octets
DISCARD_MAX = 134_217_728  # octets of a literal that we refused but read on over: 128 MiB
DISCARD_MAX_BEFORE_LOGIN = 65_536  # octets
OVERLONG_MAX = 1_048_576  # octets of a line over LINE_MAX that we read on over, waiting for its end
TAG_MAX = 64  # octets of a tag

_HUGE = 1 << 64  # octets: stands for a literal's size that has more digits than any number
_DIGITS_MAX = 19
_MARKER_MAX = 64  # octets at the end of a line in which `{n+}` CRLF is looked for


@dataclass(frozen=True, slots=True)
class Command:
    """A command that may be sent now. name: in capitals, `UID FETCH` for one of UID's."""

    tag: bytes
    name: str
    request: Request


@dataclass(frozen=True, slots=True)
class Answer:
    """The engine's own answer, to what was no command or not in place. After BYE the connection is to be closed."""

    status: Status


@dataclass(frozen=True, slots=True)
class Continue:
    """The client waits to be told to go on: `+ text`."""

    text: str = "send literal"

    def to_bytes(self) -> bytes:
        return b"+ %b\r\n" % self.text.encode("ascii")


@dataclass(frozen=True, slots=True)
class Response:
    """The line that `expect_response` asked for, without its CRLF."""

    line: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageData:
    """The next octets of the message of an accepted APPEND."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The message is complete, and so is its command. An Answer in its place says that it is none."""


Event = Command | FetchRun | Answer | Continue | Response | MessageData | MessageEnd


class _Mode(Enum):
    __hash__ = object.__hash__  # Enum's own, by the name, takes a call

    LINE = auto()  # a line of a command
    LITERAL = auto()  # a literal that is kept
    DISCARD = auto()  # a literal that is not
    RESPONSE = auto()  # a line that is no command
    DECISION = auto()  # the endpoint says what becomes of the message
    MESSAGE = auto()  # the message of APPEND
    CLOSED = auto()


@dataclass(slots=True)
class _Partial:
    """The command that is being received."""

    parts: list[bytes] = field(default_factory=list)  # lines with CRLF, and literals
    line_octets: int = 0
    literal_octets: int = 0
    tag: bytes = UNTAGGED
    failure: Status | None = None  # what it will be answered, whatever else comes
    is_message: bool = False  # its message was announced: what follows only ends it
    is_silent: bool = False  # it was answered already


class Engine:
    """One connection. `state` is the endpoint's to set."""

    def __init__(self) -> None:
        self.state = State.NOT_AUTHENTICATED
        self._buffer = bytearray()
        self._searched = 0  # octets of the buffer known to have no LF
        self._overlong = 0  # octets dropped of the current line
        self._mode = _Mode.LINE
        self._remaining = 0  # octets of the current literal still to come
        self._message_is_sync = False
        self._command = _Partial()
        self._events: deque[Event] = deque()
        self._again: Again | None = None

    def feed(self, octets: bytes) -> None:
        """Take what the client sent."""
        if self._mode is not _Mode.CLOSED:
            self._buffer += octets

    def next_event(self) -> Event | None:
        """What the client did next, or None when more octets are needed. Never raises for what a client sent."""
        while not self._events and self._STEPS[self._mode](self):
            pass
        return self._events.popleft() if self._events else None

    def expect_response(self) -> None:
        """The next line is no command but a Response: to a challenge, or DONE."""
        self._mode = _Mode.RESPONSE

    def take_unread(self) -> bytes:
        """What was fed behind the last command, and is no text any more: it is forgotten here."""
        octets = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return octets

    def accept_message(self) -> None:
        """After an Append: its message comes as MessageData, then MessageEnd."""
        assert self._mode is _Mode.DECISION
        if self._message_is_sync:
            self._events.append(Continue())
        self._mode = _Mode.MESSAGE

    def refuse_message(self) -> None:
        """After an Append: the endpoint has answered it. What the client sends of it nevertheless is dropped."""
        assert self._mode is _Mode.DECISION
        if self._message_is_sync:
            self._end_command()
        else:
            self._command.is_silent = True
            self._command.literal_octets += self._remaining
            self._discard()

    # --- steps: each takes something from the buffer, or gives False when it needs more

    def _take_line(self) -> bool:
        command = self._command
        is_new = not command.line_octets and not self._overlong
        if is_new and self._again is not None and self._take_again(self._again):
            return True
        line = self._next_line()
        if line is None:
            return False
        if is_new:
            if _is_whole(line):
                self._events.append(self._parse(line[:-2]))
                return True
            command.tag = _tag_of(line)
        command.line_octets += len(line) + self._overlong
        self._overlong = 0
        if command.line_octets > OVERLONG_MAX:
            self._close("Line is too long")
            return True
        self._check_line(line)
        if (size := _announced(line)) is not None:
            self._begin_literal(line, size, is_sync=b"+}" not in line[-4:])
        else:
            self._keep(line)
            self._finish()
        return True

    def _take_again(self, again: Again) -> bool:
        """Commands that look like the one before."""
        run = again.take(self._buffer) if self.state is State.SELECTED else None
        if run is None:
            return False
        self._searched = 0
        self._events.append(run if len(run.tags) > 1 else Command(run.tag, run.name, run.request))
        return True

    def _take_literal(self) -> bool:
        if len(self._buffer) < self._remaining:
            return False
        self._command.parts.append(self._cut(self._remaining))
        self._mode = _Mode.LINE
        return True

    def _drop_literal(self) -> bool:
        if self._remaining and not self._buffer:
            return False
        dropped = min(self._remaining, len(self._buffer))
        del self._buffer[:dropped]
        self._remaining -= dropped
        if not self._remaining:
            self._mode = _Mode.LINE
        return True

    def _take_response(self) -> bool:
        line = self._next_line()
        if line is None:
            return False
        self._mode = _Mode.LINE
        if self._overlong or len(line) > LINE_MAX:
            self._close("Line is too long")
        else:
            self._events.append(Response(line.removesuffix(b"\r\n")))
        return True

    def _take_message(self) -> bool:
        if not self._remaining:
            self._mode = _Mode.LINE
            return True
        if not self._buffer:
            return False
        octets = self._cut(min(self._remaining, len(self._buffer)))
        self._remaining -= len(octets)
        if b"\0" in octets:
            self._fail("NUL in a literal")
        self._events.append(MessageData(octets))
        return True

    def _wait(self) -> bool:
        return False

    _STEPS: ClassVar[Mapping[_Mode, "Callable[[Engine], bool]"]] = {
        _Mode.LINE: _take_line,
        _Mode.LITERAL: _take_literal,
        _Mode.DISCARD: _drop_literal,
        _Mode.RESPONSE: _take_response,
        _Mode.DECISION: _wait,
        _Mode.MESSAGE: _take_message,
        _Mode.CLOSED: _wait,
    }

    # --- octets

    def _cut(self, length: int) -> bytes:
        with memoryview(self._buffer) as view:
            octets = bytes(view[:length])
        del self._buffer[:length]
        return octets

    def _next_line(self) -> bytes | None:
        """The next line with its LF, or the end of an overlong one, or None until it has come."""
        end = self._buffer.find(b"\n", self._searched)
        if end >= 0:
            self._searched = 0
            return self._cut(end + 1)
        self._searched = len(self._buffer)
        if self._command.line_octets + len(self._buffer) + self._overlong > LINE_MAX:
            self._drop_overlong()
        return None

    def _drop_overlong(self) -> None:
        """Keep of a line that is too long only what could announce a literal."""
        if not self._command.line_octets and not self._overlong:
            self._command.tag = _tag_of(bytes(self._buffer[: TAG_MAX + 1]))
        dropped = max(len(self._buffer) - _MARKER_MAX, 0)
        del self._buffer[:dropped]
        self._overlong += dropped
        self._searched = len(self._buffer)
        if self._command.line_octets + self._overlong + len(self._buffer) > OVERLONG_MAX:
            self._close("Line is too long")

    # --- commands

    def _check_line(self, line: bytes) -> None:
        if self._command.line_octets > LINE_MAX:
            self._fail("Command line is too long")
        elif not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            self._fail("Bare CR or LF")
        elif b"\0" in line:
            self._fail("NUL in a command")

    def _keep(self, line: bytes) -> None:
        """Nothing is gathered for a command that has failed."""
        if self._command.failure is None:
            self._command.parts.append(line)
        else:
            self._command.parts.clear()

    def _fail(self, text: str, condition: Condition = Condition.BAD, code: str = "") -> None:
        """What is wrong first is what the client hears."""
        command = self._command
        if command.failure is None:
            command.failure = Status(condition, text, code, command.tag)

    def _begin_literal(self, line: bytes, size: int, *, is_sync: bool) -> None:
        command = self._command
        self._keep(line)
        self._remaining = size
        if command.is_message:
            self._fail("Unexpected arguments")
        append = self._parse_append(size) if command.failure is None else None
        if append is not None:
            command.is_message = True
            self._message_is_sync, self._mode = is_sync, _Mode.DECISION
            self._events.append(Command(command.tag, "APPEND", append))
            return
        self._count_literal(size)
        if command.failure is None:
            self._mode = _Mode.LITERAL
            if is_sync:
                self._events.append(Continue())
        elif is_sync:
            self._finish()  # the client waits and sends nothing of it
        else:
            self._discard()

    def _parse_append(self, size: int) -> Append | None:
        """The APPEND whose message begins here, or None if it is another command or another literal."""
        if self.state is State.NOT_AUTHENTICATED:
            return None
        cursor = Cursor(b"".join(self._command.parts))
        try:
            _, name = _begin(cursor)
            return parse_append(cursor, size) if name == "APPEND" else None
        except ParseError as err:
            self._command.failure = _failed(self._command.tag, err)
            return None

    def _count_literal(self, size: int) -> None:
        command = self._command
        command.literal_octets += size
        if self.state is State.NOT_AUTHENTICATED:
            if command.literal_octets > LITERALS_MAX_BEFORE_LOGIN:
                self._fail("Literal is too large")
        elif command.literal_octets > LITERALS_MAX:
            self._fail("Literal is too large", Condition.NO, "LIMIT")

    def _discard(self) -> None:
        before_login = self.state is State.NOT_AUTHENTICATED
        if self._command.literal_octets > (DISCARD_MAX_BEFORE_LOGIN if before_login else DISCARD_MAX):
            self._close("Literal is too large")
        else:
            self._mode = _Mode.DISCARD

    def _finish(self) -> None:
        """The command has come to its end."""
        command = self._command
        if command.is_message and command.failure is None and command.parts[-1] != b"\r\n":
            self._fail("Unexpected arguments")
        if command.failure is not None and not command.is_silent:
            self._events.append(Answer(command.failure))
        elif not command.is_silent:
            self._events.append(
                MessageEnd() if command.is_message else self._parse(b"".join(command.parts)[:-2])
            )
        self._end_command()

    def _parse(self, data: bytes) -> Command | Answer:
        """data: a whole command without its last CRLF."""
        if b"\0" in data:
            return Answer(bad(_tag_of(data), "NUL in a literal"))
        cursor = Cursor(data)
        try:
            tag, name = _begin(cursor)
            syntax = COMMANDS.get(name)
            if syntax is None:
                return Answer(bad(tag, "Unknown command"))
            request = syntax.parse(cursor)
        except ParseError as err:
            return Answer(_failed(_tag_of(data), err))
        refused = refusal(syntax, self.state)
        if refused:
            return Answer(Status(Condition.NO, refused, tag=tag))
        if can_come_again(request, data):
            self._again = Again(data, name, request)
        return Command(tag, name, request)

    def _end_command(self) -> None:
        self._command = _Partial()
        self._mode = _Mode.LINE
        self._remaining = 0

    def _close(self, text: str) -> None:
        self._events.append(Answer(bye(text)))
        self._mode = _Mode.CLOSED
        self._buffer.clear()


def _begin(cursor: Cursor) -> tuple[bytes, str]:
    """Read the tag and the name. Raises ParseError."""
    tag = cursor.tag()
    if len(tag) > TAG_MAX:
        raise ParseError("Tag is too long")
    cursor.space()
    name = cursor.atom().upper()
    if name == b"UID":
        cursor.space()
        name = b"UID " + cursor.atom().upper()
    return tag, name.decode("ascii")


def _tag_of(line: bytes) -> bytes:
    """The tag that a line begins with, or `*` when it has none."""
    try:
        tag = Cursor(line).tag()
    except ParseError:
        return UNTAGGED
    return tag if len(tag) <= TAG_MAX and line[len(tag) : len(tag) + 1] == b" " else UNTAGGED


def _is_whole(line: bytes) -> bool:
    """Whether a line is a command without literals, and has nothing that none may have."""
    return (
        line.endswith(b"\r\n")
        and line.find(b"\r") == len(line) - 2
        and line[-3:-2] != b"}"
        and b"\0" not in line
        and len(line) <= LINE_MAX
    )


def _failed(tag: bytes, err: ParseError) -> Status:
    return Status(Condition.NO if err.code else Condition.BAD, str(err), err.code, tag)


def _announced(line: bytes) -> int | None:
    """The size of the literal that this line announces at its end, or None."""
    if not line.endswith((b"}\r\n", b"}\n")):
        return None
    tail = line[-_MARKER_MAX:]
    _, brace, digits = tail[: tail.rindex(b"}")].removesuffix(b"+").rpartition(b"{")
    if not digits.isdigit() or not (brace or len(line) > len(tail)):
        return None
    return int(digits) if len(digits) <= _DIGITS_MAX else _HUGE
