"""The IMAP engine: one file per command."""
