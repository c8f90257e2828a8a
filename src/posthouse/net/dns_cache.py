"""Answers that are remembered: positive and negative, for their time to live, bounded."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.world import Clock
from posthouse.wire.dns.message import Data, RecordType

ENTRIES_MAX: Final = 10_000
ENTRY_DATA_MAX: Final = 100  # records; larger answers are not remembered
ENTRY_TEXT_MAX: Final = 4096  # octets of TXT records, likewise
KEPT_MAX: Final = 86_400  # seconds
MISSING_KEPT_MAX: Final = (
    3600  # seconds that "there is none" is remembered; RFC 2308 §5 asks for 1 to 3 hours
)

Question = tuple[str, RecordType]  # canonical name and type


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a lookup came to."""

    data: tuple[Data, ...] = ()
    error: str = ""  # why there is none: the name does not exist, or it could not be told
    transient: bool = False  # whether it could not be told


class DnsCache:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[Question, tuple[float, Outcome]] = {}  # until when; the oldest first

    def get(self, question: Question) -> Outcome | None:
        until, outcome = self._entries.get(question, (0.0, None))
        if outcome is not None and until <= self._clock.monotonic():
            del self._entries[question]
            return None
        return outcome

    def put(self, question: Question, outcome: Outcome, ttl: int) -> None:
        """Remember an outcome for `ttl` seconds, which may be 0."""
        kept = min(ttl, KEPT_MAX if outcome.data else MISSING_KEPT_MAX)
        self._entries.pop(question, None)
        if kept <= 0 or outcome.transient or not _is_small(outcome):
            return
        self._entries[question] = (self._clock.monotonic() + kept, outcome)
        if len(self._entries) > ENTRIES_MAX:
            del self._entries[next(iter(self._entries))]


def _is_small(outcome: Outcome) -> bool:
    text = sum(len(data) for data in outcome.data if isinstance(data, bytes))
    return len(outcome.data) <= ENTRY_DATA_MAX and text <= ENTRY_TEXT_MAX
