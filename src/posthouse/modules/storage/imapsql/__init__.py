"""storage.imapsql: mailboxes in a SQL database, bodies beside it; storage, delivery target and table at once."""

from posthouse.modules.storage.imapsql.module import ImapSql

__all__ = ["ImapSql"]
