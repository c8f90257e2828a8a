"""Which command may come when, as data (RFC 5321 §4.1.4, spec/smtp-endpoint.md §2)."""

from collections.abc import Mapping
from enum import IntEnum, auto
from types import MappingProxyType
from typing import Final

from posthouse.wire.smtp import replies


class State(IntEnum):
    """How far a session is. A number: looking one up takes no code of Enum."""

    START = auto()  # not greeted
    READY = auto()
    SENDER = auto()  # MAIL was accepted
    RECIPIENTS = auto()  # and at least one RCPT
    CHUNKS = auto()  # and at least one BDAT


TRANSACTION: Final = frozenset({State.SENDER, State.RECIPIENTS, State.CHUNKS})

# The reply to a command in a state where it may not come. Commands that are not here may always come.
OUT_OF_TURN: Final[Mapping[str, Mapping[State, bytes]]] = MappingProxyType(
    {
        "MAIL": {State.START: replies.NOT_GREETED, State.CHUNKS: replies.MAIL_IN_TRANSFER},
        "RCPT": {
            State.START: replies.NO_SENDER,
            State.READY: replies.NO_SENDER,
            State.CHUNKS: replies.RCPT_IN_TRANSFER,
        },
        "DATA": {
            State.START: replies.NO_RECIPIENT,
            State.READY: replies.NO_RECIPIENT,
            State.SENDER: replies.NO_RECIPIENT,
            State.CHUNKS: replies.DATA_IN_TRANSFER,
        },
        "BDAT": {
            State.START: replies.NO_RECIPIENT,
            State.READY: replies.NO_RECIPIENT,
            State.SENDER: replies.NO_RECIPIENT,
        },
        "AUTH": {
            State.START: replies.NOT_GREETED,
            State.SENDER: replies.AUTH_IN_TRANSACTION,  # RFC 4954 §4
            State.RECIPIENTS: replies.AUTH_IN_TRANSACTION,
            State.CHUNKS: replies.AUTH_IN_TRANSACTION,
        },
    }
)
