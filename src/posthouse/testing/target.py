"""A target that keeps what it is given, and refuses what it is told to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.target import Delivery
from posthouse.message.header import Header


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that was committed."""

    reverse_path: str
    recipients: tuple[str, ...]
    header: bytes
    body: bytes
    envelope: Envelope


@dataclass(slots=True, eq=False)
class KeptTarget:
    """refused: what is raised for a recipient. failing: what is raised by "start", "body" or "commit".

    failing_for: results of `body_partial` for recipients that the message does not reach.

    open: deliveries that were neither committed nor aborted; a test asserts that it is 0 at the end.
    calls: what was called, as ("add", recipient), ("body", ""), ("commit", ""), ("abort", "").
    """

    refused: dict[str, Exception] = field(default_factory=dict)
    failing: dict[str, Exception] = field(default_factory=dict)
    failing_for: dict[str, Exception] = field(default_factory=dict)
    commit_order: int = 2
    messages: list[KeptMessage] = field(default_factory=list)
    open: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        self.calls.append(("start", reverse_path))
        self.fail("start")
        self.open += 1
        return _KeptDelivery(self, envelope, reverse_path)

    def fail(self, step: str) -> None:
        """Raise what this step is told to raise."""
        if step in self.failing:
            raise self.failing[step]


class _KeptDelivery:
    def __init__(self, target: KeptTarget, envelope: Envelope, reverse_path: str) -> None:
        self._target = target
        self._envelope = envelope
        self._reverse_path = reverse_path
        self._recipients: list[str] = []
        self._header = b""
        self._body = b""
        self._is_open = True

    async def add_recipient(self, recipient: str) -> None:
        self._target.calls.append(("add", recipient))
        if recipient in self._target.refused:
            raise self._target.refused[recipient]
        self._recipients.append(recipient)

    async def body(self, header: Header, body: Body) -> None:
        self._target.calls.append(("body", ""))
        self._target.fail("body")
        self._header = header.to_bytes()
        self._body = b"".join(body.chunks())

    async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
        await self.body(header, body)
        results = {recipient: self._target.failing_for.get(recipient) for recipient in self._recipients}
        self._recipients = [recipient for recipient in self._recipients if results[recipient] is None]
        return results

    async def commit(self) -> None:
        self._target.calls.append(("commit", ""))
        self._close()
        self._target.fail("commit")
        recipients = tuple(self._recipients)
        message = KeptMessage(self._reverse_path, recipients, self._header, self._body, self._envelope)
        self._target.messages.append(message)

    async def abort(self) -> None:
        self._target.calls.append(("abort", ""))
        if self._is_open:
            self._close()

    def _close(self) -> None:
        assert self._is_open, "a delivery ends once"
        self._is_open = False
        self._target.open -= 1
