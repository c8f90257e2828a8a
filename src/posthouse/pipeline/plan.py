"""Routing as functions of the rules, an address and the answers of tables, without doing anything."""

from collections.abc import Sequence
from typing import Final, TypeVar

from posthouse.core.errors import MailError
from posthouse.message import address
from posthouse.pipeline.blocks import Choices, DestinationRules, InTable, Rules, SourceRules
from posthouse.pipeline.trace import NO_TRACE, Choice, Trace
from posthouse.wire.smtp.reply import Reply

B = TypeVar("B", SourceRules, DestinationRules)

SENDER_UNUSABLE: Final = Reply(501, (5, 1, 7), "Unable to normalize the sender address")
SENDER_INVALID: Final = Reply(501, (5, 1, 3), "Invalid sender address")
RECIPIENT_UNUSABLE: Final = Reply(553, (5, 1, 2), "Unable to normalize the recipient address")
RECIPIENT_INVALID: Final = Reply(501, (5, 1, 3), "Invalid recipient address")


async def choose_source(rules: Rules, sender: str, trace: Trace = NO_TRACE) -> Choice[SourceRules]:
    """Which source block a message belongs to. `<>` ("") only meets tables and the default.

    Raises MailError for a sender without lookup form, and what a table raises: what cannot be told is no wrong route.
    """
    if sender and (rules.by_key or rules.tables):
        key, domain = lookup_form(sender, SENDER_INVALID, SENDER_UNUSABLE)
    else:
        key = domain = ""
    entry = await _by_table(rules, key, trace) if rules.tables else None
    choice = _chosen(rules, entry, sender, key, domain)
    trace.chose(choice)
    return choice


async def choose_destination(
    rules: SourceRules, recipient: str, trace: Trace = NO_TRACE
) -> Choice[DestinationRules]:
    """Which destination block a recipient belongs to. Raises MailError likewise."""
    key, domain = lookup_form(recipient, RECIPIENT_INVALID, RECIPIENT_UNUSABLE)
    entry = await _by_table(rules, key, trace) if rules.tables else None
    choice = _chosen(rules, entry, recipient, key, domain)
    trace.chose(choice)
    return choice


async def _by_table(choices: Choices[B], key: str, trace: Trace) -> InTable[B] | None:
    """The first table that has an answer."""
    for entry in choices.tables:
        try:
            answer = await entry.table.lookup(key)
        except Exception as err:
            if isinstance(err, MailError):
                err.fields.setdefault("rule", entry.where)
            trace.looked_up(entry, key, err)
            raise
        trace.looked_up(entry, key, answer)
        if answer:
            return entry
    return None


def _chosen(choices: Choices[B], entry: InTable[B] | None, text: str, key: str, domain: str) -> Choice[B]:
    if entry is not None:
        return Choice(entry.block, text, key, domain, "", entry)
    found = choices.by_key.get(key)
    if found is not None:
        return Choice(found, text, key, domain, key, None)
    found = choices.by_key.get(domain)
    if found is not None:
        return Choice(found, text, key, domain, domain, None)
    return Choice(choices.default, text, key, domain, "", None)


def lookup_form(text: str, invalid: Reply, unusable: Reply) -> tuple[str, str]:
    """The lookup form of an address, and the rule of its domain: `@domain`, "" for the bare postmaster.

    Raises MailError: `invalid` for what is no address, `unusable` for one without lookup form.
    """
    try:
        address.split(text)
    except address.AddressError as err:
        raise MailError(invalid, module="msgpipeline") from err
    try:
        key = address.for_lookup(text)
    except address.AddressError as err:
        raise MailError(unusable, module="msgpipeline") from err
    at = key.rfind("@")
    return key, key[at:] if at >= 0 else ""


def passed_over(choices: Choices[B], choice: Choice[B]) -> list[tuple[B, str]]:
    """The blocks that were not chosen, in the order in which they are tried, and why each was not."""
    missed: list[tuple[B, str]] = []
    why = "its table has no answer"
    for entry in choices.tables:
        if entry is choice.table:
            why = "a table before it has answered"
        else:
            missed.append((entry.block, why))
    rules_of: dict[B, list[str]] = {}
    for rule, block in choices.by_key.items():
        rules_of.setdefault(block, []).append(rule)
    missed += [
        (block, _why_not(rules, choice)) for block, rules in rules_of.items() if block is not choice.block
    ]
    if choices.default is not choice.block:
        missed.append((choices.default, "it is only for what no other block takes"))
    return missed


def _why_not(rules: Sequence[str], choice: Choice[B]) -> str:
    if choice.table is not None:
        return "a table has answered before"
    if choice.domain in rules:
        return f"the whole address is a rule of another block: {choice.rule}"
    return f"it has no rule for {choice.key or choice.address or '<>'}"
