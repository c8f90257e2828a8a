"""Small files of the system that are read again when they change."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from posthouse.core.world import Clock

CHECK_INTERVAL: Final = 5.0  # seconds between looks at a file
_NO_FILE: Final = (-1, -1)

T = TypeVar("T")


class WatchedFile(Generic[T]):
    """What a text file says. One that is missing or cannot be read is empty."""

    def __init__(self, path: Path, parse: Callable[[str], T], clock: Clock) -> None:
        """Reads the file."""
        self._path = path
        self._parse = parse
        self._clock = clock
        self._version = _NO_FILE
        self._value = parse("")
        self._checked = clock.monotonic()
        self._refresh()

    async def current(self) -> T:
        """The meaning of the file, at most some seconds old. Looks at the file in a thread."""
        now = self._clock.monotonic()
        if now - self._checked >= CHECK_INTERVAL:
            self._checked = now
            await asyncio.to_thread(self._refresh)
        return self._value

    def _refresh(self) -> None:
        version = self._stat()
        if version == self._version:
            return
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
        self._value = self._parse(text)
        self._version = version

    def _stat(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return _NO_FILE
        return status.st_mtime_ns, status.st_ino
