"""The delivery of one message to local accounts (spec/storage-and-imap §2)."""

from typing import Final

from posthouse.core.errors import MailError
from posthouse.db.blobs import OwnFile
from posthouse.db.errors import DatabaseError
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import Deliver
from posthouse.db.units import UnitError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context
from posthouse.message.header import Header, unfold
from posthouse.modules.storage.imapsql import incoming
from posthouse.modules.storage.imapsql.errors import mail_error
from posthouse.modules.storage.imapsql.incoming import Incoming
from posthouse.modules.storage.imapsql.recipients import Recipients
from posthouse.wire.smtp.reply import Reply

CAME_AROUND: Final = Reply(554, (5, 4, 6), "Mail forwarding loop: the message has been delivered here before")


class LocalDelivery:
    """See framework.interfaces.target.Delivery."""

    __slots__ = (
        "_accounts",
        "_context",
        "_db",
        "_envelope",
        "_junk",
        "_message",
        "_recipients",
        "_refuse_delivered",
        "_reverse_path",
    )

    def __init__(
        self,
        db: MailDatabase,
        recipients: Recipients,
        context: Context,
        envelope: Envelope,
        reverse_path: str,
        *,
        junk: str,
        refuse_delivered: bool,
    ) -> None:
        self._db = db
        self._recipients = recipients
        self._context = context
        self._envelope = envelope
        self._reverse_path = reverse_path.replace("\r", "").replace("\n", "")
        self._junk = junk
        self._refuse_delivered = refuse_delivered
        self._accounts: dict[int, str] = {}
        self._message: Incoming | None = None

    async def add_recipient(self, recipient: str) -> None:
        account = await self._recipients.find(recipient)
        self._accounts[account.id] = account.name

    async def body(self, header: Header, body: Body) -> None:
        if not self._accounts:
            return
        if self._refuse_delivered:
            self._refuse_what_came_around(header)
        try:
            self._message = await incoming.of_delivery(self._db, header.to_bytes() + b"\r\n", body)
        except DatabaseError as err:
            raise mail_error(err, self._context.module) from err

    async def commit(self) -> None:
        message, self._message = self._message, None
        if message is None:
            return
        unit = Deliver(
            body=message.octets,
            description=message.description,
            recipients=[
                message.for_account(account, self._prefix(name)) for account, name in self._accounts.items()
            ],
            received=int(self._context.world.clock.time()),
            junk=self._junk if self._envelope.quarantine else "",
        )
        try:
            stored = await self._db.run(unit)
        except UnitError as err:  # an account was removed meanwhile
            self._recipients.forget()
            raise mail_error(err, self._context.module) from err
        except DatabaseError as err:
            raise mail_error(err, self._context.module) from err

        if self._context.log.debug_enabled:
            log = self._envelope.log.seen_by(self._context.log)
            for name, place in zip(self._accounts.values(), stored, strict=True):
                log.debug("stored", account=name, mailbox=place.mailbox, uid=place.uid)

    async def abort(self) -> None:
        message, self._message = self._message, None
        if message is not None and isinstance(message.octets, OwnFile):
            self._db.forget_large(message.octets)

    def _refuse_what_came_around(self, header: Header) -> None:
        """Raises MailError if the message was delivered to one of the accounts before (R-062)."""
        delivered = {
            unfold(value).decode("utf-8", "replace").lower() for value in header.get_all(b"Delivered-To")
        }
        if delivered.intersection(name.lower() for name in self._accounts.values()):
            raise MailError(CAME_AROUND)

    def _prefix(self, account: str) -> bytes:
        return f"Delivered-To: {account}\r\nReturn-Path: <{self._reverse_path}>\r\n".encode(
            "utf-8", "replace"
        )
