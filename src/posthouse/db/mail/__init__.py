"""Mail in SQLite: accounts, mailboxes, messages, and the journal of their changes."""
