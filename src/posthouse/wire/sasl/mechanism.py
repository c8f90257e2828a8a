"""What SASL mechanisms have in common (RFC 4422): responses in, challenges and then credentials out."""

from dataclasses import dataclass, field
from typing import Protocol

USER_MAX = 512  # octets; addresses have at most 320
PASSWORD_MAX = 4096  # octets; tokens serve as passwords too

_CONTROLS = frozenset(map(chr, (*range(0x20), 0x7F)))


class SaslError(Exception):
    """An exchange that failed. The text is for the log; the peer hears what it hears for a wrong password.

    user: the name that was given, as far as one is known.
    """

    def __init__(self, text: str, *, user: str = "") -> None:
        super().__init__(text)
        self.user = user


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server asks; the octets go out in base64."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the client claims: a name as sent, not normalised, and its password."""

    user: str
    password: str = field(repr=False)


class Mechanism(Protocol):
    """The server's side of one exchange."""

    def step(self, response: bytes | None) -> Challenge | Credentials:
        """Take a decoded response; the first may be None: the client sent no initial response.

        Not called again after it gave Credentials or raised. Raises SaslError.
        """
        ...


def parse_user(data: bytes) -> str:
    """A user name from the wire. Raises SaslError if it is empty, too long, no UTF-8 or has control characters."""
    user = _text(data, "user name", USER_MAX)
    if not _CONTROLS.isdisjoint(user):
        raise SaslError("control character in user name")
    return user


def with_password(user: str, data: bytes) -> Credentials:
    """The user's claim with a password from the wire.

    Raises SaslError if the password is empty, too long, no UTF-8 or has a NUL.
    """
    return Credentials(user, _text(data, "password", PASSWORD_MAX, user))


def _text(data: bytes, what: str, limit: int, user: str = "") -> str:
    if not data:
        raise SaslError(f"empty {what}", user=user)
    if len(data) > limit:
        raise SaslError(f"{what} too long", user=user)
    if b"\0" in data:
        raise SaslError(f"NUL in {what}", user=user)
    try:
        return data.decode()
    except UnicodeDecodeError as err:
        raise SaslError(f"{what} is not UTF-8", user=user) from err
