"""How many addresses the recipients of a message may become (R-063)."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.wire.smtp.reply import Reply

RECIPIENT_MAX: Final = 10_000  # addresses that one recipient may become
MESSAGE_MAX: Final = 100_000  # addresses that the recipients of a message may become beside themselves
NESTED_MAX: Final = 50  # pipelines within pipelines that a message passes; a circle of them has no end

TOO_MANY: Final = Reply(550, (5, 5, 3), "Recipient stands for too many addresses")
TOO_MANY_NOW: Final = Reply(452, (4, 5, 3), "Too many recipients")
CIRCLE: Final = Reply(554, (5, 4, 6), "Routing loop: the message goes round in a circle")


@dataclass(slots=True)
class Expansion:
    """A count over all pipelines that a message passes: deliveries of recipients beyond the first of each."""

    recipient: int = 0
    message: int = 0

    def begin_recipient(self) -> None:
        """The next recipient of the client."""
        self.recipient = 0

    def add(self, count: int) -> None:
        """A recipient is delivered `count` times more. Raises MailError when that is too much."""
        if self.recipient + count >= RECIPIENT_MAX:
            raise MailError(TOO_MANY, module="msgpipeline", limit=RECIPIENT_MAX)
        if self.message + count > MESSAGE_MAX:
            raise MailError(TOO_MANY_NOW, module="msgpipeline", limit=MESSAGE_MAX)
        self.recipient += count
        self.message += count
