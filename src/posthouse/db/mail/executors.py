"""Which function runs which unit on SQLite."""

from typing import Final

from posthouse.db.compact import COMPACT_EXECUTORS
from posthouse.db.doomed import DOOMED_EXECUTORS
from posthouse.db.lease import LEASE_EXECUTORS
from posthouse.db.mail import accounts, copy, deliver, expunge, flags, mailboxes, units
from posthouse.db.mail.collect import COLLECT_EXECUTORS
from posthouse.db.mail.repair import REPAIR_EXECUTORS
from posthouse.db.units import Dialect, Executors

_ONE: Final[Executors] = {
    units.Append: deliver.append,
    units.StoreFlags: flags.store_flags,
    units.ClaimRecent: flags.claim_recent,
    units.Expunge: expunge.expunge,
    units.CreateAccount: accounts.create_account,
    units.RemoveAccount: expunge.remove_account,
    units.RemoveMailbox: expunge.remove_mailbox,
    units.PurgeRemoved: expunge.purge_removed,
    units.SetAppendLimit: accounts.set_append_limit,
    units.CreateMailbox: mailboxes.create_mailbox,
    units.RenameMailbox: mailboxes.rename_mailbox,
    units.Subscribe: mailboxes.subscribe,
    units.Copy: copy.copy,
    **LEASE_EXECUTORS,
    **COMPACT_EXECUTORS,
    **DOOMED_EXECUTORS,
    **COLLECT_EXECUTORS,
    **REPAIR_EXECUTORS,
}

SQLITE: Final = Dialect(_ONE, many={units.Deliver: deliver.deliver})
