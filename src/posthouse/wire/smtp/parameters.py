"""Parameters of MAIL and RCPT (RFC 5321 §4.1.1.11): which ones there are, and what is wrong with one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from posthouse.wire.lines import ProtocolError
from posthouse.wire.smtp.path import PathError, parse_path
from posthouse.wire.smtp.reply import EnhancedCode, Reply

SIZE_DIGITS: Final = 20  # RFC 1870 §4

BAD_ARGUMENT: Final[EnhancedCode] = (5, 5, 4)
_NOT_IMPLEMENTED: Final = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})  # DSN (RFC 3461) is not offered
_HEX = re.compile(r"\+([0-9A-F]{2})")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})++")  # RFC 3461 §4


class CommandError(ProtocolError):
    """A command that is refused for what it says."""

    def __init__(self, code: int, enhanced: EnhancedCode, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


@dataclass(frozen=True, slots=True)
class MailOptions:
    """Parameters of MAIL FROM."""

    body: str = ""  # "", "7BIT" or "8BITMIME"
    size: int = 0  # octets, as declared; 0 is unknown
    utf8: bool = False  # SMTPUTF8 (RFC 6531)
    require_tls: bool = False  # REQUIRETLS (RFC 8689)
    auth: str = ""  # AUTH=


NO_OPTIONS: Final = MailOptions()


def parse_mail_options(text: str, *, tls: bool) -> MailOptions:
    """What follows the reverse-path. tls: whether REQUIRETLS is on offer. Raises CommandError."""
    options = NO_OPTIONS
    for keyword, value in _split(text, "MAIL").items():
        parse = _MAIL.get(keyword)
        if parse is None or (keyword == "REQUIRETLS" and not tls):
            raise _unknown(keyword, "MAIL FROM")
        options = parse(options, value)
    return options


def parse_rcpt_options(text: str) -> None:
    """What follows the forward-path: there is no parameter that we take. Raises CommandError."""
    for keyword in _split(text, "RCPT"):
        raise _unknown(keyword, "RCPT TO")


def _split(text: str, command: str) -> Mapping[str, str | None]:
    """Keywords in upper case, and their values. None twice."""
    if not text:
        return MappingProxyType({})
    error = CommandError(501, BAD_ARGUMENT, f"Unable to parse {command} ESMTP parameters")
    if text[0] not in " \t":
        raise error
    parameters: dict[str, str | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if not keyword or keyword in parameters or "=" in value:
            raise error
        parameters[keyword] = value if equals else None
    return parameters


def _unknown(keyword: str, command: str) -> CommandError:
    if keyword in _NOT_IMPLEMENTED:
        return CommandError(504, BAD_ARGUMENT, f"{keyword} is not implemented")
    return CommandError(500, BAD_ARGUMENT, f"Unknown {command} argument")


def _size(options: MailOptions, value: str | None) -> MailOptions:
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > SIZE_DIGITS:
        raise CommandError(501, BAD_ARGUMENT, "Unable to parse SIZE as an integer")
    return replace(options, size=int(value))


def _body(options: MailOptions, value: str | None) -> MailOptions:
    body = (value or "").upper()
    if body == "BINARYMIME":
        raise CommandError(504, BAD_ARGUMENT, "BINARYMIME is not implemented")
    if body not in ("7BIT", "8BITMIME"):
        raise CommandError(501, BAD_ARGUMENT, "Unknown BODY value")
    return replace(options, body=body)


def _utf8(options: MailOptions, value: str | None) -> MailOptions:
    _without_value(value)
    return replace(options, utf8=True)


def _require_tls(options: MailOptions, value: str | None) -> MailOptions:
    _without_value(value)
    return replace(options, require_tls=True)


def _without_value(value: str | None) -> None:
    if value is not None:
        raise CommandError(501, BAD_ARGUMENT, "Unable to parse MAIL ESMTP parameters")


def _auth(options: MailOptions, value: str | None) -> MailOptions:
    """RFC 4954 §5: a mailbox in xtext, or `<>`."""
    if value == "<>":
        return replace(options, auth="")
    if value is None or not _XTEXT.fullmatch(value):
        raise CommandError(500, BAD_ARGUMENT, "Malformed AUTH parameter value")
    mailbox = _HEX.sub(lambda match: chr(int(match[1], 16)), value)
    if not (
        mailbox.isascii() and mailbox.isprintable()
    ):  # no control character gets into a log or queue by this way
        raise CommandError(500, BAD_ARGUMENT, "Malformed AUTH parameter value")
    try:
        address, rest = parse_path(mailbox)
    except PathError:
        address, rest = "", mailbox
    if rest or not address or mailbox.startswith(("<", "@")):
        raise CommandError(500, BAD_ARGUMENT, "Malformed AUTH parameter mailbox")
    return replace(options, auth=address)


_MAIL: Final[Mapping[str, Callable[[MailOptions, str | None], MailOptions]]] = MappingProxyType(
    {"SIZE": _size, "BODY": _body, "SMTPUTF8": _utf8, "REQUIRETLS": _require_tls, "AUTH": _auth}
)
