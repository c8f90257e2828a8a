r"""Dialogues: conversations between a client and an SMTP server, as text, to which the server must hold word by word.

    # What a reader should know.
    | max_recipients 1           a directive of the endpoint
    % submission                 how the endpoint and its target are, see `Setting`
    S: 220 mx.example.org ESMTP Service Ready
    C: EHLO client.example       a line, with CRLF; what the client says without hearing goes out together
    C> MAIL\nNOOP\r\n            octets as they are, with the escapes \r \n \t \0 \\ \xNN
    C* 5000 x                    a text, so many times
    S: 550 5.1.1 No such user (msg ID = {id})
    * tls                        the client makes a TLS handshake
    * eof                        the client sends no more
    * stop                       the server stops
    * closed                     the server has closed the connection

`{word}` in a line of the server stands for a message ID, and for the same one wherever the word comes again. At its end
everything has been said: an answer that the dialogue does not have is a failure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posthouse.core.errors import MailError
from posthouse.modules.endpoint.smtp import LmtpEndpoint, SmtpEndpoint, SubmissionEndpoint
from posthouse.testing.target import KeptTarget
from posthouse.wire.smtp.reply import Reply

_ID = re.compile(r"\\\{(\w+)\\\}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))")
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


@dataclass(frozen=True, slots=True)
class Say:
    """The client sends octets."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Hear:
    """The server sends a line."""

    line: str


@dataclass(frozen=True, slots=True)
class Do:
    """Something else happens: "tls", "eof", "stop", "closed"."""

    what: str


Step = Say | Hear | Do


@dataclass(slots=True)
class Setting:
    """How things are before the first word, as `%` lines say.

    % submission, % lmtp                the endpoint is one of submission, or of LMTP
    % tls                               the connection is encrypted from its beginning
    % users, % users away               ann@example.org has the password `secret`; or nobody can tell
    % refuse ADDRESS CODE ENHANCED TEXT the target refuses a recipient
    % fail for ADDRESS CODE ENHANCED TEXT  the target refuses the message for a recipient
    % fail STEP CODE ENHANCED TEXT      the target refuses at "start", "body" or "commit"
    % crash STEP                        the target has a bug there
    % socket                            the dialogue is about more than the engine
    """

    directives: list[str] = field(default_factory=list)
    kind: type[SmtpEndpoint] = SmtpEndpoint
    is_tls: bool = False
    has_users: bool = False
    users_are_away: bool = False
    target: KeptTarget = field(default_factory=KeptTarget)
    needs_endpoint: bool = False

    @property
    def block(self) -> str:
        """The directives of the endpoint."""
        return "\n".join(self.directives)

    def add(self, words: list[str]) -> None:
        """Take a `%` line."""
        match words:
            case ["tls"]:
                self.is_tls = True
            case ["users"]:
                self.has_users = True
                return
            case ["users", "away"]:
                self.has_users = self.users_are_away = True
            case ["submission"]:
                self.kind = SubmissionEndpoint
            case ["lmtp"]:
                self.kind = LmtpEndpoint
                return
            case ["fail", "for", address, *reply]:
                self.target.failing_for[address] = MailError(_reply(reply))
            case ["refuse", address, *reply]:
                self.target.refused[address] = MailError(_reply(reply))
            case ["fail", step, *reply]:
                self.target.failing[step] = MailError(_reply(reply))
            case ["crash", step]:
                self.target.failing[step] = RuntimeError("a bug")
            case ["socket"]:
                pass
            case _:
                raise ValueError(f"% {' '.join(words)}: nobody knows what this is")
        self.needs_endpoint = self.needs_endpoint or words != ["tls"]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation, read from its text."""

    name: str
    setting: Setting
    steps: tuple[Step, ...]


def read_dialogue(path: Path) -> Dialogue:
    """Raises ValueError for a line that is none of a dialogue."""
    setting = Setting()
    steps: list[Step] = []
    for line in path.read_text().splitlines():
        kind, _, text = line.partition(" ")
        match kind:
            case "" | "#":
                continue
            case "|":
                setting.directives.append(text)
            case "%":
                setting.add(text.split())
            case _:
                steps.append(_step(kind, text))
    return Dialogue(path.stem, setting, tuple(steps))


def _step(kind: str, text: str) -> Step:
    match kind:
        case "C:":
            return Say(text.encode() + b"\r\n")
        case "C>":
            return Say(_unescaped(text))
        case "C*":
            count, _, piece = text.partition(" ")
            return Say(_unescaped(piece) * int(count))
        case "S:":
            return Hear(text)
        case "*":
            return Do(text)
    raise ValueError(f"{kind} {text}: no line of a dialogue")


def _unescaped(text: str) -> bytes:
    pieces, at = [], 0
    for escape in _ESCAPE.finditer(text):
        pieces.append(text[at : escape.start()].encode())
        pieces.append(bytes([int(escape[1], 16)]) if escape[1] else _ESCAPES[escape[2]])
        at = escape.end()
    return b"".join([*pieces, text[at:].encode()])


def _reply(words: Sequence[str]) -> Reply:
    first, second, third = (int(digit) for digit in words[1].split("."))
    return Reply(int(words[0]), (first, second, third), " ".join(words[2:]))


class Heard:
    """What the server said so far, and whether it was expected."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._ids: dict[str, str] = {}

    def expect(self, wanted: str, said: str) -> None:
        """Fails the test when the line is another one. IDs are remembered by their word."""
        self._lines.append(said)
        words = _ID.findall(re.escape(wanted))
        pattern = _ID.sub(self._pattern, re.escape(wanted))
        found = re.fullmatch(pattern, said)
        story = "\n".join(self._lines)
        assert found is not None, f"wanted: {wanted}\nafter:\n{story}"
        self._ids |= {word: found[word] for word in words if word not in self._ids}

    def _pattern(self, word: "re.Match[str]") -> str:
        known = self._ids.get(word[1])
        return re.escape(known) if known else f"(?P<{word[1]}>[0-9a-f]{{8}})"
