"""Pipelines made by hand, and messages that go through them.

target = KeptTarget()
await send(pipeline(only(to(target))), envelope(), "bob@example.org")
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from posthouse.core.events import MessageLog
from posthouse.core.log import Logger
from posthouse.core.world import Resolver, World
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import Check
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.framework.interfaces.target import Target
from posthouse.message.header import Header
from posthouse.pipeline.blocks import DestinationRules, Rules, SourceRules
from posthouse.pipeline.pipeline import Pipeline
from posthouse.testing.checks import CheckList, ModifierList
from posthouse.testing.world import FakeBus, FakeListeners, FakeResolver, KeptEvents, LogLines, SimulatedClock

HOSTNAME = "mx.example.org"
SENDER = "ann@example.net"


def pipeline(rules: Rules, *, adds_received: bool = True, resolver: Resolver | None = None) -> Pipeline:
    """As an endpoint has it, unless it adds no Received."""
    world = World(
        SimulatedClock(), resolver or FakeResolver(), FakeBus(), FakeListeners(Path()), random=bytes
    )
    return Pipeline(rules, HOSTNAME, world, adds_received=adds_received)


def to(
    *targets: Target | Rules, checks: Sequence[Check] = (), modifiers: Sequence[Modifier] = ()
) -> DestinationRules:
    """A destination block."""
    return DestinationRules(
        "x.conf:1", None, targets, (CheckList(tuple(checks)),), (ModifierList(tuple(modifiers)),)
    )


def only(
    destination: DestinationRules, *, checks: Sequence[Check] = (), modifiers: Sequence[Modifier] = ()
) -> Rules:
    """A pipeline of one block for everybody, with checks and modifiers for all messages."""
    rules = Rules(SourceRules("x.conf:1", destination))
    return replace(rules, checks=(CheckList(tuple(checks)),), modifiers=(ModifierList(tuple(modifiers)),))


def envelope(reverse_path: str = SENDER, connection: Connection | None = None) -> Envelope:
    """Of a message with the ID 1234abcd; its log lines gather in `envelope.log.gathered`."""
    log = MessageLog(Logger(LogLines(), "smtp"), "1234abcd", KeptEvents())
    return Envelope("1234abcd", reverse_path, connection, log)


def told(message: Envelope, text: str) -> list[dict[str, object]]:
    """The fields of each line that was logged with this text about a message."""
    return [dict(event.fields) for event in message.log.gathered.events if event.text == text]


async def send(
    target: Target, message: Envelope, *recipients: str, header: bytes = b"Subject: hi\r\n\r\n"
) -> None:
    """Deliver a message as an endpoint does; it is aborted by whatever is raised."""
    delivery = await target.start_delivery(message, message.original_from)
    try:
        for recipient in recipients:
            await delivery.add_recipient(recipient)
        await delivery.body(Header.parse(header), MemoryBody(b"hello\r\n"))
    except BaseException:
        await delivery.abort()
        raise
    await delivery.commit()
