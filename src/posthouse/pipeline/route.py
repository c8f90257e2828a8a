"""The way of one message through one pipeline, planned command by command. Nothing is delivered here.

The delivery and `posthouse explain` walk the same way: this one. What it decides it tells its Trace.
"""

from collections.abc import Sequence
from typing import NamedTuple

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.check import CheckGroup
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import ModifierGroup
from posthouse.message.header import Header
from posthouse.pipeline.blocks import DestinationRules, Rules, SourceRules, checks_of, modifiers_of
from posthouse.pipeline.checks import CheckRun, Findings, MayAsk, always
from posthouse.pipeline.expansion import Expansion
from posthouse.pipeline.modifiers import ModifierRun
from posthouse.pipeline.plan import choose_destination, choose_source
from posthouse.pipeline.trace import NO_TRACE, Trace


class Hop(NamedTuple):
    """Where one address goes next: to all targets of a block."""

    recipient: str
    block: DestinationRules


class Route:
    """Call `plan_sender` once, `plan_recipient` for each recipient, `body` once; `close` in every case.

    sender: the reverse-path for targets. source: the block of the message. Both only after `plan_sender`.
    expansion: shared with the pipelines that this one goes on to.
    has_states: checks or modifiers are at work; else `check_body`, `rewrite_body` and `close` have nothing to do.
    """

    __slots__ = (
        "_checks",
        "_destinations",
        "_envelope",
        "_may_ask",
        "_modifiers",
        "_rules",
        "_seen",
        "_trace",
        "expansion",
        "has_states",
        "sender",
        "source",
    )
    sender: str
    source: SourceRules

    def __init__(
        self, rules: Rules, envelope: Envelope, *, trace: Trace = NO_TRACE, may_ask: MayAsk = always
    ) -> None:
        self._rules = rules
        self._envelope = envelope
        self._trace = trace
        self._may_ask = may_ask
        self.expansion = Expansion()
        self.has_states = False
        self._checks: CheckRun | None = None  # none was met yet
        self._seen: dict[str, None] = {}  # recipients that were planned, for checks that are met later
        self._modifiers: list[ModifierRun] = []  # those of the root and of the source block
        self._destinations: dict[DestinationRules, ModifierRun | None] = {}  # blocks that are used

    async def plan_sender(self, reverse_path: str) -> None:
        """Choose the source block. Raises MailError where checks, modifiers or tables refuse the message."""
        rules, sender = self._rules, reverse_path
        if rules.checks:
            await self._meet(rules.checks, sender)
        if rules.modifiers:
            sender = await self._start_modifiers(rules.modifiers).sender(sender)
        self.source = source = (await choose_source(rules, sender, self._trace)).block
        if source.checks:
            await self._meet(source.checks, sender)
        if source.modifiers:
            sender = await self._start_modifiers(source.modifiers).sender(sender)
        self.sender = sender

    async def plan_recipient(self, recipient: str) -> list[Hop]:
        """Where a recipient goes. Raises MailError for one that is refused, whole: by any of the addresses that it became."""
        for groups in (self._rules.checks, self.source.checks):
            if groups:
                await self._check_recipient(groups, recipient)
        self._seen[recipient] = None
        recipients: Sequence[str] = (recipient,)
        for modifiers in self._modifiers:
            recipients = await modifiers.recipients(recipients)
        hops: list[Hop] = []
        for address in recipients:
            try:
                await self._plan_address(address, hops)
            except MailError as err:
                err.fields.setdefault("effective_rcpt", address)
                raise
        if len(hops) != 1 or len(hops[0].block.targets) > 1:
            deliveries = sum([len(hop.block.targets) for hop in hops])
            self.expansion.add(max(deliveries - 1, 0))
        return hops

    async def check_body(self, header: Header, body: Body) -> Findings | None:
        """Ask the checks of all blocks that are used; gives what all calls found. None: there are no checks."""
        if self._checks is None:
            return None
        groups = (*self._rules.checks, *self.source.checks)
        groups += tuple(group for block in self._destinations for group in block.checks)
        await self._checks.body(checks_of(groups), header, body)
        return self._checks.findings

    async def rewrite_body(self, header: Header, body: Body) -> None:
        """Let the modifiers of all blocks that are used add to the header."""
        for run in self._modifiers:
            await run.body(header, body)
        for block_run in self._destinations.values():
            if block_run is not None:
                await block_run.body(header, body)

    async def close(self) -> None:
        """The message has ended; further calls do nothing. Never raises."""
        checks, self._checks = self._checks, None
        if checks is not None:
            await checks.close()
        modifiers, self._modifiers = self._modifiers, []
        for run in modifiers:
            await run.close()
        destinations, self._destinations = self._destinations, {}
        for block_run in destinations.values():
            if block_run is not None:
                await block_run.close()

    async def _plan_address(self, address: str, hops: list[Hop]) -> None:
        """Add where one address goes."""
        block = (await choose_destination(self.source, address, self._trace)).block
        if block.reject is not None:
            raise MailError(block.reject, rule=block.where)
        if block.checks:
            await self._check_recipient(block.checks, address)
        self._seen[address] = None
        if block not in self._destinations:
            self._destinations[block] = None
            if block.modifiers:
                await self._start_destination(block)
        modifiers = self._destinations[block]
        if modifiers is None:
            hops.append(Hop(address, block))
        else:
            hops += [Hop(final, block) for final in await modifiers.recipients((address,))]

    async def _start_destination(self, block: DestinationRules) -> None:
        """Its modifiers may not change the sender any more: there may be other recipients."""
        self._destinations[block] = modifiers = ModifierRun(self._envelope, self._trace)
        self.has_states = True
        modifiers.start(modifiers_of(block.modifiers))
        sender = await modifiers.sender(self.sender)
        if sender != self.sender:
            self._envelope.log.info(
                "a modifier of a destination changed the sender: ignored", rule=block.where, sender=sender
            )

    def _start_modifiers(self, groups: Sequence[ModifierGroup]) -> ModifierRun:
        run = ModifierRun(self._envelope, self._trace)
        self._modifiers.append(run)
        self.has_states = True
        run.start(modifiers_of(groups))
        return run

    async def _check_recipient(self, groups: Sequence[CheckGroup], recipient: str) -> None:
        run = await self._meet(groups, self.sender)
        await run.recipient(checks_of(groups), recipient)

    async def _meet(self, groups: Sequence[CheckGroup], sender: str) -> CheckRun:
        if self._checks is None:
            self._checks = CheckRun(self._envelope, self._trace, self._may_ask)
            self.has_states = True
        await self._checks.meet(checks_of(groups), sender, self._seen)
        return self._checks
