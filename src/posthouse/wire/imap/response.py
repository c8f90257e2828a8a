"""Status responses: `TAG OK [CODE] text` and their untagged likes (RFC 3501 §7.1)."""

from dataclasses import dataclass
from enum import Enum

UNTAGGED = b"*"


class Condition(Enum):
    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    BYE = "BYE"


@dataclass(frozen=True, slots=True)
class Status:
    """One status response. Built with a line end, or a `/` in its text (spec/storage-and-imap.md §5), it is a ValueError."""

    condition: Condition
    text: str
    code: str = ""  # a response code without its brackets
    tag: bytes = UNTAGGED

    def __post_init__(self) -> None:
        if "/" in self.text or not self.text.isprintable() or not self.code.isprintable():
            raise ValueError(f"{self.text!r} is no text of a status response")

    def to_bytes(self) -> bytes:
        """The line with its CRLF."""
        code = f"[{self.code}] " if self.code else ""
        text = f" {self.condition.value} {code}{self.text}\r\n"
        return self.tag + text.encode("ascii", "replace")


def bad(tag: bytes, text: str) -> Status:
    """What was sent is no command."""
    return Status(Condition.BAD, text, tag=tag)


def bye(text: str) -> Status:
    """The connection ends after this line."""
    return Status(Condition.BYE, text)
