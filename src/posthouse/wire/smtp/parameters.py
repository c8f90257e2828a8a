"""Parameters of MAIL and RCPT (RFC 5321 §4.1.1.11): which ones there are, and what is wrong with one."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec.structs import replace

from posthouse.wire.lines import ProtocolError
from posthouse.wire.smtp.path import PathError, parse_path
from posthouse.wire.smtp.reply import EnhancedCode, Reply

SIZE_DIGITS: Final = 20  # RFC 1870 §4

BAD_ARGUMENT: Final[EnhancedCode] = (5, 5, 4)
ENVID_MAX: Final = 100  # characters, decoded or not (RFC 3461 §4.4)
ORCPT_MAX: Final = 500  # characters (RFC 3461 §4.2)

_DSN: Final = frozenset({"RET", "ENVID", "NOTIFY", "ORCPT"})  # only where the extension is offered
_HEX = re.compile(r"\+([0-9A-F]{2})")
_ATOM = re.compile(r"[!#$%&'*+\-/=?^_`{|}~0-9A-Za-z]+")
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})++")  # RFC 3461 §4


class CommandError(ProtocolError):
    """A command that is refused for what it says."""

    def __init__(self, code: int, enhanced: EnhancedCode, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


class MailOptions(msgspec.Struct, frozen=True):
    """Parameters of MAIL FROM."""

    body: str = ""  # "", "7BIT" or "8BITMIME"
    size: int = 0  # octets, as declared; 0 is unknown
    utf8: bool = False  # SMTPUTF8 (RFC 6531)
    require_tls: bool = False  # REQUIRETLS (RFC 8689)
    auth: str = ""  # AUTH=
    ret: str = ""  # RET= of DSN (RFC 3461 §4.3): "", "FULL" or "HDRS"
    envid: str = ""  # ENVID= of DSN, decoded


class RcptOptions(msgspec.Struct, frozen=True):
    """Parameters of RCPT TO, all of them of DSN (RFC 3461 §4.1, §4.2)."""

    notify: frozenset[str] = frozenset()  # empty, {"NEVER"}, or some of "SUCCESS", "FAILURE", "DELAY"
    orcpt: str = ""  # the type of the address, `;`, and the address, decoded


NO_OPTIONS: Final = MailOptions()
NO_RCPT_OPTIONS: Final = RcptOptions()


def parse_mail_options(text: str, *, tls: bool, dsn: bool = False) -> MailOptions:
    """What follows the reverse-path. tls, dsn: whether REQUIRETLS and DSN are on offer. Raises CommandError."""
    options = NO_OPTIONS
    for keyword, value in _split(text, "MAIL").items():
        _check_offer(keyword, dsn)
        parse = _MAIL.get(keyword)
        if parse is None or (keyword == "REQUIRETLS" and not tls):
            raise CommandError(500, BAD_ARGUMENT, "Unknown MAIL FROM argument")
        options = parse(options, value)
    return options


def parse_rcpt_options(text: str, *, dsn: bool = False) -> RcptOptions:
    """What follows the forward-path. dsn: whether DSN is on offer. Raises CommandError."""
    options = NO_RCPT_OPTIONS
    for keyword, value in _split(text, "RCPT").items():
        _check_offer(keyword, dsn)
        parse = _RCPT.get(keyword)
        if parse is None:
            raise CommandError(500, BAD_ARGUMENT, "Unknown RCPT TO argument")
        options = parse(options, value or "")
    return options


def _split(text: str, command: str) -> Mapping[str, str | None]:
    """Keywords in upper case, and their values. None twice."""
    if not text:
        return MappingProxyType({})
    unreadable = f"Unable to parse {command} ESMTP parameters"
    if text[0] not in " \t":
        raise CommandError(501, BAD_ARGUMENT, unreadable)
    parameters: dict[str, str | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        keyword = keyword.upper()
        if not keyword or keyword in parameters or "=" in value:
            raise CommandError(501, BAD_ARGUMENT, unreadable)
        parameters[keyword] = value if equals else None
    return parameters


def _check_offer(keyword: str, dsn: bool) -> None:
    if keyword in _DSN and not dsn:
        raise CommandError(504, BAD_ARGUMENT, f"{keyword} is not implemented")


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
    mailbox = _decoded(value or "")
    if not mailbox:
        raise CommandError(500, BAD_ARGUMENT, "Malformed AUTH parameter value")
    try:
        address, rest = parse_path(mailbox)
    except PathError:
        address, rest = "", mailbox
    if rest or not address or mailbox.startswith(("<", "@")):
        raise CommandError(500, BAD_ARGUMENT, "Malformed AUTH parameter mailbox")
    return replace(options, auth=address)


def _ret(options: MailOptions, value: str | None) -> MailOptions:
    ret = (value or "").upper()
    if ret not in ("FULL", "HDRS"):
        raise CommandError(501, BAD_ARGUMENT, "Unknown RET value")
    return replace(options, ret=ret)


def _envid(options: MailOptions, value: str | None) -> MailOptions:
    envid = _decoded(value or "")
    if not envid or len(envid) > ENVID_MAX:
        raise CommandError(501, BAD_ARGUMENT, "Malformed ENVID parameter value")
    return replace(options, envid=envid)


def _notify(options: RcptOptions, value: str) -> RcptOptions:
    notify = frozenset(value.upper().split(","))
    if notify != {"NEVER"} and not notify <= {"SUCCESS", "FAILURE", "DELAY"}:
        raise CommandError(501, BAD_ARGUMENT, "Unknown NOTIFY value")
    return replace(options, notify=notify)


def _orcpt(options: RcptOptions, value: str) -> RcptOptions:
    kind, _, encoded = value.partition(";")
    address = _decoded(encoded)
    if not _ATOM.fullmatch(kind) or not address or len(value) > ORCPT_MAX:
        raise CommandError(501, BAD_ARGUMENT, "Malformed ORCPT parameter value")
    return replace(options, orcpt=f"{kind};{address}")


def _decoded(xtext: str) -> str:
    """What xtext stands for (RFC 3461 §4); "" if it is none. No control character gets into a log or queue by this way."""
    if not _XTEXT.fullmatch(xtext):
        return ""
    text = _HEX.sub(lambda match: chr(int(match[1], 16)), xtext)
    return text if text.isascii() and text.isprintable() else ""


_MAIL: Final[Mapping[str, Callable[[MailOptions, str | None], MailOptions]]] = MappingProxyType(
    {
        "SIZE": _size,
        "BODY": _body,
        "SMTPUTF8": _utf8,
        "REQUIRETLS": _require_tls,
        "AUTH": _auth,
        "RET": _ret,
        "ENVID": _envid,
    }
)
_RCPT: Final[Mapping[str, Callable[[RcptOptions, str], RcptOptions]]] = MappingProxyType(
    {"NOTIFY": _notify, "ORCPT": _orcpt}
)
