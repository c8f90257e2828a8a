"""What is told of a rehearsal: every decision with its place in the configuration, as data that can be printed as JSON."""

from typing import Final

import msgspec

NOT_RUN: Final = "not run: only delivery can tell"


class Named(msgspec.Struct, frozen=True):
    """A module or a pipeline.

    name: as the configuration has it (`storage.imapsql local_mailboxes`). where: FILE:LINE of its block; "" if it has none
    of its own. instance: the block's name alone, "" without one.
    """

    name: str
    where: str = ""
    instance: str = ""


class Missed(msgspec.Struct, frozen=True):
    """A block that was not chosen, and why."""

    where: str
    why: str


class BlockChosen(msgspec.Struct, frozen=True, tag_field="fact", tag="block"):
    """A source or destination block was chosen for an address.

    outcome: "" where the message goes on, "discarded", or the reply of `reject`.
    missed: the other blocks, in the order in which they are tried.
    """

    pipeline: Named
    kind: str  # "source" or "destination"
    where: str
    address: str
    because: str
    outcome: str
    missed: tuple[Missed, ...]


class TableAsked(msgspec.Struct, frozen=True, tag_field="fact", tag="table"):
    """A table was asked. error: why it could not tell; then there is no answer."""

    table: Named
    key: str
    answer: tuple[str, ...]
    error: str = ""


class DnsAsked(msgspec.Struct, frozen=True, tag_field="fact", tag="dns"):
    """DNS was asked. error: why there is no answer."""

    type: str  # "MX"
    name: str
    answer: tuple[str, ...]
    error: str = ""


class CheckAsked(msgspec.Struct, frozen=True, tag_field="fact", tag="check"):
    """A check was asked, or would be.

    verdict: "passed", "rejected", "quarantined", "noted" (an objection that changes nothing) or `NOT_RUN`.
    reason: what is wrong, or why the check is not run.
    """

    check: Named
    stage: str
    subject: str  # the sender or the recipient that it looked at; "" at other stages
    verdict: str
    reply: str = ""
    reason: str = ""


class LeftOut(msgspec.Struct, frozen=True, tag_field="fact", tag="left out"):
    """Something of an endpoint that a real client meets now, and a rehearsed one does not."""

    what: Named
    reason: str
    verdict: str = NOT_RUN


class Rewritten(msgspec.Struct, frozen=True, tag_field="fact", tag="rewriting"):
    """A modifier made something else of an address. error: why it could not; then there is no result."""

    modifier: Named
    address: str
    result: tuple[str, ...]
    error: str = ""


class Reached(msgspec.Struct, frozen=True, tag_field="fact", tag="target"):
    """An address came to a target that is no pipeline.

    sender: the reverse-path that the target is given.
    says: "taken", "known only at delivery", or the reply by which the target refuses the address.
    """

    target: Named
    sender: str
    recipient: str
    says: str
    is_refused: bool = False


Fact = BlockChosen | TableAsked | DnsAsked | CheckAsked | LeftOut | Rewritten | Reached
