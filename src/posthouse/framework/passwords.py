"""Checking passwords beside the event loop: a bounded pool of threads, and a short memory of what was right."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import Final

from posthouse.core.world import Clock
from posthouse.framework.hashing import verify_hash
from posthouse.framework.interfaces.auth import AuthUnavailable

WAITING_MAX: Final = 256  # checks under way at once: some seconds of work; more are told to try again
REMEMBERED_MAX: Final = 4096  # log-ins
REMEMBERED_FOR: Final = 60.0  # seconds
_KEY_SIZE: Final = 32  # octets

# A bcrypt hash of no known password, as costly as a new entry.
_NOBODY: Final = "bcrypt:$2a$10$" + "." * 53


class VerifiedLogins:
    """Log-ins that were found right within the last minute.

    Holds keyed hashes only: neither passwords nor anything to guess them by without this process's key.
    """

    def __init__(self, clock: Clock, key: bytes) -> None:
        self._clock = clock
        self._key = key
        self._until: dict[bytes, float] = {}  # in order of time

    def remember(self, user: str, stored: str, password: str) -> None:
        identity = self._identity(user, stored, password)
        self._until.pop(identity, None)
        self._until[identity] = self._clock.monotonic() + REMEMBERED_FOR
        if len(self._until) > REMEMBERED_MAX:
            del self._until[next(iter(self._until))]

    def knows(self, user: str, stored: str, password: str) -> bool:
        until = self._until.get(self._identity(user, stored, password))
        return until is not None and self._clock.monotonic() < until

    def forget(self) -> None:
        self._until.clear()

    def _identity(self, user: str, stored: str, password: str) -> bytes:
        """Of the whole identity, the stored hash too: who changes a password has forgotten the old one."""
        digest = blake2b(key=self._key, digest_size=_KEY_SIZE)
        for part in (user, stored, password):
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return digest.digest()


class PasswordChecker:
    """Compares passwords with stored hashes in as many threads as there are cores."""

    def __init__(self, clock: Clock, random: Callable[[int], bytes], *, threads: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(threads or cores, thread_name_prefix="password")
        self._verified = VerifiedLogins(clock, random(_KEY_SIZE))
        self._waiting = 0
        self._typical = _NOBODY

    async def check(self, user: str, stored: str, password: str) -> bool:
        """Whether this is the password of `stored` (`ALGORITHM:HASH`).

        Raises MalformedHash, and AuthUnavailable when too many wait already.
        """
        if self._verified.knows(user, stored, password):
            return True
        right = await self._verify(stored, password)
        self._typical = stored
        if right:
            self._verified.remember(user, stored, password)
        return right

    async def check_nobody(self, password: str) -> None:
        """Take as long as a check of the last user who exists did: so that time does not tell who exists."""
        await self._verify(self._typical, password)

    def forget(self) -> None:
        """Credentials have changed: check each again."""
        self._verified.forget()

    def close(self) -> None:
        """Drop checks that wait; those that run end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _verify(self, stored: str, password: str) -> bool:
        if self._waiting >= WAITING_MAX:
            raise AuthUnavailable("too many log-ins at once")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, verify_hash, stored, password)
        finally:
            self._waiting -= 1
