"""Modifiers: what changes a message on its way (spec/message-pipeline.md §3 to §5)."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header


class ModifierState:
    """A modifier at work on one message; what it does not change stays. Each call may raise MailError."""

    async def rewrite_sender(self, sender: str) -> str:
        """The sender instead of this one; "" is `<>`."""
        return sender

    async def rewrite_recipient(self, recipient: str) -> Sequence[str]:
        """The recipients instead of this one."""
        return (recipient,)

    async def rewrite_body(self, header: Header, body: Body) -> None:
        """Add fields to the header; the body stays as it is."""

    async def close(self) -> None:
        """The message has ended. Never raises."""


@runtime_checkable
class Modifier(Protocol):
    """Asks tables and keys only: `posthouse explain` runs its rewriting of addresses."""

    def start_modifier(self, envelope: Envelope) -> ModifierState:
        """A new one for a message."""
        ...


@runtime_checkable
class ModifierGroup(Protocol):
    """`modifiers NAME { ... }`: used as `modify &NAME`."""

    def modifiers(self) -> tuple[Modifier, ...]:
        """In the order of the configuration. Only from `prepare` on: they may not be constructed before."""
        ...
