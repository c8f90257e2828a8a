"""What the `expect` blocks of a configuration say, held against what would happen."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from posthouse.app.bus import WorkerBus
from posthouse.app.compose import Configured, NoListeners, configure, read, to_stderr
from posthouse.app.explain import Question, client_at
from posthouse.app.given_verdicts import given_verdicts
from posthouse.app.options import Options
from posthouse.app.rehearse import (
    NoSuchEndpoint,
    Step,
    Story,
    Told,
    address_of,
    find_endpoint,
    reading,
    rehearse,
)
from posthouse.core.errors import MailError
from posthouse.core.world import DnsError, IpAddress, IpVersion
from posthouse.framework.buffer import Body
from posthouse.framework.config.expect import Expectation, ExpectBlock, Place, Refusal, asked_name
from posthouse.framework.config.load import Source
from posthouse.framework.config.node import ConfigError, Node, raise_all
from posthouse.framework.interfaces.check import PASS, Check, CheckState, EarlyCheck, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.message.address import equal
from posthouse.message.header import Header
from posthouse.pipeline.facts import CheckAsked, Fact, Reached


class NotGiven(Exception):
    """A question to DNS that the block does not answer."""


@dataclass(slots=True)
class GivenResolver:
    """DNS as an `expect` block gives it. See core.world.Resolver; raises NotGiven for what it does not say."""

    records: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        found = map(ip_address, self._values("a", name))
        return [address for address in found if version in (None, address.version)]

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        found = (value.split(" ") for value in self._values("mx", name))
        return sorted((int(preference), exchange.rstrip(".")) for preference, exchange in found)

    async def txt(self, name: str) -> Sequence[bytes]:
        return [value.encode() for value in self._values("txt", name)]

    async def names(self, address: IpAddress) -> Sequence[str]:
        return self._values("ptr", str(address))

    async def cname(self, name: str) -> str | None:
        return self._values("cname", name)[0]

    def _values(self, kind: str, name: str) -> tuple[str, ...]:
        values = self.records.get((kind, asked_name(name)))
        if values is None:
            raise NotGiven(f"{kind} {name}")
        if not values:
            raise DnsError(f"{name}: no such name", transient=False)
        return values


class _Lenient(CheckState):
    """A check that passes where DNS would have to be asked for what is not given."""

    def __init__(self, state: CheckState) -> None:
        self._state = state

    async def check_connection(self) -> Verdict:
        return await _or_pass(self._state.check_connection())

    async def check_sender(self, sender: str) -> Verdict:
        return await _or_pass(self._state.check_sender(sender))

    async def check_recipient(self, recipient: str) -> Verdict:
        return await _or_pass(self._state.check_recipient(recipient))

    async def check_body(self, header: Header, body: Body) -> Verdict:
        return await _or_pass(self._state.check_body(header, body))

    async def close(self) -> None:
        await self._state.close()


async def _or_pass(answer: Awaitable[Verdict]) -> Verdict:
    try:
        return await answer
    except NotGiven:
        return PASS


async def verify(options: Options) -> None:
    """Read and configure everything, and hold the expectations. Raises ConfigError."""
    source = read(options)
    configured = configure(source, options, to_stderr, WorkerBus(), NoListeners())
    await configured.resolver.aclose()
    await check_expectations(source, options, configured.globals.expectations)


async def check_expectations(source: Source, options: Options, expectations: Sequence[Expectation]) -> None:
    """Hold all of them against the configuration that they stand in. Raises ConfigError: those that fail."""
    if not expectations:
        return
    resolver = GivenResolver()
    configured = configure(
        source, options, lambda line, debug: None, WorkerBus(), NoListeners(), asks=lambda _: resolver
    )
    facts: list[Fact] = []
    errors: list[ConfigError] = []
    try:
        modules = configured.registry.lifetime
        for _, module in modules:
            if isinstance(module, Check):
                _make_lenient(module)
        async with reading(modules, facts.append, missing_is_empty=True):
            for expectation in expectations:
                facts.clear()
                resolver.records = expectation.records
                try:
                    with given_verdicts(modules, expectation):
                        errors += await _failures(expectation, configured, Story(facts))
                except ConfigError as err:
                    errors.append(err)
    finally:
        await configured.resolver.aclose()
    raise_all(errors)


def _make_lenient(check: Check) -> None:
    """In its own place, for the reasons of `rehearse._tell`."""
    start = check.start_check

    def start_check(envelope: Envelope) -> CheckState:
        return _Lenient(start(envelope))

    vars(check)["start_check"] = start_check
    if isinstance(check, EarlyCheck):
        vars(check)["check_early"] = _lenient_early(check)


def _lenient_early(check: EarlyCheck) -> Callable[[Connection], Awaitable[MailError | None]]:
    strict = check.check_early

    async def check_early(connection: Connection) -> MailError | None:
        try:
            return await strict(connection)
        except NotGiven:
            return None

    return check_early


async def _failures(expectation: Expectation, configured: Configured, story: Story) -> list[ConfigError]:
    """What does not hold."""
    block = expectation.block
    question = Question(
        sender=block.from_,
        recipients=block.to,
        ip=str(block.ip),
        hello=block.helo,
        user=block.auth,
        is_tls=block.tls,
        is_utf8=block.utf8,
    )
    try:
        endpoint = find_endpoint(configured, block.endpoint, has_user=bool(block.auth))
        client = client_at(address_of(endpoint[1], block.endpoint), question)
        steps = await rehearse(configured, endpoint, client, story, probes=False)
    except (NoSuchEndpoint, ValueError) as err:
        return [ConfigError(f"{expectation.title}: {err}", at=expectation.node)]
    return list(_differences(expectation, Outcome.of(block, steps)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would become of a message.

    refusals: commands that are answered no. refuses_all: no recipient is accepted.
    quarantine: a check that wants it; "" if none does.
    """

    deliveries: tuple[Reached, ...]
    refusals: tuple[Step, ...]
    refuses_all: bool
    quarantine: str

    @classmethod
    def of(cls, block: ExpectBlock, steps: Sequence[Step]) -> "Outcome":
        taken = [step for step in steps if step.is_accepted]
        asked = [fact for step in steps for fact in step.facts if isinstance(fact, CheckAsked)]
        return cls(
            tuple(fact for step in taken for fact in step.facts if isinstance(fact, Reached)),
            tuple(step for step in steps if not step.is_accepted),
            not any(step.command.startswith("RCPT ") for step in taken),
            next((fact.check.name for fact in asked if fact.verdict == "quarantined"), ""),
        )

    def __str__(self) -> str:
        """What would happen, for people."""
        parts = [f"{step.command} would be answered {step.replies[0]}" for step in self.refusals]
        parts += [
            f"it would go to {fact.target.instance or fact.target.name} as {fact.recipient}"
            for fact in self.deliveries
        ]
        if not parts:
            parts.append("it would be accepted and discarded")
        parts.append(f"{self.quarantine} would quarantine it" if self.quarantine else "")
        return "; ".join(filter(None, parts))


def _differences(expectation: Expectation, outcome: Outcome) -> Iterator[ConfigError]:
    for node, what, holds in _claims(expectation.block, outcome):
        if not holds:
            yield ConfigError(f"{expectation.title}: expected {what}, but {outcome}", at=node)


def _claims(block: ExpectBlock, outcome: Outcome) -> Iterator[tuple[Node, str, bool]]:
    """What the block says: where, in its words, and whether it holds."""
    reached = outcome.deliveries
    for place in block.delivered_to:
        is_there = any(_fits(place, one) for one in reached)
        yield place.node, _words(place.node), is_there and not outcome.refusals
    if all(any(_fits(place, one) for one in reached) for place in block.delivered_to):
        for place in block.delivered_to[:1]:
            yield place.node, "no other place", all(_is_said(one, block) for one in reached)
    if block.refused is not None:
        replies = [step.replies[0] for step in outcome.refusals]
        is_so = all(_is_so(block.refused, reply) for reply in replies)
        yield block.refused.node, _words(block.refused.node), is_so and outcome.refuses_all
    if block.accepted is not None:
        yield (
            block.accepted.node,
            _words(block.accepted.node),
            block.accepted.value is not bool(outcome.refusals),
        )
    if block.quarantined is not None:
        is_so = block.quarantined.value is bool(outcome.quarantine)
        yield block.quarantined.node, _words(block.quarantined.node), is_so


def _words(node: Node) -> str:
    return " ".join((node.name, *node.args))


def _fits(place: Place, reached: Reached) -> bool:
    names = (reached.target.instance, reached.target.name, reached.target.name.removeprefix("target."))
    return place.target in names and (not place.address or equal(place.address, reached.recipient))


def _is_said(reached: Reached, block: ExpectBlock) -> bool:
    return any(_fits(place, reached) for place in block.delivered_to)


def _is_so(refusal: Refusal, reply: Told) -> bool:
    return refusal.code in ("", str(reply.code)) and refusal.enhanced in ("", reply.enhanced)
