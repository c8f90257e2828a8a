"""What an SMTP client wants, as the server's engine tells it."""

from dataclasses import dataclass
from typing import Final

from posthouse.wire.sasl.mechanism import SaslError
from posthouse.wire.smtp.parameters import NO_RCPT_OPTIONS, MailOptions, RcptOptions
from posthouse.wire.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO, HELO or LHLO. To be answered."""

    name: str
    is_extended: bool  # not HELO


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL: a transaction begins. To be answered; a refusal leaves an earlier transaction as it is."""

    reverse_path: str  # "" is `<>`
    options: MailOptions


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT. To be answered."""

    recipient: str
    options: RcptOptions = NO_RCPT_OPTIONS


@dataclass(frozen=True, slots=True)
class Content:
    """The next octets of the message, as they are to be stored. Any number, also none, of these come before MessageEnd."""

    data: bytes


@dataclass(frozen=True, slots=True)
class MessageEnd:
    """The message is complete. To be answered; then the transaction is over.

    error: why its content cannot be taken, and the answer that is due.
    """

    error: Reply | None


@dataclass(frozen=True, slots=True)
class Reset:
    """The transaction is over without a message. Already answered."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS. Accept it, send everything, do the handshake and say `tls_started`, or close the connection."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH. To be answered: accept, refuse or challenge."""

    mechanism: str  # in upper case
    initial: bytes | None  # the initial response, decoded; None without one


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The client's response to a challenge, decoded. To be answered like Auth."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AuthEnded:
    """The exchange is over, and answered: `error` says what was wrong with it, None that the client cancelled it."""

    error: SaslError | None


@dataclass(frozen=True, slots=True)
class Flush:
    """So many replies have gathered that they must be sent before anything else."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over: send what is to be sent, then close the connection."""


Event = (
    Hello
    | Mail
    | Rcpt
    | Content
    | MessageEnd
    | Reset
    | StartTls
    | Auth
    | AuthResponse
    | AuthEnded
    | Flush
    | Closed
)

RESET: Final = Reset()
START_TLS: Final = StartTls()
FLUSH: Final = Flush()
CLOSED: Final = Closed()
