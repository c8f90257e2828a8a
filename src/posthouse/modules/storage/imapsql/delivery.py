"""The delivery of one message to local accounts (spec/storage-and-imap §2)."""

from posthouse.db.blobs import OwnFile
from posthouse.db.errors import DatabaseError
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import Deliver
from posthouse.db.units import UnitError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context
from posthouse.message.header import Header
from posthouse.modules.storage.imapsql import incoming
from posthouse.modules.storage.imapsql.errors import mail_error
from posthouse.modules.storage.imapsql.incoming import Incoming
from posthouse.modules.storage.imapsql.recipients import Recipients


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
    ) -> None:
        self._db = db
        self._recipients = recipients
        self._context = context
        self._envelope = envelope
        self._reverse_path = reverse_path.replace("\r", "").replace("\n", "")
        self._junk = junk
        self._accounts: dict[int, str] = {}
        self._message: Incoming | None = None

    async def add_recipient(self, recipient: str) -> None:
        account = await self._recipients.find(recipient)
        self._accounts[account.id] = account.name

    async def body(self, header: Header, body: Body) -> None:
        if not self._accounts:
            return
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

    def _prefix(self, account: str) -> bytes:
        return f"Delivered-To: {account}\r\nReturn-Path: <{self._reverse_path}>\r\n".encode(
            "utf-8", "replace"
        )
