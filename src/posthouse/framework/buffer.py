"""Bodies of messages: in memory while small, in a spool file when large."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

CHUNK = 262_144  # octets read at a time from a spool file


class Body(Protocol):
    """What follows the header of a message. Immutable; valid until the message ends."""

    @property
    def size(self) -> int:
        """Octets."""
        ...

    @property
    def path(self) -> Path | None:
        """The spool file, or None when the body is in memory."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The body from its beginning. Reads a spooled body from disk: not on the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryBody:
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def path(self) -> None:
        return None

    def chunks(self) -> Iterator[bytes]:
        yield self.data


@dataclass(frozen=True, slots=True)
class FileBody:
    """A body in a spool file that somebody else removes, or that a target takes over by renaming it."""

    path: Path
    size: int

    def chunks(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
