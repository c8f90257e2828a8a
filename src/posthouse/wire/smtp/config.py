"""What an SMTP server offers, and its limits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The same for all sessions of an endpoint."""

    hostname: str  # in A-labels
    lmtp: bool = False
    line_max: int = 4000  # octets of a line with its CRLF; RFC 5321 §4.5.3.1.6 asks for at least 1000
    message_max: int = 0  # octets; 0 is no limit
    recipients_max: int = 0  # of one message; 0 is no limit
    starttls: bool = False
    mechanisms: tuple[str, ...] = ()  # of SASL
    insecure_auth: bool = False  # AUTH without TLS
    dsn: bool = False  # RFC 3461
    bare_postmaster: bool = False  # RCPT TO:<Postmaster> is a recipient (RFC 5321 §4.5.1)
    mends_newlines: bool = False  # bare CR and LF in a message become CRLF, else it is refused

    def greeting(self) -> bytes:
        return f"220 {self.hostname} {'LMTP' if self.lmtp else 'ESMTP'} Service Ready\r\n".encode()

    def may_authenticate(self, *, tls: bool) -> bool:
        """Whether a password may be sent over this connection."""
        return tls or self.insecure_auth

    def keywords(self, *, tls: bool) -> list[str]:
        """The lines of an EHLO reply after the first (spec/smtp-endpoint.md §3)."""
        keywords = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING"]
        if self.starttls and not tls:
            keywords.append("STARTTLS")
        if self.mechanisms and self.may_authenticate(tls=tls):
            keywords.append(f"AUTH {' '.join(self.mechanisms)}")
        keywords.append("SMTPUTF8")
        if tls:
            keywords.append("REQUIRETLS")
        keywords.append(f"SIZE {self.message_max}" if self.message_max else "SIZE")
        if self.dsn:
            keywords.append("DSN")
        if self.recipients_max > 0:
            keywords.append(f"LIMITS RCPTMAX={self.recipients_max}")
        return keywords
