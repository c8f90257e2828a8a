"""Events: every decision about a message, bound to its ID.

The log is one sink: its line goes out at once. All events of a message also gather on it, in a bounded list,
and are handed to a recorder when the message ends.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from posthouse.core.log import Logger, error_fields

EVENTS_MAX = 1000  # events kept of one message; later ones are only counted


class Event(msgspec.Struct, frozen=True):
    """One thing that happened to a message."""

    module: str  # the logger's name
    text: str
    fields: Mapping[str, object]


class Recorder(Protocol):
    """Takes all events of a message at its end. Must not block; called on the event loop."""

    def record(self, message_id: str, events: Sequence[Event], dropped: int) -> None: ...


class NoRecorder:
    """Keeps nothing."""

    def record(self, message_id: str, events: Sequence[Event], dropped: int) -> None:
        return None


class Gathered(msgspec.Struct):
    """The events of one message so far."""

    events: list[Event] = msgspec.field(default_factory=list)
    dropped: int = 0

    def add(self, event: Event) -> None:
        if len(self.events) < EVENTS_MAX:
            self.events.append(event)
        else:
            self.dropped += 1


class MessageLog(msgspec.Struct, frozen=True):
    """What happens to one message: logged with its ID at once, and gathered until `close`."""

    logger: Logger
    message_id: str
    recorder: Recorder
    gathered: Gathered = msgspec.field(default_factory=Gathered)

    def info(self, message: str, **fields: object) -> None:
        fields["msg_id"] = self.message_id
        self.gathered.add(Event(self.logger.name, message, fields))
        self.logger.log(message, fields)

    def debug(self, message: str, **fields: object) -> None:
        if self.logger.debug_enabled:
            self.logger.debug(message, msg_id=self.message_id, **fields)

    def error(self, message: str, error: BaseException, **fields: object) -> None:
        self.info(message, **(error_fields(error) | fields))

    def seen_by(self, logger: Logger) -> "MessageLog":
        """The same message in another module's words: its events gather in the same list."""
        return MessageLog(logger, self.message_id, self.recorder, self.gathered)

    def close(self) -> None:
        """The message has ended: hand its events over."""
        self.recorder.record(self.message_id, self.gathered.events, self.gathered.dropped)
