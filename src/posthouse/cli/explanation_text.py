"""An explanation as people read it."""

from collections.abc import Iterator

from posthouse.app.explain import Explanation
from posthouse.pipeline.facts import (
    BlockChosen,
    CheckAsked,
    DnsAsked,
    Fact,
    LeftOut,
    Named,
    Reached,
    Rewritten,
    TableAsked,
)


def lines(explanation: Explanation) -> Iterator[str]:
    """Line by line, without line ends."""
    yield f"A client of {explanation.endpoint.name} {explanation.address} ({explanation.endpoint.where})"
    yield from (f"Note: {note}" for note in explanation.notes)
    for step in explanation.steps:
        if step.facts or not step.is_accepted or not step.command.startswith(("EHLO ", "LHLO ")):
            yield from ("", step.command)
            yield from (f"    {line}" for fact in step.facts for line in _fact(fact))
            yield from (f"  {line}" for told in step.replies for line in str(told).split("\n"))
    everybody = "Every recipient would be accepted."
    yield from ("", everybody if explanation.is_accepted else "Not every recipient would be accepted.")


def _fact(fact: Fact) -> Iterator[str]:
    match fact:
        case BlockChosen():
            what = f": {fact.outcome}" if fact.outcome else ""
            address = fact.address or "<>"
            yield f"{_name(fact.pipeline)}: {fact.kind} block {fact.where} takes {address}: {fact.because}{what}"
            yield from (f"    not {missed.where}: {missed.why}" for missed in fact.missed)
        case TableAsked():
            yield f"{_name(fact.table)}: {fact.key!r} -> {_answer(fact.answer, fact.error)}"
        case DnsAsked():
            yield f"DNS {fact.type} {fact.name} -> {_answer(fact.answer, fact.error)}"
        case CheckAsked():
            of = f" {fact.subject}" if fact.subject else ""
            said = f": {fact.reply}" if fact.reply else ""
            reason = f" ({fact.reason})" if fact.reason and fact.reason not in fact.reply else ""
            yield f"{_name(fact.check)}, {fact.stage}{of}: {fact.verdict}{said}{reason}"
        case LeftOut():
            yield f"{_name(fact.what)}: {fact.verdict} ({fact.reason})"
        case Rewritten():
            result = (
                f"cannot be rewritten: {fact.error}"
                if fact.error
                else f"becomes {', '.join(fact.result) or 'nobody'}"
            )
            yield f"{_name(fact.modifier)}: {fact.address or '<>'} {result}"
        case Reached():
            yield f"goes to {_name(fact.target)} as {fact.recipient}, from {fact.sender or '<>'}: {fact.says}"


def _name(name: Named) -> str:
    return f"{name.name} ({name.where})" if name.where else name.name


def _answer(answer: tuple[str, ...], error: str) -> str:
    """What was found, or why that cannot be told."""
    if error:
        return f"no answer: {error}"
    return ", ".join(map(repr, answer)) if answer else "nothing"
