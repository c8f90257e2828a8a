"""The reasons of a message's way as debug lines."""

from collections.abc import Sequence

from posthouse.core.events import MessageLog
from posthouse.core.log import error_fields
from posthouse.framework.interfaces.check import Check, Stage, Verdict
from posthouse.framework.interfaces.modifier import Modifier
from posthouse.pipeline.blocks import DestinationRules, SourceRules
from posthouse.pipeline.trace import AnyTable, Choice


class DebugTrace:
    """See Trace. Modules are called by their class, places as FILE:LINE."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log

    def looked_up(self, entry: AnyTable, key: str, answer: Sequence[str] | Exception) -> None:
        said = error_fields(answer) if isinstance(answer, Exception) else {"answer": list(answer)}
        self._log.debug("table asked", **({"rule": entry.where, "key": key} | said))

    def chose(self, choice: Choice[SourceRules] | Choice[DestinationRules]) -> None:
        kind = "source" if isinstance(choice.block, SourceRules) else "destination"
        matched = "table" if choice.table is not None else choice.rule or "default"
        self._log.debug(f"{kind} chosen", rule=choice.block.where, address=choice.address, matched=matched)

    def rewrote(self, modifier: Modifier, address: str, result: Sequence[str] | Exception) -> None:
        asked = {"modifier": type(modifier).__name__, "address": address}
        if isinstance(result, Exception):
            self._log.debug("address not rewritten", **(error_fields(result) | asked))
        elif tuple(result) != (address,):
            self._log.debug("address rewritten", **asked, result=list(result))

    def met(self, check: Check) -> None:
        """Nothing: what it says tells that."""

    def checked(self, check: Check, stage: Stage, subject: str, verdict: Verdict) -> None:
        said = error_fields(verdict.reason) if verdict.reason is not None else {}
        results = [f"{result.method}={result.value}" for result in verdict.auth_results]
        asked = {"check": type(check).__name__, "stage": stage.value, "address": subject, "results": results}
        self._log.debug("check asked", **(said | asked))
