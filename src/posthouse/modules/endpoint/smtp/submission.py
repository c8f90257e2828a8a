"""The header of a message whose first server we are (spec/smtp-endpoint.md §9): what is missing is added, what is wrong refused."""

from typing import Final
from uuid import UUID

from posthouse.core.errors import MailError
from posthouse.core.events import MessageLog
from posthouse.core.world import World
from posthouse.message.date import format_date, is_rfc5322_date
from posthouse.message.header import Header
from posthouse.message.originators import MalformedField, parse_originators
from posthouse.wire.smtp.reply import EnhancedCode, Reply

BAD_MESSAGE: Final[EnhancedCode] = (5, 6, 0)

_LISTS: Final = (b"To", b"Cc", b"Bcc", b"Reply-To")
_AUTHORS: Final = (b"From", b"Sender")


def complete(header: Header, hostname: str, world: World, log: MessageLog) -> None:
    """Raises MailError for a header that nobody should send. hostname: our own name, for Message-ID."""
    if not header.get(b"Message-ID"):
        log.info("adding missing Message-ID")
        header.add("Message-ID", f"<{UUID(bytes=world.random(16), version=4)}@{hostname}>")
    _check_addresses(header)
    date = header.get(b"Date")
    if not date:
        log.info("adding missing Date header")
        header.add("Date", format_date(int(world.clock.time())).replace(", 0", ", ", 1))
    elif not is_rfc5322_date(date):
        raise _refusal("Malformed Date header")


def _check_addresses(header: Header) -> None:
    if not header.get(b"From"):
        raise _refusal("Message does not contains a From header field")
    for name in _AUTHORS:  # readers differ about which one of several counts
        if header.count(name) > 1:
            raise _refusal(f"Message contains several {name.decode()} header fields")
    sender = _addresses(header, b"Sender")
    if len(sender) > 1:
        raise _refusal("Invalid address in Sender")
    for name in _LISTS:
        _addresses(header, name)
    authors = _addresses(header, b"From")
    if not authors:  # only an empty group
        raise _refusal("Invalid address in From")
    if len(authors) > 1 and not sender:
        raise _refusal("Missing Sender header field")


def _addresses(header: Header, name: bytes) -> list[str]:
    """The addresses in all fields of this name that are not empty. Raises MailError."""
    try:
        return [one for value in header.get_all(name) if value for one in parse_originators(value)]
    except MalformedField as err:
        raise _refusal(f"Invalid address in {name.decode()}") from err


def _refusal(text: str) -> MailError:
    return MailError(Reply(554, BAD_MESSAGE, text))
