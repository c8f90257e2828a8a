"""Checks at work on one message (spec/message-pipeline.md §3 to §6): asked together, their findings merged in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from posthouse.core.errors import INTERNAL, MailError, reply_of
from posthouse.core.log import trace_of
from posthouse.framework.actions import REJECTED
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.check import (
    PASS,
    AuthResult,
    Check,
    CheckState,
    EarlyCheck,
    Stage,
    Verdict,
)
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.message.header import Header
from posthouse.pipeline.trace import NO_TRACE, Trace

S = TypeVar("S")

MayAsk = Callable[[Check, Stage], bool]  # who only plans asks not every check, or not in every stage


def always(check: Check, stage: Stage) -> bool:
    """A message asks all checks."""
    return True


@dataclass(slots=True)
class Findings:
    """What the checks of one message found. fields: whole header fields, in the order in which they shall stand."""

    auth_results: list[AuthResult] = field(default_factory=list)
    fields: list[bytes] = field(default_factory=list)
    quarantine: bool = False

    def add(self, other: "Findings") -> None:
        self.auth_results += other.auth_results
        self.fields += other.fields
        self.quarantine |= other.quarantine


@dataclass(slots=True)
class _Met:
    """A check's state, and what it answered for recipients."""

    state: CheckState
    recipients: dict[str, Verdict] = field(default_factory=dict)


class CheckRun:
    """All checks of a message in one pipeline: one state for each, at whatever levels it is listed.

    Calls raise MailError when a check rejects, or fails (451). A check that is first met late hears what it missed:
    connection, sender, recipients.
    """

    __slots__ = ("_envelope", "_may_ask", "_met", "_trace", "findings")

    def __init__(self, envelope: Envelope, trace: Trace = NO_TRACE, may_ask: MayAsk = always) -> None:
        self.findings = Findings()
        self._envelope = envelope
        self._trace = trace
        self._may_ask = may_ask
        self._met: dict[Check, _Met] = {}

    async def meet(self, checks: Iterable[Check], sender: str, recipients: Iterable[str]) -> None:
        """Connection and sender for those that are new, and all recipients so far."""
        new = [check for check in dict.fromkeys(checks) if check not in self._met]
        if not new:
            return
        met: dict[Check, _Met] = {}
        found = Findings()
        try:
            for check in new:
                met[check] = _Met(check.start_check(self._envelope))
            await self._stage(met, Stage.CONNECTION, "", lambda one: one.state.check_connection(), found)
            await self._stage(met, Stage.SENDER, sender, lambda one: one.state.check_sender(sender), found)
            for recipient in recipients:
                await self._ask_recipient(met, recipient, found)
        except BaseException:  # what it has not heard whole it must hear again
            await _close(met.values(), self._envelope)
            raise
        self._met |= met
        self.findings.add(found)
        for check in met:
            self._trace.met(check)

    async def recipient(self, checks: Iterable[Check], recipient: str) -> None:
        """Ask checks that were met; none is asked twice for the same recipient."""
        met = {check: self._met[check] for check in checks}
        await self._ask_recipient(met, recipient, self.findings)

    async def body(self, checks: Iterable[Check], header: Header, body: Body) -> None:
        """Ask checks that were met, all together."""
        met = {check: self._met[check] for check in checks}
        await self._stage(met, Stage.BODY, "", lambda one: one.state.check_body(header, body), self.findings)

    async def close(self) -> None:
        """Close all states, once. Never raises."""
        met, self._met = self._met, {}
        await _close(met.values(), self._envelope)

    async def _ask_recipient(self, met: Mapping[Check, _Met], recipient: str, found: Findings) -> None:
        async def ask(one: _Met) -> Verdict:
            known = one.recipients.get(recipient)
            if known is None:
                known = await one.state.check_recipient(recipient)
                one.recipients[recipient] = _again(known)
            return known

        open_ = {check: one for check, one in met.items() if one.recipients.get(recipient) is not PASS}
        await self._stage(open_, Stage.RECIPIENT, recipient, ask, found)

    async def _stage(
        self,
        met: Mapping[Check, _Met],
        stage: Stage,
        subject: str,
        ask: Callable[[_Met], Awaitable[Verdict]],
        found: Findings,
    ) -> None:
        """Ask all of them. Raises the first rejection, in the order of the configuration; then nothing is found."""
        asked = [
            (check, one)
            for check, one in met.items()
            if stage in check.stages and self._may_ask(check, stage)
        ]
        verdicts = await together(asked, ask)
        for (check, _), verdict in zip(asked, verdicts, strict=True):
            self._trace.checked(check, stage, subject, verdict)
        self._merge(verdicts, found)

    def _merge(self, verdicts: Sequence[Verdict], found: Findings) -> None:
        for verdict in verdicts:
            if verdict.reject and not verdict.quarantine:
                raise verdict.reason or MailError(REJECTED)
        log = self._envelope.log
        for verdict in verdicts:
            reason = verdict.reason
            if verdict.quarantine:
                found.quarantine = True
                log.info("quarantined", **(reason.log_fields() if reason is not None else {}))
            elif reason is not None:
                log.info("no check action", **reason.log_fields())
            found.auth_results += verdict.auth_results
            found.fields += verdict.fields


async def refuse_early(checks: Iterable[Check], connection: Connection) -> MailError | None:
    """What refuses the greeting of a client: the first objection, in order, of those checks that look at it."""

    async def ask(check: EarlyCheck) -> Verdict:
        error = await check.check_early(connection)
        return PASS if error is None else Verdict(error, reject=True)

    looking = [(check, check) for check in dict.fromkeys(checks) if isinstance(check, EarlyCheck)]
    verdicts = await together(looking, ask)
    return next((verdict.reason for verdict in verdicts if verdict.reason is not None), None)


async def together(asked: Sequence[tuple[Check, S]], ask: Callable[[S], Awaitable[Verdict]]) -> list[Verdict]:
    """The verdicts of all, in order. Those that wait do so at the same time; tasks are made only where two would."""
    if sum(check.waits for check, _ in asked) < 2:
        return [await _verdict(check, ask(one)) for check, one in asked]
    async with asyncio.TaskGroup() as tasks:
        waiting = {check: tasks.create_task(_verdict(check, ask(one))) for check, one in asked if check.waits}
        found = {check: await _verdict(check, ask(one)) for check, one in asked if not check.waits}
    return [waiting[check].result() if check in waiting else found[check] for check, _ in asked]


async def _verdict(check: Check, answer: Awaitable[Verdict]) -> Verdict:
    """The verdict; a check that fails takes the message with it for now, and nothing else."""
    try:
        return await answer
    except Exception as err:  # noqa: BLE001 - whatever a check raises counts as a temporary failure
        reply = reply_of(err)
        failure = MailError(
            reply if reply.is_transient else INTERNAL, check=type(check).__name__, trace=trace_of(err)
        )
        failure.__cause__ = err
        return Verdict(failure, reject=True)


def _again(verdict: Verdict) -> Verdict:
    """What a verdict counts for a recipient that is given again: only that it is refused."""
    return Verdict(verdict.reason, reject=True) if verdict.reject and not verdict.quarantine else PASS


async def _close(met: Iterable[_Met], envelope: Envelope) -> None:
    for one in met:
        try:
            await one.state.close()
        except Exception as err:  # noqa: BLE001 - the others are to be closed too
            envelope.log.error("closing a check failed", err, trace=trace_of(err))
