"""Limits: how much mail is taken at a time (spec/smtp-endpoint.md §6)."""

from typing import Protocol, runtime_checkable

from posthouse.core.world import IpAddress


class Slot(Protocol):
    """What one message has taken of the limits."""

    def release(self) -> None:
        """Give back what can be given back, once; further calls do nothing."""
        ...


@runtime_checkable
class Limits(Protocol):
    async def take_message(self, ip: IpAddress, source: str) -> Slot:
        """Wait for room for a message. ip: of the client; source: domain of the sender, "" for `<>`.

        Raises MailError (451 4.4.5) when there is none for 5 seconds; what was taken is given back then, and when the
        caller is cancelled.
        """
        ...

    async def take_destination(self, domain: str) -> Slot:
        """The same for a connection to a destination."""
        ...
