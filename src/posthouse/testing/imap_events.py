"""Events of the IMAP engine, compared."""

from posthouse.wire.imap.again import FetchRun
from posthouse.wire.imap.engine import Command, Event
from posthouse.wire.imap.fetch import Fetch
from posthouse.wire.imap.sequence import SequenceSet


def one_by_one(event: Event) -> list[Event]:
    """The event, or each command of a run apart."""
    if not isinstance(event, FetchRun):
        return [event]
    request = event.request
    return [
        Command(tag, event.name, Fetch(SequenceSet(((number, number),)), request.items, request.by_uid))
        for tag, number in zip(event.tags, event.numbers, strict=True)
    ]
