"""The mailboxes of one account."""

import re
from collections.abc import Sequence
from typing import Final

from posthouse.core.log import Logger
from posthouse.core.world import Clock
from posthouse.db.mail import units
from posthouse.db.mail.database import MailDatabase
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.storage import (
    Appended,
    MailboxInfo,
    MailboxStatus,
    StorageError,
    TooBig,
)
from posthouse.modules.storage.imapsql import incoming
from posthouse.modules.storage.imapsql.errors import told_to_clients
from posthouse.modules.storage.imapsql.mailbox import OpenMailbox
from posthouse.modules.storage.imapsql.watchers import Watchers

NAME_MAX: Final = 1000  # octets of a mailbox's name in UTF-8
LEVELS_MAX: Final = 100
SPECIAL_USES: Final = frozenset({"\\Archive", "\\Drafts", "\\Junk", "\\Sent", "\\Trash"})
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class MailAccount:
    """See framework.interfaces.storage.Account."""

    def __init__(
        self,
        db: MailDatabase,
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
        return [MailboxInfo(row.id, row.name, row.special_use, bool(row.subscribed)) for row in found]

    async def status(self, mailbox: str) -> MailboxStatus:
        with told_to_clients(self._log):
            row = self._db.mailbox_named(self._id, stored_name(mailbox))
        return MailboxStatus(row.total, row.recent, row.unseen, row.uidnext, row.uidvalidity, row.modseq)

    async def open(self, mailbox: str) -> OpenMailbox:
        name = stored_name(mailbox)
        with told_to_clients(self._log):
            row = self._db.mailbox_named(self._id, name)
        return OpenMailbox(self._db, self._watchers, self._log, row, name, recent_stays=self._recent_stays)

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
            now = int(self._clock.time())
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
        name = stored_name(mailbox.removesuffix(units.DELIMITER))
        check_name(name)
        if special_use and special_use not in SPECIAL_USES:
            raise StorageError("No such special use")
        with told_to_clients(self._log):
            await self._db.run(units.CreateMailbox(self._id, name, special_use, int(self._clock.time())))


def stored_name(mailbox: str) -> str:
    """INBOX in any case is the inbox; all other names are as they are."""
    return units.INBOX if mailbox.upper() == units.INBOX else mailbox


def check_name(mailbox: str) -> None:
    """Raise StorageError for a name that no mailbox may have (R-105)."""
    levels = mailbox.split(units.DELIMITER)
    if not all(levels) or len(levels) > LEVELS_MAX or _CONTROL.search(mailbox):
        raise StorageError("Invalid mailbox name")
    if len(mailbox.encode()) > NAME_MAX:
        raise StorageError("Mailbox name is too long")
