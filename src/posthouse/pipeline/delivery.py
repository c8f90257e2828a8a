"""One message on its way through a pipeline: what was planned is done on targets."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from operator import itemgetter
from typing import TYPE_CHECKING

from posthouse.core.errors import INTERNAL, MailError
from posthouse.core.log import trace_of
from posthouse.framework.background import Background
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.target import Delivery, PartialDelivery, Target
from posthouse.mailauth.dmarc.evaluation import Dmarc
from posthouse.message.header import Header
from posthouse.pipeline.blocks import Rules
from posthouse.pipeline.checks import Findings
from posthouse.pipeline.dmarc import fetch_policy, judge
from posthouse.pipeline.expansion import CIRCLE, NESTED_MAX, Expansion
from posthouse.pipeline.route import Hop, Route
from posthouse.pipeline.stamp import add_findings, received, remove_forged

if TYPE_CHECKING:
    from posthouse.pipeline.pipeline import Pipeline

Outcome = Mapping[str, Exception | None] | Exception | None  # of a target: for each recipient, or for all


class PipelineDelivery:
    """See framework.interfaces.target.Delivery and PartialDelivery.

    Deliveries on targets are started when the first recipient comes to them. Those of pipelines below this one know how
    deep they are, and count recipients together with it.
    """

    __slots__ = (
        "_accepted",
        "_deliveries",
        "_depth",
        "_envelope",
        "_failed",
        "_has_refused",
        "_pipeline",
        "_placed",
        "_route",
    )

    def __init__(self, pipeline: "Pipeline", envelope: Envelope, route: Route) -> None:
        """route: its sender is planned; to be closed at the end of the delivery."""
        self._pipeline = pipeline
        self._envelope = envelope
        self._route = route
        self._depth = 0
        self._deliveries: dict[Target | Rules, Delivery] = {}
        self._accepted: list[str] = []  # recipients as they were given
        self._placed: list[tuple[Target | Rules, str, str]] = []  # target, its recipient, recipient as given
        self._has_refused = False  # some target some recipient
        self._failed: set[Target | Rules] = set()  # those that take nothing of the message

    async def add_recipient(self, recipient: str) -> None:
        if not self._depth:
            self._route.expansion.begin_recipient()
        for hop in await self._route.plan_recipient(recipient):
            await self._place(hop, recipient)
        self._accepted.append(recipient)

    async def _place(self, hop: Hop, given: str) -> None:
        """Give an address to its targets. What was given already stays when a later one refuses."""
        address = hop.recipient
        if address != given:
            originals = self._envelope.original_recipients
            originals[address] = originals.get(given, given)
        for target in hop.block.targets:
            try:
                delivery = self._deliveries.get(target) or await self._start(target)
                await delivery.add_recipient(address)
            except Exception as err:
                self._has_refused = True
                if isinstance(err, MailError):
                    err.fields.setdefault("effective_rcpt", address)
                raise
            self._placed.append((target, address, given))

    async def _start(self, target: Target | Rules) -> Delivery:
        """Begin the delivery on a target, once per message."""
        place = self._pipeline.place(target)
        delivery = await place.start_delivery(self._envelope, self._route.sender)
        if isinstance(delivery, PipelineDelivery):
            if self._depth == NESTED_MAX:
                await delivery.abort()
                raise MailError(CIRCLE, module="msgpipeline", depth=NESTED_MAX)
            delivery.nest(self._depth + 1, self._route.expansion)
        self._deliveries[target] = delivery
        return delivery

    def nest(self, depth: int, expansion: Expansion) -> None:
        """This is a pipeline below others: `depth` of them; recipients are counted with theirs."""
        self._depth = depth
        self._route.expansion = expansion

    async def body(self, header: Header, body: Body) -> None:
        await self._stamp(header, body)
        used = self._used()
        for target in used:
            await self._deliveries[target].body(header if len(used) == 1 else header.copy(), body)

    async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
        """A recipient that became several addresses has the first failure among them."""
        try:
            await self._stamp(header, body)
        except Exception as err:  # noqa: BLE001 - whatever it is, all recipients share it
            self._failed.update(self._deliveries)
            return dict.fromkeys(self._accepted, err)
        used = self._used()
        outcomes = {
            target: await self._outcome(target, header if len(used) == 1 else header.copy(), body)
            for target in used
        }
        statuses: dict[str, Exception | None] = dict.fromkeys(self._accepted)
        for target, address, given in self._placed:
            if given in statuses and statuses[given] is None:
                statuses[given] = _status(outcomes[target], address)
        return statuses

    async def _outcome(self, target: Target | Rules, header: Header, body: Body) -> Outcome:
        delivery = self._deliveries[target]
        outcome: Outcome = None
        try:
            if isinstance(delivery, PartialDelivery):
                outcome = await delivery.body_partial(header, body)
            else:
                await delivery.body(header, body)
        except Exception as err:  # noqa: BLE001 - it is the answer for the recipients of this target
            outcome = err
        if isinstance(outcome, Exception) or (outcome and all(outcome.values())):
            self._failed.add(target)
        return outcome

    def _used(self) -> Collection[Target | Rules]:
        """The targets that have a recipient; those that refused all of theirs get nothing of the message."""
        if not self._has_refused:
            return self._deliveries
        used = dict.fromkeys(target for target, _, _ in self._placed)
        self._failed.update(self._deliveries.keys() - used)
        return used

    async def _stamp(self, header: Header, body: Body) -> None:
        """Ask checks about the message, and write on top of it. Raises MailError."""
        pipeline, route = self._pipeline, self._route
        found = await self._findings(header, body)
        if pipeline.adds_received:
            remove_forged(header, pipeline.hostname)
            now = pipeline.world.clock.time()
            header.add("Received", await received(self._envelope, pipeline.hostname, now))
        if found is not None:
            self._envelope.quarantine |= found.quarantine
            add_findings(header, pipeline.hostname, found.auth_results, found.fields)
        if route.has_states:
            await route.rewrite_body(header, body)

    async def _findings(self, header: Header, body: Body) -> Findings | None:
        """What checks, and DMARC, found; None if there are none. Raises MailError."""
        pipeline, route, envelope = self._pipeline, self._route, self._envelope
        mode = pipeline.rules.dmarc
        if mode is None or pipeline.rehearsal is not None:
            return await route.check_body(header, body) if route.has_states else None
        envelope.dmarc = dmarc = Dmarc(header.get_all(b"From"), pipeline.world.resolver, mode)
        found: Findings | None = None
        if route.has_states:
            fetching = Background(fetch_policy(dmarc), "DMARC policy")
            try:
                found = await route.check_body(header, body)
                await fetching.result()
            finally:
                await fetching.end(envelope.log)
        else:
            await fetch_policy(dmarc)
        found = found or Findings()
        await judge(dmarc, found, envelope, pipeline.world.random)
        return found

    async def commit(self) -> None:
        """Relays first, queues next, mailboxes last: what can still fail fails before anything is durable elsewhere.

        This holds over all pipelines below this one together.
        """
        waiting: list[tuple[int, Delivery]] = []
        failed: list[Delivery] = []
        routes: list[Route] = []
        self.hand_over(waiting, failed, routes)
        waiting.sort(key=itemgetter(0))
        done = 0
        try:
            for route in routes:
                await route.close()
            for _, delivery in waiting:
                await delivery.commit()
                done += 1
        except BaseException as err:
            if done:
                self._envelope.log.error("partly committed: a message sent again will be double", err)
            raise
        finally:
            if failed or done < len(waiting):
                await _abort((*failed, *(delivery for _, delivery in waiting[done:])), self._envelope)

    def hand_over(
        self, waiting: list[tuple[int, Delivery]], failed: list[Delivery], routes: list[Route]
    ) -> None:
        """Add the deliveries at the leaves, to be committed in order or to be aborted, and the routes to be closed."""
        if self._route.has_states:
            routes.append(self._route)
        for target, delivery in self._deliveries.items():
            if target in self._failed:
                failed.append(delivery)
            elif isinstance(delivery, PipelineDelivery):
                delivery.hand_over(waiting, failed, routes)
            else:
                assert not isinstance(target, Rules)
                waiting.append((target.commit_order, delivery))

    async def abort(self) -> None:
        await _abort(self._deliveries.values(), self._envelope)
        await self._route.close()


async def _abort(deliveries: Iterable[Delivery], envelope: Envelope) -> None:
    """Abort all of them, whatever happens; a cancellation is passed on when all have been asked to."""
    cancelled: asyncio.CancelledError | None = None
    for delivery in deliveries:
        try:
            await delivery.abort()
        except Exception as err:  # noqa: BLE001 - the others are to be aborted too
            envelope.log.error("aborting a delivery failed", err, trace=trace_of(err))
        except asyncio.CancelledError as err:
            cancelled = err
    if cancelled is not None:
        raise cancelled


def _status(outcome: Outcome, recipient: str) -> Exception | None:
    """What became of a recipient; one that a target says nothing of did not get the message."""
    if not isinstance(outcome, Mapping):
        return outcome
    if recipient not in outcome:
        return MailError(INTERNAL, reason="the target did not say what became of the recipient")
    return outcome[recipient]
