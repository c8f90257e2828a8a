"""A command line, taken apart (spec/smtp-endpoint.md §2)."""

import re
from typing import Final

from posthouse.wire.lines import ProtocolError
from posthouse.wire.smtp import replies
from posthouse.wire.smtp.parameters import BAD_ARGUMENT, CommandError

STARTTLS: Final = "STARTTLS"
CHUNK_MAX: Final = 2**32 - 1  # octets of a chunk; what follows a larger number is no chunk for us

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# How other protocols begin: a TLS record with a ClientHello (RFC 8446 §5.1), an HTTP request.
_OTHER_PROTOCOL = re.compile(rb"\x16|(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) ")
OTHER_PROTOCOL_MAX: Final = 8  # octets that tell it


class BadLine(ProtocolError):
    """A line that is no command; too many of them end the session."""

    def __init__(self, reply: bytes) -> None:
        super().__init__()
        self.reply = reply


def split_command(line: bytes) -> tuple[str, str]:
    """The verb, in upper case, and the argument, without blanks around it.

    Raises BadLine, also for control characters and for what is not UTF-8.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise BadLine(replies.BAD_COMMAND) from None
    if not text.isprintable() and _CONTROL.search(text):
        raise BadLine(replies.BAD_COMMAND)
    verb = text[:4].upper()
    if verb == "STAR" and text[:8].upper() == STARTTLS:
        return STARTTLS, ""
    if not text:
        raise BadLine(replies.BAD_SYNTAX)
    if len(text) == 4:
        return verb, ""
    if len(text) == 5 or text[4:5] != " ":
        raise BadLine(replies.BAD_COMMAND)
    return verb, text[5:].strip(" ")


def is_other_protocol(line: bytes) -> bool:
    """A browser was made to speak to us (ALPACA): what it sends next may look like mail. Or TLS, where there is none."""
    return _OTHER_PROTOCOL.match(line) is not None


def parse_chunk(argument: str) -> tuple[int, bool]:
    """The size of a chunk in octets, and whether it is the last one (RFC 3030 §2). Raises CommandError."""
    match argument.split():
        case []:
            raise CommandError(501, BAD_ARGUMENT, "Missing chunk size argument")
        case [digits]:
            is_last = False
        case [digits, last]:
            if last.upper() != "LAST":
                raise CommandError(501, BAD_ARGUMENT, "Unknown BDAT argument")
            is_last = True
        case _:
            raise CommandError(501, BAD_ARGUMENT, "Too many arguments")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or int(digits) > CHUNK_MAX:
        raise CommandError(501, BAD_ARGUMENT, "Malformed size argument")
    return int(digits), is_last
