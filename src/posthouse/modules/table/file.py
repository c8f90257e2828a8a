"""table.file: keys and values in a text file, read again when it changes."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import path
from posthouse.framework.interfaces.module import Context, Module

POLL_INTERVAL: Final = 15.0  # seconds
SETTLE_TIME: Final = 7.5  # seconds; what changed later than that may still be half written

Entries = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a file from another one, and from itself after a change."""

    device: int
    inode: int
    size: int  # octets
    modified: float  # seconds since the epoch
    changed: int  # nanoseconds since the epoch; unlike `modified` nobody can set it

    @classmethod
    def of(cls, status: os.stat_result) -> "Version":
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime, status.st_ctime_ns)


class FileTable(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[FILE]")
        file: Path | None = directive(
            path, default=None, help="file of lines `KEY: VALUE, VALUE`; relative to state_dir"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        paths = [context.paths.state / arg for arg in settings.args] + [settings.file] * bool(settings.file)
        if len(paths) != 1 or paths[0] is None:
            raise ValueError("exactly one file is expected")
        self._path = paths[0]
        self._log = context.log
        self._clock = context.world.clock
        self._hooks = context.hooks
        self._reload_asked = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._version = _version(self._path)
        self._entries: Entries = {}
        if self._version is None:
            self._log_missing()
        else:
            self._version, self._entries = load(self._path)

    async def lookup(self, key: str) -> Sequence[str]:
        return self._entries.get(key, ())

    async def start(self) -> None:
        self._hooks.reload.append(self._reload_asked.set)
        self._polling = asyncio.create_task(self._poll(), name=f"polling {self._path}")

    async def stop(self) -> None:
        if self._polling is not None:
            self._hooks.reload.remove(self._reload_asked.set)
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def refresh(self, *, at_once: bool = False) -> None:
        """Read the file if it has changed. at_once: also if it was modified just now.

        Raises OSError, and ValueError for a broken file; then what was known stays, until the file changes again.
        """
        version = await asyncio.to_thread(_version, self._path)
        if version == self._version or (version and not at_once and self._is_fresh(version)):
            return
        self._version = version
        if version is None:
            self._entries = {}
            self._log_missing()
        else:
            self._version, self._entries = await asyncio.to_thread(load, self._path)
            self._log.debug("file reloaded", path=self._path)

    async def _poll(self) -> None:
        while True:
            at_once = await self._next_round()
            try:
                await self.refresh(at_once=at_once)
            except Exception as err:  # noqa: BLE001 - the top of a task
                self._log.error("reload failed, the old content stays", err, path=self._path)

    async def _next_round(self) -> bool:
        """Wait for the next look at the file; True if somebody asked for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_INTERVAL):
                await self._reload_asked.wait()
                self._reload_asked.clear()
                return True
        return False

    def _is_fresh(self, version: Version) -> bool:
        """Modified less than SETTLE_TIME ago; a time in the future says nothing."""
        return 0 <= self._clock.time() - version.modified < SETTLE_TIME

    def _log_missing(self) -> None:
        self._log.info(f"ignoring non-existent file: {self._path}")


def load(file: Path) -> tuple[Version, Entries]:
    """Read a file and its version. Raises OSError; ValueError with file and line for what is malformed."""
    with file.open("rb") as opened:
        version = Version.of(os.fstat(opened.fileno()))
        data = opened.read()
    try:
        text = data.decode()
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise ValueError(f"{file}:{line}: not UTF-8") from err
    return version, parse_entries(text, file)


def parse_entries(text: str, file: Path) -> Entries:
    """The values of each key, in order. Raises ValueError with file and line for a line without key."""
    entries: dict[str, list[str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#") or not line.strip():
            continue
        key, _, values = line.partition(":")
        if not key.strip():
            raise ValueError(f"{file}:{number}: empty address before colon")
        entries.setdefault(key.strip(), []).extend(value.strip() for value in values.split(","))
    return entries


def _version(file: Path) -> Version | None:
    """The version of a file, or None when there is none."""
    try:
        return Version.of(file.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None
