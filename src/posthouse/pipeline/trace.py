"""Why a message goes where it goes: told while its way is planned, to who wants to know.

What is told are the modules themselves; who tells it to people knows their names and places (`Registry.lifetime`).
"""

from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from posthouse.framework.interfaces.check import Check, Stage, Verdict
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.pipeline.blocks import DestinationRules, InTable, SourceRules

B = TypeVar("B")
AnyTable = InTable[SourceRules] | InTable[DestinationRules]


class Choice(NamedTuple, Generic[B]):
    """Which block was chosen, and why.

    address: what chose. key: its lookup form, or "" where that was not needed; domain: the rule of its domain, or "".
    rule: the rule that matched. table: the table that answered. Without either it is the default.
    """

    block: B
    address: str
    key: str = ""
    domain: str = ""
    rule: str = ""
    table: InTable[B] | None = None


class Trace(Protocol):
    """Hears of each decision as it is made, in order."""

    def looked_up(self, entry: AnyTable, key: str, answer: Sequence[str] | Exception) -> None:
        """A table of `source_in` or `destination_in` was asked; any answer chooses its block, an exception ends the plan."""
        ...

    def chose(self, choice: Choice[SourceRules] | Choice[DestinationRules]) -> None:
        """A block was chosen."""
        ...

    def rewrote(self, modifier: Modifier, address: str, result: Sequence[str] | Exception) -> None:
        """A modifier made this of a sender (always one result) or of a recipient; an exception refuses it."""
        ...

    def met(self, check: Check) -> None:
        """A check has joined the message: it has no objection so far, and will see what is yet to come."""
        ...

    def checked(self, check: Check, stage: Stage, subject: str, verdict: Verdict) -> None:
        """A check said what it thinks. subject: the sender or recipient, as the check saw it; "" in other stages."""
        ...


class _NoTrace:
    """Nobody wants to know."""

    def looked_up(self, entry: AnyTable, key: str, answer: Sequence[str] | Exception) -> None:
        return None

    def chose(self, choice: Choice[SourceRules] | Choice[DestinationRules]) -> None:
        return None

    def rewrote(self, modifier: Modifier, address: str, result: Sequence[str] | Exception) -> None:
        return None

    def met(self, check: Check) -> None:
        return None

    def checked(self, check: Check, stage: Stage, subject: str, verdict: Verdict) -> None:
        return None


NO_TRACE: Final[Trace] = _NoTrace()
