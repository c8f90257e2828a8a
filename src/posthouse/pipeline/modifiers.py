"""The modifiers of one block at work on one message (spec/message-pipeline.md §3 to §5)."""

from collections.abc import Sequence

from posthouse.core.errors import MailError
from posthouse.core.log import trace_of
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import Modifier, ModifierState
from posthouse.message.header import Header
from posthouse.pipeline.expansion import RECIPIENT_MAX, TOO_MANY
from posthouse.pipeline.trace import Trace


class ModifierRun:
    """States of modifiers, in the order of the configuration."""

    __slots__ = ("_envelope", "_states", "_trace")

    def __init__(self, envelope: Envelope, trace: Trace) -> None:
        self._envelope = envelope
        self._trace = trace
        self._states: list[tuple[Modifier, ModifierState]] = []

    def start(self, modifiers: Sequence[Modifier]) -> None:
        """Begin; after a failure those that were begun are there to be closed."""
        for modifier in modifiers:
            self._states.append((modifier, modifier.start_modifier(self._envelope)))

    async def sender(self, sender: str) -> str:
        """The sender as they make it, one after the other."""
        for modifier, state in self._states:
            try:
                result = await state.rewrite_sender(sender)
            except Exception as err:
                self._trace.rewrote(modifier, sender, err)
                raise
            self._trace.rewrote(modifier, sender, (result,))
            sender = result
        return sender

    async def recipients(self, recipients: Sequence[str]) -> Sequence[str]:
        """The recipients as they make them: each is asked for every one. Raises MailError when they become too many."""
        for modifier, state in self._states:
            rewritten: list[str] = []
            for recipient in recipients:
                try:
                    result = await state.rewrite_recipient(recipient)
                except Exception as err:
                    self._trace.rewrote(modifier, recipient, err)
                    raise
                self._trace.rewrote(modifier, recipient, result)
                rewritten += result
                if len(rewritten) > RECIPIENT_MAX:
                    raise MailError(TOO_MANY, module="msgpipeline", limit=RECIPIENT_MAX)
            recipients = rewritten
        return recipients

    async def body(self, header: Header, body: Body) -> None:
        """Let them add to the header."""
        for _, state in self._states:
            await state.rewrite_body(header, body)

    async def close(self) -> None:
        """Close all states, once. Never raises."""
        states, self._states = self._states, []
        for _, state in states:
            try:
                await state.close()
            except Exception as err:  # noqa: BLE001 - the others are to be closed too
                self._envelope.log.error("closing a modifier failed", err, trace=trace_of(err))
