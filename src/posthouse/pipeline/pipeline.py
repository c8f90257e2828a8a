"""The way of a message: planned by rules, executed on targets (design §5)."""

import asyncio
from dataclasses import dataclass

from posthouse.core.errors import MailError
from posthouse.core.world import Clock
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.target import Delivery, Target
from posthouse.message.date import format_date
from posthouse.message.header import Header
from posthouse.message.received import Client, received_value
from posthouse.pipeline.plan import plan_recipient, plan_source
from posthouse.pipeline.rules import Rules, SourceRules

RDNS_PATIENCE = 1.0  # seconds that a message waits for the name of its client


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A target that is other targets, chosen by rules.

    adds_received: this is the pipeline of an endpoint, the first one that a message meets.
    """

    rules: Rules
    hostname: str
    clock: Clock
    adds_received: bool
    commit_order: int = 0

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> Delivery:
        """Choose the source block. Raises MailError."""
        source = plan_source(self.rules, reverse_path)
        return PipelineDelivery(self, envelope, reverse_path, source.rules)


class PipelineDelivery:
    """One message on its way."""

    __slots__ = ("_deliveries", "_envelope", "_pipeline", "_reverse_path", "_source")

    def __init__(
        self, pipeline: Pipeline, envelope: Envelope, reverse_path: str, source: SourceRules
    ) -> None:
        self._pipeline = pipeline
        self._envelope = envelope
        self._reverse_path = reverse_path
        self._source = source
        self._deliveries: dict[Target, Delivery] = {}

    async def add_recipient(self, recipient: str) -> None:
        destination = plan_recipient(self._source, recipient).rules
        if destination.reject is not None:
            raise MailError(destination.reject, effective_rcpt=recipient, rule=destination.where)
        for target in destination.targets:
            try:
                await (await self._delivery(target)).add_recipient(recipient)
            except MailError as err:
                err.fields.setdefault("effective_rcpt", recipient)
                raise

    async def _delivery(self, target: Target) -> Delivery:
        """The delivery on a target: started once per message, on first use."""
        delivery = self._deliveries.get(target)
        if delivery is None:
            delivery = await target.start_delivery(self._envelope, self._reverse_path)
            self._deliveries[target] = delivery
        return delivery

    async def body(self, header: Header, body: Body) -> None:
        if self._pipeline.adds_received:
            header.add("Received", await self._received())
        for delivery in self._deliveries.values():
            await delivery.body(header if len(self._deliveries) == 1 else header.copy(), body)

    async def _received(self) -> str:
        envelope, connection = self._envelope, self._envelope.connection
        return received_value(
            client=None if connection is None or envelope.hide_client else await _client(connection),
            hostname=self._pipeline.hostname,
            reverse_path=envelope.original_from,
            protocol=connection.protocol if connection else "",
            utf8=envelope.options.utf8,
            message_id=envelope.id,
            date=format_date(int(self._pipeline.clock.time())),
        )

    async def commit(self) -> None:
        """Relays first, queues next, mailboxes last: what can still fail fails before anything is durable elsewhere."""
        waiting = sorted(self._deliveries.items(), key=lambda item: item[0].commit_order)
        for done, (_, delivery) in enumerate(waiting):
            try:
                await delivery.commit()
            except BaseException as err:
                if done:
                    self._envelope.log.error("partly committed: a message sent again will be double", err)
                for _, other in waiting[done:]:
                    await other.abort()
                raise

    async def abort(self) -> None:
        for delivery in self._deliveries.values():
            await delivery.abort()


async def _client(connection: Connection) -> Client:
    """The peer as the Received field shows it; its name is waited for a moment."""
    name = None
    if connection.rdns is not None:
        if not connection.rdns.done():
            await asyncio.wait({connection.rdns}, timeout=RDNS_PATIENCE)
        if connection.rdns.done() and not connection.rdns.cancelled():
            name = connection.rdns.result()
    return Client(connection.hello, str(connection.remote_ip or ""), name)
