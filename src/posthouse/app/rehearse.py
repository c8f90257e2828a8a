"""A client of one endpoint, rehearsed on a configuration that is not started: `posthouse explain`, and `expect` blocks."""

import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from posthouse.app.compose import Configured
from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.interfaces.endpoint import Address, Client, RehearsingEndpoint
from posthouse.framework.interfaces.module import Context, Module, Readable
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.target import ProbedTarget, Target
from posthouse.pipeline.facts import Fact, LeftOut, Named, TableAsked
from posthouse.pipeline.pipeline import Pipeline, Router
from posthouse.pipeline.rehearsal import Rehearsal, reason_of


class Told(msgspec.Struct, frozen=True):
    """A reply as the client gets it. enhanced: `5.1.1`, or "". text: lines are parted by LF."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return " ".join(filter(None, (str(self.code), self.enhanced, self.text)))


class Step(msgspec.Struct, frozen=True):
    """One command of the client: what was decided about it, and the reply.

    replies: one; of LMTP at the end of the message one for each recipient. is_accepted: all of them are yes.
    """

    command: str
    replies: tuple[Told, ...]
    is_accepted: bool
    facts: tuple[Fact, ...]


_ENHANCED: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3}) ")


class NoSuchEndpoint(Exception):
    """Nothing is there to play the client; the text is for the operator."""


@dataclass(slots=True)
class Story:
    """What was told since the last reply, and the steps so far."""

    facts: list[Fact] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def hear(self, fact: Fact) -> None:
        self.facts.append(fact)

    def heard(self, command: str, reply: str) -> None:
        """A command was answered."""
        replies = tuple(_replies(reply))
        accepted = all(one.code < 400 for one in replies)
        self.steps.append(Step(command, replies, accepted, tuple(self.facts)))
        self.facts.clear()


def _replies(octets: str) -> Iterator[Told]:
    """The replies in what a server sent; all but the last line of one have a hyphen (RFC 5321 §4.2.1)."""
    texts: list[str] = []
    for line in octets.split("\r\n"):
        code, more, text = line[:3], line[3:4], line[4:]
        texts.append(text)
        if more != "-":
            enhanced = _ENHANCED.match(text)
            texts[-1] = text[enhanced.end() :] if enhanced else text
            yield Told(int(code), enhanced[1] if enhanced else "", "\n".join(texts))
            texts.clear()


class Names:
    """What modules and pipelines are called, as the configuration calls them."""

    def __init__(self, lifetime: Sequence[tuple[Context, Module]]) -> None:
        self._names: dict[int, Named] = {}
        for context, module in lifetime:
            self._names[id(module)] = name = _named(context)
            if isinstance(module, Router):
                self._names[id(module.pipeline.rules)] = name

    def add(self, what: object, name: Named) -> None:
        self._names[id(what)] = name

    def of(self, what: object) -> Named:
        return self._names.get(id(what)) or Named("reroute")


def _named(context: Context) -> Named:
    inline = context.instance in ("", context.module)
    name = context.module if inline else f"{context.module} {context.instance}"
    return Named(name, context.where, "" if inline else context.instance)


Found = tuple[Context, RehearsingEndpoint]


def find_endpoint(configured: Configured, wanted: str, *, has_user: bool) -> Found:
    """The endpoint of this name (`submission`) or address. Without one: where such a client would connect.

    Raises NoSuchEndpoint.
    """
    found = [
        (context, module)
        for context, module in configured.registry.lifetime
        if isinstance(module, RehearsingEndpoint)
    ]
    if wanted:
        found = [(c, m) for c, m in found if c.module == wanted or any(a.text == wanted for a in m.addresses)]
    else:
        usual = "submission" if has_user else "smtp"
        found.sort(key=lambda one: one[0].module != usual)
    if not found:
        raise NoSuchEndpoint(
            f"there is no endpoint {wanted} that takes mail" if wanted else "no endpoint takes mail"
        )
    return found[0]


def address_of(endpoint: RehearsingEndpoint, wanted: str) -> Address:
    """The address by which the client comes: the wanted one, else the first."""
    return next((a for a in endpoint.addresses if a.text == wanted), endpoint.addresses[0])


def needs_of(configured: Configured, endpoint: Found) -> Sequence[tuple[Context, Module]]:
    """All modules that an endpoint refers to, directly or not."""
    module = endpoint[1]
    assert isinstance(module, Module)
    return configured.registry.with_needs(module)


async def rehearse(
    configured: Configured,
    endpoint: Found,
    client: Client,
    story: Story,
    *,
    probes: bool,
) -> Sequence[Step]:
    """Play the client, to be called while the modules are `reading`. Raises ValueError: nobody can log in there."""
    context, module = endpoint
    names = Names(configured.registry.lifetime)
    has_message = client.message is not None
    rehearsal = Rehearsal(story.hear, names.of, probes=probes, has_message=has_message)

    def rehearsed(target: Target) -> Target:
        if not isinstance(target, Pipeline):
            return rehearsal.stand_in(target)
        names.add(target.rules, _named(context))
        return replace(target, rehearsal=rehearsal)

    def left_out(what: object, reason: str) -> None:
        name = (
            Named(f"{what} of {context.module}", context.where) if isinstance(what, str) else names.of(what)
        )
        story.hear(LeftOut(name, reason))

    await module.rehearse(client, rehearsed, story.heard, left_out)
    return story.steps


@asynccontextmanager
async def reading(
    modules: Sequence[tuple[Context, Module]], hear: Callable[[Fact], None], *, missing_is_empty: bool = False
) -> AsyncIterator[Sequence[str]]:
    """Modules that answer and nothing more, and tell of each look-up; gives what is wrong, for the operator.

    missing_is_empty: a database that is not there knows nothing; else it cannot tell.
    """
    notes: list[str] = []
    async with AsyncExitStack() as stack:
        for context, module in modules:
            if not isinstance(module, Table | ProbedTarget):
                continue
            stack.push_async_callback(module.stop)
            try:
                await (module.start_reading() if isinstance(module, Readable) else module.start())
            except OSError as err:
                notes.append(f"{context.where}: {_named(context).name}: {err}")
                _silence(module, err, is_empty=missing_is_empty and isinstance(err, FileNotFoundError))
            if isinstance(module, Table):
                _tell(module, _named(context), hear)
        yield notes


def _tell(table: Table, name: Named, hear: Callable[[Fact], None]) -> None:
    """Let a table tell of its look-ups, whoever makes them.

    In its own place: a wrapper would have to be there before what refers to the table is constructed, and would not be
    taken for the kind of table that it wraps.
    """
    lookup = table.lookup

    async def told(key: str) -> Sequence[str]:
        try:
            answer = await lookup(key)
        except Exception as err:
            hear(TableAsked(name, key, (), reason_of(err)))
            raise
        hear(TableAsked(name, key, tuple(answer)))
        return answer

    vars(table)["lookup"] = told


def _silence(module: Module, why: Exception, *, is_empty: bool) -> None:
    """Let a module whose database cannot be read say so, instead of making one."""

    async def lookup(key: str) -> Sequence[str]:
        if is_empty:
            return ()
        raise MailError(INTERNAL) from why

    async def probe(envelope: object, recipient: str) -> None:
        raise MailError(INTERNAL) from why

    replacements: Mapping[str, object] = {"lookup": lookup, "probe": probe}
    vars(module).update({name: new for name, new in replacements.items() if hasattr(module, name)})
