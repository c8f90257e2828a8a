"""imap: mailboxes for mail clients (RFC 3501)."""

from posthouse.modules.endpoint.imap.endpoint import ImapEndpoint

__all__ = ["ImapEndpoint"]
