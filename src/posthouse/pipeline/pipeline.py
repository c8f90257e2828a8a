"""A pipeline as a target: a message is planned by rules, and executed on other targets (design §5)."""

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from posthouse.core.errors import MailError
from posthouse.core.log import Logger
from posthouse.core.world import World
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.target import Target
from posthouse.mailauth.dmarc.record import Mode
from posthouse.mailauth.domains import preload
from posthouse.pipeline.blocks import Rules, checks_of
from posthouse.pipeline.checks import refuse_early
from posthouse.pipeline.debug import DebugTrace
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.pipeline.rehearsal import Rehearsal
from posthouse.pipeline.route import Route
from posthouse.pipeline.trace import NO_TRACE, Trace


@dataclass(frozen=True, slots=True, eq=False)
class Pipeline:
    """A target that is other targets, chosen by rules.

    hostname: how Received and Authentication-Results call us.
    adds_received: this is the pipeline of an endpoint, the first one that a message meets.
    log: where its reasons go, while it logs debug lines; None: to the log of the message.
    rehearsal: nothing is to be done, only to be planned and told.
    """

    rules: Rules
    hostname: str
    world: World
    adds_received: bool
    log: Logger | None = None
    rehearsal: Rehearsal | None = None
    commit_order: int = (
        0  # asked only by who is no pipeline: these commit all that lies below them in one order
    )

    async def start(self) -> None:
        """Read what takes a moment to read, before there are messages."""
        if Mode.PSL in self.rules.dmarc_modes():
            await asyncio.to_thread(preload)

    async def check_early(self, connection: Connection) -> MailError | None:
        """What refuses EHLO, HELO or LHLO: the first objection of the checks for all messages."""
        if not self.rules.checks:
            return None
        checks = checks_of(self.rules.checks)
        if self.rehearsal is not None:
            checks = tuple(check for check in checks if check.only_asks_dns)
        return await refuse_early(checks, connection)

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> PipelineDelivery:
        """Choose the source block. Raises MailError."""
        rehearsal = self.rehearsal
        envelope.is_rehearsed = rehearsal is not None
        route = (
            Route(self.rules, envelope, trace=self._trace(envelope))
            if rehearsal is None
            else Route(self.rules, envelope, trace=rehearsal.trace(self.rules), may_ask=rehearsal.may_ask)
        )
        try:
            await route.plan_sender(reverse_path)
        except BaseException:
            await route.close()
            raise
        if rehearsal is not None and self.rules.dmarc is not None:
            rehearsal.tell_dmarc()
        return PipelineDelivery(self, envelope, route)

    def place(self, target: Target | Rules) -> Target:
        """What messages are given to for a target of the rules: itself, or a pipeline of the rules of a `reroute`."""
        if isinstance(target, Rules):
            return replace(self, rules=target, adds_received=False)
        if self.rehearsal is None:
            return target
        if isinstance(target, Router):
            return replace(target.pipeline, rehearsal=self.rehearsal)
        return self.rehearsal.stand_in(target)

    def _trace(self, envelope: Envelope) -> Trace:
        log = self.log or envelope.log.logger
        return DebugTrace(envelope.log.seen_by(log)) if log.debug_enabled else NO_TRACE


@runtime_checkable
class Router(Protocol):
    """A module that is a pipeline: who plans only goes on with its rules."""

    @property
    def pipeline(self) -> Pipeline: ...
