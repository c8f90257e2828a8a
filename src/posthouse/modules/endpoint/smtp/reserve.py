"""The reserve of disk space: mail is refused while there is still room to finish what was begun."""

import os
from pathlib import Path
from typing import Final, Protocol

from posthouse.core.log import Logger
from posthouse.core.world import Clock

LOOK_EVERY: Final = 1.0  # seconds


class Reserve(Protocol):
    def has_room(self, size: int) -> bool:
        """Whether a message of this size may come; 0 is unknown."""
        ...


class DiskReserve:
    """Knows how much is free where a directory is, as of at most a second ago."""

    def __init__(self, directory: Path, reserve: int, clock: Clock, log: Logger) -> None:
        """reserve: octets that must stay free."""
        self._directory = directory
        self._reserve = reserve
        self._clock = clock
        self._log = log
        self._looked = float("-inf")
        self._free = 0
        self._is_low = False

    def has_room(self, size: int) -> bool:
        """Whether a message of this size may come; 0 is unknown."""
        now = self._clock.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look()
        return not self._is_low and size <= self._free

    def _look(self) -> None:
        try:
            stat = os.statvfs(self._directory)
            self._free = stat.f_bavail * stat.f_frsize
        except OSError:  # a disk that cannot even say this takes no mail
            self._free = 0
        is_low = self._free < self._reserve
        if is_low is not self._is_low:
            self._is_low = is_low
            text = (
                "disk space is low, mail is refused"
                if is_low
                else "disk space is enough again, mail is taken"
            )
            self._log.info(text, free=self._free, min_free=self._reserve, directory=str(self._directory))
