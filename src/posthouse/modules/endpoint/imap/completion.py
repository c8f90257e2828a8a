"""How commands end."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from posthouse.framework.interfaces.storage import StorageError
from posthouse.wire.imap.response import Condition, Status


@dataclass(frozen=True, slots=True)
class Completion:
    """The tagged response to a command.

    text: "" says `NAME completed`. code: a response code without its brackets. then: what to do once it is said.
    """

    condition: Condition = Condition.OK
    text: str = ""
    code: str = ""
    then: Callable[[], Awaitable[None]] | None = None

    def to_bytes(self, tag: bytes, name: str) -> bytes:
        """The line with its CRLF."""
        if self is DONE:
            return b"%b OK %b completed\r\n" % (tag, name.encode("ascii"))
        return Status(self.condition, self.text or f"{name} completed", self.code, tag).to_bytes()


DONE = Completion()


class Refused(Exception):
    """A command that cannot be done: `NO text`."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.completion = Completion(Condition.NO, text, code)


def refused_by_storage(error: StorageError) -> Completion:
    """What a failure of the storage is to the client."""
    text = "".join(c if c.isprintable() and c != "/" else " " for c in str(error))
    return Completion(Condition.NO, text, error.code)
