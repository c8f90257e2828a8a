"""Authentication: who is it, and is the password right."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


class InvalidCredentials(Exception):
    """Wrong password or unknown user: the peer must not learn which. The text is for the log."""


class AuthUnavailable(Exception):
    """The provider cannot tell now: the peer may try again."""


@runtime_checkable
class Authenticator(Protocol):
    async def authenticate(self, user: str, password: str) -> None:
        """Return if this is the user's password.

        Raises InvalidCredentials, or AuthUnavailable when it cannot be told. Takes the same time for a user that
        does not exist. Never blocks the event loop.
        """
        ...


@runtime_checkable
class UserDatabase(Protocol):
    """Credentials that the command line may manage (`creds`). User names are normalised by it."""

    async def users(self) -> Sequence[str]: ...
    async def create_user(self, user: str, password_hash: str) -> None:
        """Raises ValueError when the user exists, or the name is not acceptable. The hash has its algorithm's tag."""
        ...

    async def set_password(self, user: str, password_hash: str) -> None:
        """Insert or replace."""
        ...

    async def remove_user(self, user: str) -> None: ...
