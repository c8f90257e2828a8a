"""Private keys in files, each with the record that publishes its other half beside it. All of this blocks."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from posthouse.mailauth.dkim.private_key import PrivateKey, key_record, parse_private_key

FILE_MAX: Final = 65_536  # octets; a key of 8192 bits takes 6,500
RSA_EXPONENT: Final = 65537

NEW_KEYS: Final[Mapping[str, Callable[[], PrivateKey]]] = {
    "rsa2048": lambda: generate_private_key(RSA_EXPONENT, 2048),
    "rsa4096": lambda: generate_private_key(RSA_EXPONENT, 4096),
    "ed25519": Ed25519PrivateKey.generate,
}


def is_missing(path: Path) -> bool:
    """Whether a key may be made there. A symbolic link to nothing is a key that ought to be there."""
    return not os.path.lexists(path)


def load_key(path: Path) -> PrivateKey:
    """Raises OSError, and ValueError for what is no key; both name the file."""
    with path.open("rb") as file:
        pem = file.read(FILE_MAX)
    try:
        return parse_private_key(pem)
    except ValueError as err:
        raise ValueError(f"{path}: {err}") from err


def others_may_read(path: Path) -> bool:
    """Whether users beside the owner and the group may read or change a file. Raises OSError."""
    return bool(path.stat().st_mode & 0o007)


def make_key(path: Path, algorithm: str) -> None:
    """A new key of one of `NEW_KEYS`, only for the owner, and its record. Raises OSError.

    The record is there before the key: after a crash between them both are made anew.
    """
    key = NEW_KEYS[algorithm]()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(record_path(path), key_record(key).encode(), 0o644)
    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def record_path(path: Path) -> Path:
    """Where the record of a key is: `.dns` instead of `.key`, or behind the name."""
    return path.with_name(path.name.removesuffix(".key") + ".dns")


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole and durably, or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # a crash has left it
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    new.rename(path)
