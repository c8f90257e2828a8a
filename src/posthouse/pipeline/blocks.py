"""The blocks of a pipeline as data: what its configuration says, and all that planning looks at.

Modules in them may not be constructed before `prepare`; blocks are told apart by identity.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, NamedTuple, Protocol, TypeVar

from posthouse.framework.interfaces.check import Check, CheckGroup
from posthouse.framework.interfaces.modifier import Modifier, ModifierGroup
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.target import Target
from posthouse.mailauth.dmarc.record import Mode
from posthouse.wire.smtp.reply import Reply

B = TypeVar("B")


class InTable(NamedTuple, Generic[B]):
    """`source_in` or `destination_in`: any answer of the table chooses the block."""

    where: str  # FILE:LINE
    table: Table
    block: B


class Choices(Protocol[B]):
    """Blocks that an address chooses from: tables first, in order, then its key, its domain's, the default."""

    @property
    def tables(self) -> "Sequence[InTable[B]]": ...
    @property
    def by_key(self) -> Mapping[str, B]:
        """By `a@b`, `@b` for a domain, or `postmaster`: lookup forms."""
        ...

    @property
    def default(self) -> B: ...


@dataclass(frozen=True, slots=True, eq=False)
class DestinationRules:
    """What is done with the recipients of one block: a reply that refuses them, or targets. Neither: discarded."""

    where: str  # FILE:LINE of the block
    reject: Reply | None = None
    targets: "tuple[Target | Rules, ...]" = ()  # Rules: those of a `reroute` block
    checks: tuple[CheckGroup, ...] = ()
    modifiers: tuple[ModifierGroup, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SourceRules:
    """What is done with messages of one source block."""

    where: str
    default: DestinationRules
    by_key: Mapping[str, DestinationRules] = field(default_factory=dict)
    tables: tuple[InTable[DestinationRules], ...] = ()
    checks: tuple[CheckGroup, ...] = ()
    modifiers: tuple[ModifierGroup, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """A whole pipeline. dmarc: how messages are judged by DMARC; None: they are not."""

    default: SourceRules
    by_key: Mapping[str, SourceRules] = field(default_factory=dict)
    tables: tuple[InTable[SourceRules], ...] = ()
    checks: tuple[CheckGroup, ...] = ()
    modifiers: tuple[ModifierGroup, ...] = ()
    dmarc: Mode | None = None

    def dmarc_modes(self) -> Iterator[Mode | None]:
        """Of this pipeline, and of all `reroute` blocks in it."""
        yield self.dmarc
        for source in (self.default, *self.by_key.values(), *(one.block for one in self.tables)):
            for block in (source.default, *source.by_key.values(), *(one.block for one in source.tables)):
                for target in block.targets:
                    if isinstance(target, Rules):
                        yield from target.dmarc_modes()


def checks_of(groups: Sequence[CheckGroup]) -> tuple[Check, ...]:
    """All checks of these groups, in order. Only from `prepare` on."""
    return tuple(chain.from_iterable(group.checks() for group in groups))


def modifiers_of(groups: Sequence[ModifierGroup]) -> tuple[Modifier, ...]:
    """All modifiers of these groups, in order. Only from `prepare` on."""
    return tuple(chain.from_iterable(group.modifiers() for group in groups))
