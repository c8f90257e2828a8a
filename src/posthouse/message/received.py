"""The trace field that a server puts on top of every message (RFC 5321 §4.4, spec/message-pipeline.md §8)."""

import re
from dataclasses import dataclass

from posthouse.message.address import AddressError, select_idna

_NAME_MAX = 255  # characters of a peer's name that we pass on

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Client:
    """The peer that gave us a message, as far as it is shown to others."""

    hello: str  # the name given in EHLO, HELO or LHLO
    ip: str  # "" for Unix sockets
    rdns: str | None = None  # the name found by reverse lookup


def received_value(
    *,
    client: Client | None,
    hostname: str,
    reverse_path: str,
    protocol: str,
    utf8: bool,
    message_id: str,
    date: str,
) -> str:
    """The value of a Received field, on one line.

    client: None where it is not to be told, as for submission; then the value begins with `by`.
    hostname: our own name. reverse_path: as it was received; "" is `<>`.
    protocol: `ESMTP`, `ESMTPS` or `LMTP`. utf8: SMTPUTF8 is used. date: as RFC 5322 has it.
    """
    words = [] if client is None else _from(client, utf8)
    words.append(f"by {_clean(hostname)}")
    sender = _converted(reverse_path, utf8)
    if sender:
        words.append(f"(envelope-sender <{sender}>)")
    words.append(f"with {'UTF8' if utf8 else ''}{protocol} id {message_id}; {date}")
    return " ".join(words)


def _from(client: Client, utf8: bool) -> list[str]:
    words = []
    hello = _converted(client.hello, utf8)
    if hello:
        words.append(f"from {hello[:_NAME_MAX]}")
    if client.ip:
        rdns = _clean(client.rdns or "")[:_NAME_MAX]
        words.append(f"({rdns} [{client.ip}])" if rdns else f"([{client.ip}])")
    return words


def _converted(name: str, utf8: bool) -> str:
    """The name as a peer may see it; "" if it cannot be converted."""
    try:
        return select_idna(_clean(name), utf8=utf8)
    except AddressError:
        return ""


def _clean(text: str) -> str:
    """The text without what could break a line of a header or of a log."""
    return text if text.isprintable() else _UNSAFE.sub("", text)
