"""Checks: what looks at a message and may object to it (spec/message-pipeline.md §3 to §6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, Protocol, runtime_checkable

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.message.header import Header


class Stage(Enum):
    """When a check looks. Names are those of its calls in CheckState."""

    CONNECTION = "connection"
    SENDER = "sender"
    RECIPIENT = "recipient"
    BODY = "body"


class AuthResult(NamedTuple):
    """One method of Authentication-Results (RFC 8601 §2.2)."""

    method: str  # "spf"
    value: str  # "pass"
    reason: str = ""
    properties: Mapping[str, str] = {}  # "smtp.mailfrom": "example.org"; empty ones are left out


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check thinks at one stage. With both flags it counts as quarantine.

    reason: what is wrong. With a reason and neither flag it is only logged.
    fields: header fields to add, each whole with its CRLF, in the order in which they shall stand.
    """

    reason: MailError | None = None
    reject: bool = False
    quarantine: bool = False
    auth_results: tuple[AuthResult, ...] = ()
    fields: tuple[bytes, ...] = field(default=())


PASS = Verdict()


class CheckState:
    """A check at work on one message; calls that a check does not need pass. Calls of one stage come in order.

    What a call raises counts as a temporary failure of the message. After `close` nothing is called.
    """

    async def check_connection(self) -> Verdict:
        return PASS

    async def check_sender(self, sender: str) -> Verdict:
        """The sender as modifiers have made it; "" is `<>`."""
        return PASS

    async def check_recipient(self, recipient: str) -> Verdict:
        """Once for each recipient, as it is at the level of the check."""
        return PASS

    async def check_body(self, header: Header, body: Body) -> Verdict:
        """The message as it was received; to be left unchanged."""
        return PASS

    async def close(self) -> None:
        """The message has ended. Never raises."""


@runtime_checkable
class Check(Protocol):
    stages: frozenset[Stage]  # in which it has anything to do; the other calls are not made
    waits: bool  # for DNS, a process, a peer: then it runs beside others. One that does not is asked without a task
    only_asks_dns: (
        bool  # it needs nothing else of the world, so `posthouse explain` may run all but its body stage
    )

    def start_check(self, envelope: Envelope) -> CheckState:
        """A new one for a message: no state is shared between messages."""
        ...


@runtime_checkable
class EarlyCheck(Protocol):
    """A check that also looks at the greeting of a client, before there is a message."""

    async def check_early(self, connection: Connection) -> MailError | None:
        """What refuses EHLO, HELO or LHLO, or None."""
        ...


@runtime_checkable
class CheckGroup(Protocol):
    """`checks NAME { ... }`: used as `check &NAME`."""

    def checks(self) -> tuple[Check, ...]:
        """In the order of the configuration. Only from `prepare` on: they may not be constructed before."""
        ...
