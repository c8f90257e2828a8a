"""Password hashes as tables store them, `ALGORITHM:HASH` (spec/modules §1, auth.pass_table).

Everything here computes for tens of milliseconds and more: not on the event loop (see `framework.passwords`).
"""

import re
from base64 import b64encode
from binascii import Error, a2b_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from secrets import token_bytes
from typing import Final

import bcrypt
from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw

DEFAULT_ALGORITHM: Final = "bcrypt"
BCRYPT_PASSWORD_MAX: Final = 72  # octets; what the algorithm looks at
ARGON2_SALT_SIZE: Final = 16  # octets
ARGON2_HASH_SIZE: Final = 64  # octets
ARGON2_TIME_MAX: Final = 1000
ARGON2_MEMORY_MAX: Final = 1_048_576  # KiB; a damaged entry must not take all memory
ARGON2_THREADS_MAX: Final = 255  # one octet in maddy

_BCRYPT = re.compile(r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}", re.ASCII)


class MalformedHash(ValueError):
    """A stored value that is no password hash. The text does not show it."""


@dataclass(frozen=True, slots=True)
class HashCost:
    """What a new hash costs to compute and to guess."""

    bcrypt: int = 10  # 4 to 31: 2 to that power rounds
    argon2_time: int = 3  # passes
    argon2_memory: int = 1024  # KiB
    argon2_threads: int = 1


def make_hash(algorithm: str, password: str, cost: HashCost | None = None) -> str:
    """A new `ALGORITHM:HASH` with a fresh salt.

    Raises ValueError for an algorithm that is not in `ALGORITHMS`, a password that it cannot take in full, or costs
    out of range.
    """
    maker = _MAKERS.get(algorithm)
    if maker is None:
        raise ValueError(f"Unknown hash function, available: {', '.join(ALGORITHMS)}")
    return f"{algorithm}:{maker(password.encode(), cost or HashCost())}"


def verify_hash(stored: str, password: str) -> bool:
    """Whether a password belongs to a stored `ALGORITHM:HASH`. Raises MalformedHash."""
    algorithm, colon, value = stored.partition(":")
    if not colon:
        raise MalformedHash("no hash tag")
    verifier = _VERIFIERS.get(algorithm)
    if verifier is None:
        raise MalformedHash(f"unknown hash: {algorithm}")
    return verifier(value, password.encode("utf-8", "surrogatepass"))


def _make_bcrypt(password: bytes, cost: HashCost) -> str:
    if len(password) > BCRYPT_PASSWORD_MAX:
        raise ValueError(f"bcrypt takes passwords of at most {BCRYPT_PASSWORD_MAX} octets")
    if not 4 <= cost.bcrypt <= 31:
        raise ValueError("bcrypt cost is 4 to 31")
    return bcrypt.hashpw(password, bcrypt.gensalt(cost.bcrypt, prefix=b"2a")).decode()


def _verify_bcrypt(value: str, password: bytes) -> bool:
    """Longer passwords are compared by their first octets, as maddy does."""
    if not _BCRYPT.fullmatch(value):
        raise MalformedHash("malformed bcrypt hash")
    try:
        return bcrypt.checkpw(password[:BCRYPT_PASSWORD_MAX], value.encode())
    except ValueError as err:
        raise MalformedHash("malformed bcrypt hash") from err


def _make_argon2(password: bytes, cost: HashCost) -> str:
    salt = token_bytes(ARGON2_SALT_SIZE)
    time, memory, threads = cost.argon2_time, cost.argon2_memory, cost.argon2_threads
    digest = _argon2(password, salt, time, memory, threads, ARGON2_HASH_SIZE)
    return f"{time}:{memory}:{threads}:{_base64(salt)}:{_base64(digest)}"


def _verify_argon2(value: str, password: bytes) -> bool:
    parts = value.split(":")
    if len(parts) != 5:
        raise MalformedHash("malformed argon2 hash")
    time, memory, threads = (_number(part) for part in parts[:3])
    salt, expected = (_octets(part) for part in parts[3:])
    try:
        digest = _argon2(password, salt, time, memory, threads, len(expected))
    except ValueError as err:
        raise MalformedHash(f"malformed argon2 hash: {err}") from err
    return compare_digest(digest, expected)


def _argon2(password: bytes, salt: bytes, time: int, memory: int, threads: int, size: int) -> bytes:
    """Argon2id, version 19. Raises ValueError for parameters out of range."""
    if time > ARGON2_TIME_MAX or memory > ARGON2_MEMORY_MAX or threads > ARGON2_THREADS_MAX:
        raise ValueError("argon2 parameter out of range")
    try:
        return hash_secret_raw(password, salt, time, memory, threads, size, Type.ID)
    except (HashingError, OverflowError) as err:
        raise ValueError(str(err)) from err


def _verify_sha256(value: str, password: bytes) -> bool:
    salt, _, digest = value.partition(":")
    expected = _octets(digest)
    if len(expected) != sha256().digest_size:
        raise MalformedHash("malformed sha256 hash")
    return compare_digest(sha256(_octets(salt) + password).digest(), expected)


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _octets(text: str) -> bytes:
    try:
        return a2b_base64(text.encode(), strict_mode=True)
    except Error as err:
        raise MalformedHash("malformed base64 in hash") from err


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise MalformedHash("malformed number in hash")
    return int(text)


_MAKERS: Mapping[str, Callable[[bytes, HashCost], str]] = {"bcrypt": _make_bcrypt, "argon2": _make_argon2}
_VERIFIERS: Mapping[str, Callable[[str, bytes], bool]] = {
    "bcrypt": _verify_bcrypt,
    "argon2": _verify_argon2,
    "sha256": _verify_sha256,  # too fast to guess: maddy's tests only; never made here
}
ALGORITHMS: Final = tuple(_MAKERS)
