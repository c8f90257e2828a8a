"""The mailboxes of one account."""

from collections.abc import Sequence

from posthouse.core.log import Logger
from posthouse.core.world import Clock
from posthouse.db.mail import units
from posthouse.db.mail.database import MailDatabase
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.storage import (
    SPECIAL_USES,
    Appended,
    MailboxInfo,
    MailboxStatus,
    NoSuchSpecialUse,
    TooBig,
)
from posthouse.modules.storage.imapsql import incoming
from posthouse.modules.storage.imapsql.errors import told_to_clients
from posthouse.modules.storage.imapsql.known import KnownMailboxes
from posthouse.modules.storage.imapsql.mailbox import OpenMailbox
from posthouse.modules.storage.imapsql.names import new_name, stored_name
from posthouse.modules.storage.imapsql.watchers import Watchers


class MailAccount:
    """See framework.interfaces.storage.Account."""

    def __init__(
        self,
        db: MailDatabase,
        known: KnownMailboxes,
        watchers: Watchers,
        log: Logger,
        clock: Clock,
        *,
        number: int,
        name: str,
        append_limit: int,
        recent_stays: bool,
    ) -> None:
        self.name = name
        self._id = number
        self._db = db
        self._known = known
        self._watchers = watchers
        self._log = log
        self._clock = clock
        self._append_limit = append_limit
        self._recent_stays = recent_stays

    @property
    def append_limit(self) -> int:
        return self._append_limit

    async def mailboxes(self) -> Sequence[MailboxInfo]:
        with told_to_clients(self._log):
            found = await self._db.mailboxes(self._id)
        return [MailboxInfo(*row) for row in found]

    async def subscriptions(self) -> Sequence[str]:
        with told_to_clients(self._log):
            return await self._db.subscriptions(self._id)

    async def status(self, mailbox: str) -> MailboxStatus:
        with told_to_clients(self._log):
            row = self._db.mailbox_named(self._id, stored_name(mailbox))
        return MailboxStatus(row.total, row.recent, row.unseen, row.uidnext, row.uidvalidity, row.modseq)

    async def open(self, mailbox: str) -> OpenMailbox:
        name = stored_name(mailbox)
        with told_to_clients(self._log):
            row = self._db.mailbox_named(self._id, name)
        return OpenMailbox(
            self._db,
            self._known,
            self._watchers,
            self._log,
            self._clock,
            row,
            name,
            recent_stays=self._recent_stays,
        )

    async def append(
        self, mailbox: str, body: Body, system: int, keywords: Sequence[str], received: int | None
    ) -> Appended:
        name = stored_name(mailbox)
        with told_to_clients(self._log):
            self._db.mailbox_named(
                self._id, name
            )  # before any work, and before TooBig: TRYCREATE comes first
            if body.size > self._append_limit:
                raise TooBig
            message = await incoming.of_append(self._db, body)
            now = self._now()
            stored = await self._db.run(
                units.Append(
                    account=self._id,
                    mailbox=name,
                    body=message.octets,
                    description=message.description,
                    parts=message.structure.parts,
                    system=system,
                    keywords=tuple(keywords),
                    received=now if received is None else received,
                    saved=now,
                )
            )
        return Appended(stored.uidvalidity, stored.uid)

    async def create_mailbox(self, mailbox: str, special_use: str = "") -> None:
        name = new_name(mailbox)
        if special_use and special_use not in SPECIAL_USES:
            raise NoSuchSpecialUse
        with told_to_clients(self._log):
            await self._db.run(units.CreateMailbox(self._id, name, special_use, self._now()))

    async def delete_mailbox(self, mailbox: str) -> None:
        with told_to_clients(self._log):
            await self._db.run(units.RemoveMailbox(self._id, stored_name(mailbox)))
            await self._db.purge_removed()

    async def rename_mailbox(self, mailbox: str, name: str) -> None:
        old, new = stored_name(mailbox), new_name(name)
        if old == units.INBOX:
            await self._empty_inbox(new)
            return
        with told_to_clients(self._log):
            await self._db.run(units.RenameMailbox(self._id, old, new, self._now()))

    async def set_subscribed(self, mailbox: str, subscribed: bool) -> None:
        with told_to_clients(self._log):
            await self._db.run(units.Subscribe(self._id, stored_name(mailbox), subscribed))

    async def _empty_inbox(self, name: str) -> None:
        """What came in so far goes into a new mailbox: in steps, of which a crash leaves each done or not."""
        await self.create_mailbox(name)
        inbox = await self.open(units.INBOX)
        found = await inbox.snapshot()
        await inbox.move(found.uids, name)

    def _now(self) -> int:
        return int(self._clock.time())
