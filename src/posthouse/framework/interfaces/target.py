"""Targets: where messages go."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header


@runtime_checkable
class Delivery(Protocol):
    """One message on its way into one target.

    Called in this order: `add_recipient` for each, `body` once, then exactly one of `commit` and `abort`; `abort` may come
    at any point, also after a call that raised. Every call may raise MailError.
    """

    async def add_recipient(self, recipient: str) -> None:
        """Take a recipient (domain in U-labels), or refuse it: what it raises is the reply to RCPT."""
        ...

    async def body(self, header: Header, body: Body) -> None:
        """Take the message. `header` and `body` are only valid during the call."""
        ...

    async def commit(self) -> None:
        """Make the message durable and ours (RFC 5321 §4.2.5). If it raises, nothing is left behind."""
        ...

    async def abort(self) -> None:
        """Forget everything. Never raises."""
        ...


@runtime_checkable
class PartialDelivery(Delivery, Protocol):
    """A delivery that can fail for some recipients only (LMTP, queues)."""

    async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
        """Like `body`, with a result for every recipient as given to `add_recipient`."""
        ...


@runtime_checkable
class Target(Protocol):
    @property
    def commit_order(self) -> int:
        """0 relays to elsewhere, 1 queues, 2 mailboxes: the order of commits of one message."""
        ...

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        """Begin. `reverse_path` ("" is `<>`) may differ from the envelope's after modifiers."""
        ...


@runtime_checkable
class ProbedTarget(Target, Protocol):
    """A target that knows of an address whether it would take it, without a delivery: for `posthouse explain`."""

    async def probe(self, envelope: Envelope, recipient: str) -> None:
        """Raises what `Delivery.add_recipient` would raise; changes nothing."""
        ...
