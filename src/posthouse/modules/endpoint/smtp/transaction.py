"""A transaction: from MAIL to the end of its message (spec/smtp-endpoint.md §4)."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Final

from posthouse.core import spans
from posthouse.core.errors import MailError, reply_of
from posthouse.core.events import MessageLog
from posthouse.core.log import trace_of
from posthouse.framework.interfaces.limits import Slot
from posthouse.framework.interfaces.message import Connection, Envelope, RcptOptions
from posthouse.framework.interfaces.target import Delivery, PartialDelivery
from posthouse.message.address import AddressError, clean_domain
from posthouse.modules.endpoint.smtp.attempt import attempt
from posthouse.modules.endpoint.smtp.intake import Intake
from posthouse.modules.endpoint.smtp.service import Service
from posthouse.modules.endpoint.smtp.submission import complete
from posthouse.wire.smtp.events import Mail
from posthouse.wire.smtp.parameters import NO_RCPT_OPTIONS
from posthouse.wire.smtp.reply import Reply

SENDER_NEEDS_UTF8: Final = Reply(550, (5, 6, 7), "SMTPUTF8 is required for non-ASCII senders")
SENDER_UNUSABLE: Final = Reply(553, (5, 1, 7), "Unable to normalize the sender address")
RECIPIENT_NEEDS_UTF8: Final = Reply(553, (5, 6, 7), "SMTPUTF8 is required for non-ASCII recipients")
RECIPIENT_UNUSABLE: Final = Reply(501, (5, 1, 2), "Unable to normalize the recipient address")

LOCALHOST: Final = IPv4Address("127.0.0.1")  # as which clients of Unix sockets count


@dataclass(slots=True)
class Tally:
    """What a session has done wrong so far, so that a flood of it fills no log."""

    refused_recipients: int = 0
    recipient_errors: int = 0  # those that were logged
    repeated_sender_errors: int = 0  # recipients refused for their sender, again
    message_id: str = ""  # of the last of these


class Transaction:
    """One MAIL, its recipients and its message. Replies are given, not raised: None is yes.

    is_final: the message becomes ours, or is given up: what the client does changes nothing any more.
    """

    __slots__ = (
        "_connection",
        "_delivery",
        "_envelope",
        "_failures",
        "_intake",
        "_mail",
        "_recipients",
        "_refusal",
        "_service",
        "_slot",
        "_spans",
        "_taken",
        "_tally",
        "is_final",
    )

    def __init__(self, service: Service, connection: Connection, tally: Tally, mail: Mail) -> None:
        self._service = service
        self._connection = connection
        self._tally = tally
        self._mail = mail
        self._envelope: Envelope | None = None
        self._delivery: Delivery | None = None
        self._slot: Slot | None = None
        self._spans: spans.MessageSpans | None = None  # while they are recorded
        self._refusal: Reply | None = None  # of the sender, for every recipient
        self._recipients: list[str] = []
        self._taken: list[str] = []  # the same as the delivery got them
        self._failures: dict[str, Exception] = {}  # of those, in LMTP
        self._intake = Intake(service.spool, service.intake)
        self.is_final = False

    async def begin(self) -> Reply | None:
        """Answer MAIL: at once, or yes for now (`defer_sender_reject`)."""
        if self._service.defers_sender_reject:
            return None
        try:
            error = await attempt(self._start())
        except BaseException:
            await self.abort()
            raise
        if error is None:
            return None
        self._log_error("MAIL FROM error", error)
        reply = self._reply(error)
        self._show_end(error)
        await self.abort()
        return reply

    async def add_recipient(self, recipient: str, options: RcptOptions = NO_RCPT_OPTIONS) -> Reply | None:
        """Answer RCPT."""
        if self._refusal is not None:
            self._tally.repeated_sender_errors += 1
            return self._refusal
        if self._delivery is None:
            error = await attempt(self._start())
            if error is not None:
                self._log_error("MAIL FROM error (deferred)", error, rcpt=recipient)
                self._tally.message_id = self._id
                self._refusal = self._reply(error)
                self._show_end(error)
                return self._refusal
        error = await attempt(self._shown("RCPT TO", self._add(recipient, options)))
        if error is not None:
            self._tally.refused_recipients += 1
            self._log_recipient_error(error, recipient)
            return self._reply(error)
        self._log.info("RCPT ok", rcpt=recipient)
        return None

    def take(self, data: bytes) -> Awaitable[None]:
        """The next octets of the message."""
        return self._intake.take(data)

    async def finish(self, unusable: Reply | None) -> Sequence[Reply | None]:
        """Answer the end of the message for each recipient, in LMTP not for all alike; the transaction is over then.

        unusable: why the message cannot be taken.
        """
        error = (
            MailError(unusable)
            if unusable is not None
            else await attempt(self._shown("DATA", self._deliver()))
        )
        errors = [self._failures.get(recipient) or error for recipient in self._taken]
        for recipient, failure in self._failures.items():
            self._log_error("DATA error", failure, rcpt=recipient)
        if error is not None:
            self._log_error("DATA error", error)
        elif None in errors:
            self._log.info("accepted")
        replies = [self._reply(error) if error is not None else None for error in errors]
        self._show_end(None if None in errors else errors[0])
        await self._drop()
        return replies

    async def abort(self) -> None:
        """The client has given up, or is gone. What became ours stays ours."""
        if self._delivery is not None and not self.is_final:
            self._log.info("aborted")
        await self._drop()

    async def _drop(self) -> None:
        """Let go of everything, once."""
        delivery, self._delivery = self._delivery, None
        was_final, self.is_final = self.is_final, True
        try:
            if delivery is not None and not was_final:
                await self._shown("Abort", delivery.abort())
        finally:
            self._release()
            await self._intake.discard()
            if self._envelope is not None:
                self._envelope.log.close()
                self._envelope = None
            if self._spans is not None:
                self._spans.end()
                self._spans = None

    async def _start(self) -> None:
        """Begin the message that MAIL has announced."""
        self._envelope = self._make_envelope()
        if spans.is_on:
            self._spans = spans.MessageSpans("Incoming Message", self._id, session=self._connection.remote)
        await self._shown("MAIL FROM", self._begin_delivery(self._envelope))

    def _make_envelope(self) -> Envelope:
        """What MAIL said, with an ID."""
        service, mail = self._service, self._mail
        message_id = next(service.ids)
        log = MessageLog(service.log, message_id, service.recorder)
        envelope = Envelope(
            message_id,
            mail.reverse_path,
            self._connection,
            log,
            mail.options,
            hide_client=service.is_submission,
            recipients=self._recipients,
        )
        user = {"username": self._connection.auth_user} if self._connection.auth_user else {}
        log.info(
            "incoming message",
            src_host=self._connection.hello,
            src_ip=self._connection.remote,
            sender=mail.reverse_path,
            **user,
        )
        return envelope

    async def _begin_delivery(self, envelope: Envelope) -> None:
        """Begin the delivery of the message, when there is room for it."""
        service, mail = self._service, self._mail
        if not mail.options.utf8 and not mail.reverse_path.isascii():
            raise MailError(SENDER_NEEDS_UTF8)
        try:
            sender = clean_domain(mail.reverse_path)
        except AddressError as err:
            raise MailError(SENDER_UNUSABLE) from err
        try:
            if service.limits is not None:
                domain = sender.rpartition("@")[2]
                self._slot = await service.limits.take_message(
                    self._connection.remote_ip or LOCALHOST, domain
                )
            self._delivery = await service.target.start_delivery(envelope, sender)
        except BaseException:
            self._release()
            raise

    def _release(self) -> None:
        """Give back what the message has taken of the limits."""
        if self._slot is not None:
            self._slot.release()
            self._slot = None

    async def _add(self, recipient: str, options: RcptOptions) -> None:
        if not self._mail.options.utf8 and not recipient.isascii():
            raise MailError(RECIPIENT_NEEDS_UTF8)
        try:
            cleaned = clean_domain(recipient)
        except AddressError as err:
            raise MailError(RECIPIENT_UNUSABLE) from err
        assert self._delivery is not None
        await self._delivery.add_recipient(cleaned)
        self._recipients.append(recipient)
        self._taken.append(cleaned)
        if options is not NO_RCPT_OPTIONS:
            assert self._envelope is not None
            self._envelope.recipient_options[cleaned] = options

    async def _deliver(self) -> None:
        assert self._delivery is not None
        assert self._envelope is not None
        header, body = await self._intake.finish()
        if self._service.is_submission:
            complete(header, self._service.config.hostname, self._service.world, self._log)
        if (header.get(b"TLS-Required") or b"").lower() == b"no":  # RFC 8689 §5
            self._envelope.tls_required_override = True
        if self._service.config.lmtp and isinstance(self._delivery, PartialDelivery):
            results = await self._delivery.body_partial(header, body)
            self._failures = {one: error for one in self._taken if (error := results[one]) is not None}
            if self._failures.keys() >= set(self._taken):  # nobody gets it
                return
        else:
            await self._delivery.body(header, body)
        self.is_final = True
        await self._delivery.commit()

    def _shown(self, name: str, step: Awaitable[None]) -> Awaitable[None]:
        """A step, as a span of the message while spans are recorded."""
        return step if self._spans is None else self._spans.around(name, step)

    def _show_end(self, error: Exception | None) -> None:
        """The message is over, and was not given up. error: why it was refused."""
        if self._spans is not None:
            self._spans.is_done, self._spans.error = True, error

    @property
    def _log(self) -> MessageLog:
        assert self._envelope is not None
        return self._envelope.log

    @property
    def _id(self) -> str:
        assert self._envelope is not None
        return self._envelope.id

    def _reply(self, error: Exception) -> Reply:
        reply = reply_of(error)
        return replace(reply, text=f"{reply.text} (msg ID = {self._id})")

    def _log_error(self, text: str, error: Exception, **fields: object) -> None:
        if not isinstance(error, MailError):
            fields["trace"] = trace_of(error)
        self._log.error(text, error, **fields)

    def _log_recipient_error(self, error: Exception, recipient: str) -> None:
        tally, most = self._tally, self._service.logged_errors_max
        if tally.recipient_errors >= most:
            return
        tally.recipient_errors += 1
        self._log_error("RCPT error", error, rcpt=recipient)
        if tally.recipient_errors == most:
            self._log.info("too many RCPT errors, possible dictonary attack", src_ip=self._connection.remote)
