"""A pipeline as a target: a message is planned by rules, and executed on other targets (design §5)."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from posthouse.core.errors import MailError
from posthouse.core.world import Clock
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.pipeline.blocks import Rules, checks_of
from posthouse.pipeline.checks import refuse_early
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.pipeline.route import Route


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A target that is other targets, chosen by rules.

    hostname: how Received and Authentication-Results call us.
    adds_received: this is the pipeline of an endpoint, the first one that a message meets.
    """

    rules: Rules
    hostname: str
    clock: Clock
    adds_received: bool
    commit_order: int = (
        0  # asked only by who is no pipeline itself: pipelines commit all that lies below them in one order
    )

    async def check_early(self, connection: Connection) -> MailError | None:
        """What refuses EHLO, HELO or LHLO: the first objection of the checks for all messages."""
        return await refuse_early(checks_of(self.rules.checks), connection) if self.rules.checks else None

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> PipelineDelivery:
        """Choose the source block. Raises MailError."""
        route = Route(self.rules, envelope)
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
