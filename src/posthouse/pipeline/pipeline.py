"""A pipeline as a target: a message is planned by rules, and executed on other targets (design §5)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from posthouse.core.errors import MailError
from posthouse.core.log import Logger
from posthouse.core.world import Clock
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.pipeline.blocks import Rules, checks_of
from posthouse.pipeline.checks import refuse_early
from posthouse.pipeline.debug import DebugTrace
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.pipeline.route import Route
from posthouse.pipeline.trace import NO_TRACE


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A target that is other targets, chosen by rules.

    hostname: how Received and Authentication-Results call us.
    adds_received: this is the pipeline of an endpoint, the first one that a message meets.
    log: where its reasons go, while it logs debug lines; None: to the log of the message.
    """

    rules: Rules
    hostname: str
    clock: Clock
    adds_received: bool
    log: Logger | None = None
    commit_order: int = (
        0  # asked only by who is no pipeline: these commit all that lies below them in one order
    )

    async def check_early(self, connection: Connection) -> MailError | None:
        """What refuses EHLO, HELO or LHLO: the first objection of the checks for all messages."""
        return await refuse_early(checks_of(self.rules.checks), connection) if self.rules.checks else None

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> PipelineDelivery:
        """Choose the source block. Raises MailError."""
        log = self.log or envelope.log.logger
        trace = DebugTrace(envelope.log.seen_by(log)) if log.debug_enabled else NO_TRACE
        route = Route(self.rules, envelope, trace=trace)
        try:
            await route.plan_sender(reverse_path)
        except BaseException:
            await route.close()
            raise
        return PipelineDelivery(self, envelope, route)


@runtime_checkable
class Router(Protocol):
    """A module that is a pipeline: who plans only goes on with its rules."""

    @property
    def pipeline(self) -> Pipeline: ...
