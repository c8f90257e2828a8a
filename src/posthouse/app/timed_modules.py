"""Modules whose work is spans (`core.spans`), whoever calls them: put around them when `trace_file` is configured, so that they cost nothing otherwise.

A module gets its timed calls in its own place: a wrapper would have to be there before what refers to the module is constructed, and
would not be taken for the module that it wraps. Names are those of maddy: `check.spf/CheckSender`, `sql/Commit`.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

from posthouse.app.compose import Configured
from posthouse.core import spans
from posthouse.core.log import Logger
from posthouse.core.span_file import SpanSink
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.auth import Authenticator
from posthouse.framework.interfaces.check import Check, CheckState, EarlyCheck, Verdict
from posthouse.framework.interfaces.limits import Limits
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import Modifier, ModifierState
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.target import Delivery, PartialDelivery, Target
from posthouse.message.header import Header
from posthouse.net.resolver import StubResolver
from posthouse.pipeline.delivery import PipelineDelivery
from posthouse.pipeline.expansion import Expansion
from posthouse.pipeline.route import Route

T = TypeVar("T")
P = ParamSpec("P")

MADDYS: Final[Mapping[str, str]] = {"storage.imapsql": "sql"}  # what it calls a module in names of spans
RECORDS: Final[Mapping[str, str]] = {  # what the resolver's calls ask for
    "addresses": "A/AAAA",
    "mx": "MX",
    "txt": "TXT",
    "names": "PTR",
    "cname": "CNAME",
}


@contextmanager
def recording_spans(configured: Configured, log: Logger) -> Iterator[None]:
    """Record spans meanwhile, if that is configured. Raises BadLogTarget."""
    name = configured.globals.trace_file
    if not name:
        yield
        return
    path = configured.paths.state / name
    sink = SpanSink(path, log)
    log.info("tracing is on", file=path)
    configured.hooks.rotate.append(sink.reopen)
    for context, module in configured.registry.lifetime:
        time_module(context, module)
    time_resolver(configured.resolver)
    spans.start(sink)
    try:
        yield
    finally:
        spans.stop()
        sink.close()


def time_module(context: Context, module: Module) -> None:
    """Let what a module does for messages and log-ins be spans. It may be of several kinds."""
    stage = Stage(MADDYS.get(context.module, context.instance), context)
    calls = vars(module)
    if isinstance(module, Table):
        calls["lookup"] = stage.around("Lookup", module.lookup)
    if isinstance(module, Authenticator):
        calls["authenticate"] = stage.around("Auth", module.authenticate)
    if isinstance(module, Limits):
        calls["take_message"] = stage.around("TakeMsg", module.take_message)
        calls["take_destination"] = stage.around("TakeDest", module.take_destination)
    if isinstance(module, EarlyCheck):
        calls["check_early"] = stage.around("CheckEarly", module.check_early)
    if isinstance(module, Check):
        calls["start_check"] = _timed_checks(stage, module.start_check)
    if isinstance(module, Modifier):
        calls["start_modifier"] = _timed_modifiers(stage, module.start_modifier)
    if isinstance(module, Target):
        calls["start_delivery"] = _timed_deliveries(stage, module.start_delivery)


def time_resolver(resolver: StubResolver) -> None:
    """Let look-ups in DNS be spans, those that are answered from memory too."""
    for call, kind in RECORDS.items():
        vars(resolver)[call] = _timed_lookup(f"DNS/{kind}", getattr(resolver, call))


def _timed_lookup(name: str, lookup: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
    async def timed(asked: object, *how: object) -> T:
        with spans.span(name, asked=asked):
            return await lookup(asked, *how)

    return timed


class Stage:
    """What a module calls its spans."""

    __slots__ = ("_name", "_where")

    def __init__(self, name: str, context: Context) -> None:
        self._name = name
        self._where = context.where

    async def of(self, call: str, step: Awaitable[T]) -> T:
        """A step as a span."""
        with spans.span(f"{self._name}/{call}", at=self._where):
            return await step

    def around(self, call: str, step: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        """The same for each call of a function."""

        async def timed(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self.of(call, step(*args, **kwargs))

        return timed


# --- checks and modifiers


def _timed_checks(stage: Stage, start: Callable[[Envelope], CheckState]) -> Callable[[Envelope], CheckState]:
    return lambda envelope: TimedCheck(stage, start(envelope))


class TimedCheck(CheckState):
    """See CheckState."""

    def __init__(self, stage: Stage, state: CheckState) -> None:
        self._stage = stage
        self._state = state

    async def check_connection(self) -> Verdict:
        return await self._stage.of("CheckConnection", self._state.check_connection())

    async def check_sender(self, sender: str) -> Verdict:
        return await self._stage.of("CheckSender", self._state.check_sender(sender))

    async def check_recipient(self, recipient: str) -> Verdict:
        return await self._stage.of("CheckRcpt", self._state.check_recipient(recipient))

    async def check_body(self, header: Header, body: Body) -> Verdict:
        return await self._stage.of("CheckBody", self._state.check_body(header, body))

    async def close(self) -> None:
        await self._state.close()


def _timed_modifiers(
    stage: Stage, start: Callable[[Envelope], ModifierState]
) -> Callable[[Envelope], ModifierState]:
    return lambda envelope: TimedModifier(stage, start(envelope))


class TimedModifier(ModifierState):
    """See ModifierState."""

    def __init__(self, stage: Stage, state: ModifierState) -> None:
        self._stage = stage
        self._state = state

    async def rewrite_sender(self, sender: str) -> str:
        return await self._stage.of("RewriteSender", self._state.rewrite_sender(sender))

    async def rewrite_recipient(self, recipient: str) -> Sequence[str]:
        return await self._stage.of("RewriteRcpt", self._state.rewrite_recipient(recipient))

    async def rewrite_body(self, header: Header, body: Body) -> None:
        await self._stage.of("RewriteBody", self._state.rewrite_body(header, body))

    async def close(self) -> None:
        await self._state.close()


# --- targets


def _timed_deliveries(
    stage: Stage, start: Callable[[Envelope, str], Awaitable[Delivery]]
) -> Callable[[Envelope, str], Awaitable[Delivery]]:
    async def started(envelope: Envelope, reverse_path: str) -> Delivery:
        delivery = await stage.of("Start", start(envelope, reverse_path))
        if isinstance(delivery, PipelineDelivery):
            return TimedPipeline(stage, delivery)
        if isinstance(delivery, PartialDelivery):
            return TimedPartialDelivery(stage, delivery)
        return TimedDelivery(stage, delivery)

    return started


class TimedDelivery:
    """See Delivery."""

    def __init__(self, stage: Stage, delivery: Delivery) -> None:
        self._stage = stage
        self._delivery = delivery

    async def add_recipient(self, recipient: str) -> None:
        await self._stage.of("AddRcpt", self._delivery.add_recipient(recipient))

    async def body(self, header: Header, body: Body) -> None:
        await self._stage.of("Body", self._delivery.body(header, body))

    async def commit(self) -> None:
        await self._stage.of("Commit", self._delivery.commit())

    async def abort(self) -> None:
        await self._stage.of("Abort", self._delivery.abort())


class TimedPartialDelivery(TimedDelivery):
    """See PartialDelivery."""

    def __init__(self, stage: Stage, delivery: PartialDelivery) -> None:
        super().__init__(stage, delivery)
        self._partial = delivery

    async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
        return await self._stage.of("Body", self._partial.body_partial(header, body))


class TimedPipeline(PipelineDelivery):
    """The delivery of a `msgpipeline`: it stays one for the pipeline above it, which commits what lies below."""

    __slots__ = ("_delivery", "_stage")

    def __init__(self, stage: Stage, delivery: PipelineDelivery) -> None:
        """What it is made of is the delivery's."""
        self._stage = stage
        self._delivery = delivery

    async def add_recipient(self, recipient: str) -> None:
        await self._stage.of("AddRcpt", self._delivery.add_recipient(recipient))

    async def body(self, header: Header, body: Body) -> None:
        await self._stage.of("Body", self._delivery.body(header, body))

    async def body_partial(self, header: Header, body: Body) -> Mapping[str, Exception | None]:
        return await self._stage.of("Body", self._delivery.body_partial(header, body))

    async def commit(self) -> None:
        await self._stage.of("Commit", self._delivery.commit())

    async def abort(self) -> None:
        await self._stage.of("Abort", self._delivery.abort())

    def nest(self, depth: int, expansion: Expansion) -> None:
        self._delivery.nest(depth, expansion)

    def hand_over(
        self, waiting: list[tuple[int, Delivery]], failed: list[Delivery], routes: list[Route]
    ) -> None:
        self._delivery.hand_over(waiting, failed, routes)
