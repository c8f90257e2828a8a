"""Tables: a key to values. Keys are compared exactly; normalisation is the caller's."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class Table(Protocol):
    """Answers keys. "Not there" is `[]`; "cannot tell" raises MailError (transient)."""

    async def lookup(self, key: str) -> Sequence[str]:
        """All values of a key, in order. Consumers that want one take the first."""
        ...


@runtime_checkable
class MutableTable(Table, Protocol):
    """A table that the command line may change. Each call is durable when it returns."""

    async def keys(self) -> Sequence[str]: ...
    async def set(self, key: str, value: str) -> None:
        """Insert or replace."""
        ...

    async def add(self, key: str, value: str) -> bool:
        """Insert a key that is not there; else do nothing, and give False. Of two processes that add one key, one does."""
        ...

    async def remove(self, key: str) -> None:
        """Remove a key; one that is not there is no error."""
        ...
