"""Routing as functions of the rules and the envelope, without doing anything: what `explain` and the delivery share."""

from dataclasses import dataclass

from posthouse.core.errors import MailError
from posthouse.message import address
from posthouse.pipeline.rules import DestinationRules, Rules, SourceRules
from posthouse.wire.smtp.reply import Reply

SENDER_UNUSABLE = Reply(501, (5, 1, 7), "Unable to normalize the sender address")
SENDER_INVALID = Reply(501, (5, 1, 3), "Invalid sender address")
RECIPIENT_UNUSABLE = Reply(553, (5, 1, 2), "Unable to normalize the recipient address")
RECIPIENT_INVALID = Reply(501, (5, 1, 3), "Invalid recipient address")


@dataclass(frozen=True, slots=True)
class Source:
    """The source block of a message. `rule`: what matched, "" for the default."""

    rules: SourceRules
    rule: str


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination block of a recipient."""

    rules: DestinationRules
    rule: str


def plan_source(rules: Rules, reverse_path: str) -> Source:
    """Which source block a message belongs to: by address, then domain, then the default; `<>` has only the default.

    Raises MailError for a reverse-path that has no lookup form.
    """
    if not reverse_path or not rules.by_key:
        return Source(rules.default, "")
    key, domain = _lookup_form(reverse_path, SENDER_INVALID, SENDER_UNUSABLE)
    for rule in (key, domain):
        found = rules.by_key.get(rule)
        if found is not None:
            return Source(found, rule)
    return Source(rules.default, "")


def plan_recipient(rules: SourceRules, recipient: str) -> Destination:
    """Which destination block a recipient belongs to. Raises MailError for one that has no lookup form."""
    key, domain = _lookup_form(recipient, RECIPIENT_INVALID, RECIPIENT_UNUSABLE)
    for rule in (key, domain):
        found = rules.by_key.get(rule)
        if found is not None:
            return Destination(found, rule)
    return Destination(rules.default, "")


def _lookup_form(text: str, invalid: Reply, unusable: Reply) -> tuple[str, str]:
    """The lookup form of an address, and the key of its domain: `@domain`, "" for the bare postmaster."""
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
