"""How messages are shown on a terminal."""

import re
from collections.abc import Iterator

from posthouse.framework.interfaces.storage import MessageRow
from posthouse.message.date import format_date, parse_date
from posthouse.message.envelope import Envelope, addresses_in, addresses_text, split_envelope, string_in
from posthouse.message.text.words import decode_words

# Whoever writes to us must not move the operator's cursor, or the order of what stands there.
_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


def in_short(row: MessageRow, flags: str) -> str:
    """`UID n: From - Subject`, then flags and date, then an empty line. The date: of its Date field, else INTERNALDATE."""
    envelope = split_envelope(row.envelope)
    sent = parse_date(string_in(envelope.date))
    date = format_date(row.received if sent is None else sent)
    return f"UID {row.uid}: {_people(envelope.author)} - {_text(envelope.subject)}\n  [{flags}] {date}\n\n"


def in_full(row: MessageRow, number: int, flags: str) -> str:
    """A line for each thing that is known, then an empty line. number: its sequence number."""
    lines = {
        "UID": str(row.uid),
        "Sequence number": str(number),
        "Flags": f"[{flags}]",
        "Size": f"{row.size} octets",
        "Internal date": format_date(row.received),
        **{name: value for name, value in _fields(split_envelope(row.envelope)) if value},
    }
    return "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


def _fields(envelope: Envelope) -> Iterator[tuple[str, str]]:
    """The fields of the header, in their usual order; "" for what is missing. What only repeats From is left out."""
    author = envelope.author
    yield "Date", _text(envelope.date)
    yield "From", _people(author)
    yield "Sender", _people(envelope.sender) if envelope.sender != author else ""
    yield "Reply-To", _people(envelope.reply_to) if envelope.reply_to != author else ""
    yield "To", _people(envelope.to)
    yield "Cc", _people(envelope.cc)
    yield "Bcc", _people(envelope.bcc)
    yield "Subject", _text(envelope.subject)
    yield "In-Reply-To", _text(envelope.in_reply_to)
    yield "Message-Id", _text(envelope.message_id)


def _text(field: bytes) -> str:
    return _UNSAFE.sub(" ", decode_words(string_in(field)))


def _people(field: bytes) -> str:
    return _UNSAFE.sub(" ", addresses_text(addresses_in(field)))
