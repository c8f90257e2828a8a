"""A pipeline in rehearsal: everything is planned as for a real message, and nothing is done (`posthouse explain`).

The pipelines are the real ones. What stands in their way is only this: checks that need more of the world than DNS are not
asked, and each target that is no pipeline has a stand-in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import reply_of
from posthouse.core.log import error_fields
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.check import Check, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.framework.interfaces.target import ProbedTarget, Target
from posthouse.message.header import Header
from posthouse.pipeline.blocks import DestinationRules, Rules, SourceRules
from posthouse.pipeline.facts import NOT_RUN, BlockChosen, CheckAsked, Fact, Missed, Named, Reached, Rewritten
from posthouse.pipeline.plan import passed_over
from posthouse.pipeline.trace import AnyTable, Choice
from posthouse.wire.smtp.reply import Reply

TAKEN: Final = "taken"
UNKNOWN: Final = "known only at delivery"
_NEEDS_MORE: Final = "it asks a program or another server"
_NEEDS_MESSAGE: Final = "it looks at the message itself"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is heard of all pipelines that a message passes.

    hear: takes each fact, in order. name_of: how people call a module, or the `Rules` of a pipeline.
    probes: ask targets whether they would take an address; else all take it.
    has_message: the client goes on to DATA. Where it does not, the checks that would look at a message are told of as soon
    as they are met.
    """

    hear: Callable[[Fact], None]
    name_of: Callable[[object], Named]
    probes: bool = True
    has_message: bool = True

    def trace(self, rules: Rules) -> "Telling":
        """What hears of the planning in one pipeline."""
        return Telling(self, rules)

    def may_ask(self, check: Check, stage: Stage) -> bool:
        """Whether a check is asked. One that is not, is told of."""
        if stage not in check.stages:
            return False
        why = _NEEDS_MORE if not check.only_asks_dns else _NEEDS_MESSAGE if stage is Stage.BODY else ""
        if why:
            self.hear(CheckAsked(self.name_of(check), stage.value, "", NOT_RUN, reason=why))
        return not why

    def tell_dmarc(self) -> None:
        """A pipeline would judge the message by DMARC."""
        self.hear(CheckAsked(Named("dmarc"), Stage.BODY.value, "", NOT_RUN, reason=_NEEDS_MESSAGE))

    def stand_in(self, target: Target) -> Target:
        """What takes messages instead of a target that is no pipeline."""
        return StandIn(self, target)


class Telling:
    """See Trace: the planning in one pipeline, told as facts."""

    def __init__(self, rehearsal: Rehearsal, rules: Rules) -> None:
        self._rehearsal = rehearsal
        self._rules = rules
        self._source = rules.default  # until one is chosen

    def looked_up(self, entry: AnyTable, key: str, answer: Sequence[str] | Exception) -> None:
        """Nothing: tables tell of themselves, whoever asks them; and blocks why they were not chosen."""

    def chose(self, choice: Choice[SourceRules] | Choice[DestinationRules]) -> None:
        if isinstance(choice.block, SourceRules):
            self._source = choice.block
            self._tell("source", choice, passed_over(self._rules, choice), "")
        else:
            missed = passed_over(self._source, choice)
            self._tell("destination", choice, missed, _outcome(choice.block))

    def rewrote(self, modifier: Modifier, address: str, result: Sequence[str] | Exception) -> None:
        name = self._rehearsal.name_of(modifier)
        if isinstance(result, Exception):
            self._rehearsal.hear(Rewritten(name, address, (), reason_of(result)))
        elif tuple(result) != (address,):
            self._rehearsal.hear(Rewritten(name, address, tuple(result)))

    def met(self, check: Check) -> None:
        if not self._rehearsal.has_message:
            self._rehearsal.may_ask(check, Stage.BODY)

    def checked(self, check: Check, stage: Stage, subject: str, verdict: Verdict) -> None:
        reason = verdict.reason
        said = {"reply": reply_text(reason.reply), "reason": reason_of(reason)} if reason is not None else {}
        self._rehearsal.hear(
            CheckAsked(self._rehearsal.name_of(check), stage.value, subject, _verdict(verdict), **said)
        )

    def _tell(
        self,
        kind: str,
        choice: Choice[SourceRules] | Choice[DestinationRules],
        missed: Sequence[tuple[SourceRules | DestinationRules, str]],
        outcome: str,
    ) -> None:
        pipeline = self._rehearsal.name_of(self._rules)
        others = tuple(Missed(block.where, why) for block, why in missed)
        where, because = choice.block.where, _because(choice)
        self._rehearsal.hear(BlockChosen(pipeline, kind, where, choice.address, because, outcome, others))


class StandIn:
    """Takes messages instead of a target, and tells what the target would say, as far as that is known."""

    commit_order: Final = 0

    def __init__(self, rehearsal: Rehearsal, target: Target) -> None:
        self._rehearsal = rehearsal
        self._target = target

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> "StandInDelivery":
        return StandInDelivery(self, envelope, reverse_path)

    async def say(self, envelope: Envelope, sender: str, recipient: str) -> None:
        """Tell what the target says of an address. Raises what it would raise."""
        name = self._rehearsal.name_of(self._target)
        says = TAKEN
        if self._rehearsal.probes:
            says = UNKNOWN
            if isinstance(self._target, ProbedTarget):
                try:
                    await self._target.probe(envelope, recipient)
                except Exception as err:
                    text = f"{reply_text(reply_of(err))} ({reason_of(err)})"
                    self._rehearsal.hear(Reached(name, sender, recipient, text, is_refused=True))
                    raise
                says = TAKEN
        self._rehearsal.hear(Reached(name, sender, recipient, says))


class StandInDelivery:
    """See framework.interfaces.target.Delivery: nothing is kept."""

    def __init__(self, stand_in: StandIn, envelope: Envelope, sender: str) -> None:
        self._stand_in = stand_in
        self._envelope = envelope
        self._sender = sender

    async def add_recipient(self, recipient: str) -> None:
        await self._stand_in.say(self._envelope, self._sender, recipient)

    async def body(self, header: Header, body: Body) -> None:
        return None

    async def commit(self) -> None:
        return None

    async def abort(self) -> None:
        return None


def reply_text(reply: Reply) -> str:
    """A reply as its client sees it, on one line without CRLF."""
    text = reply.text.replace("\n", " ")
    return Reply(reply.code, reply.enhanced, text).to_bytes().decode().removesuffix("\r\n")


def reason_of(error: Exception) -> str:
    """What the log would say, and a peer does not hear."""
    cause = error.__cause__
    return reason_of(cause) if isinstance(cause, Exception) else str(error_fields(error)["reason"])


def _because(choice: Choice[SourceRules] | Choice[DestinationRules]) -> str:
    if choice.table is not None:
        return f"its table has an answer for {choice.key or '<>'}"
    return f"its rule is {choice.rule}" if choice.rule else "it is for all that no other block takes"


def _outcome(block: DestinationRules) -> str:
    if block.reject is not None:
        return reply_text(block.reject)
    return "" if block.targets else "discarded"


def _verdict(verdict: Verdict) -> str:
    if verdict.quarantine:
        return "quarantined"
    if verdict.reject:
        return "rejected"
    return "noted" if verdict.reason is not None else "passed"
