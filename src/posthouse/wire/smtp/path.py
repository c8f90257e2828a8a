"""Paths of MAIL and RCPT (RFC 5321 §4.1.2), as the peers of this world write them (spec/smtp-endpoint.md §2)."""

import re

from posthouse.wire.lines import ProtocolError

# `<@source,@route:"local part"@domain>`: brackets are optional, a source route is dropped, a domain is not validated.
_PATH = re.compile(
    r"(?P<open><?)"
    r"(?:@[^:]*+:)?"
    r'(?:"(?P<quoted>(?:[^"\\\t]|\\[^\t])++)"|(?P<local>[^()<>\[\]:;@\\," \t]++))'
    r"@(?P<domain>[^ \t>]++)"
)
_ESCAPE = re.compile(r"\\(.)")
_POSTMASTER = "<postmaster>"


class PathError(ProtocolError):
    """This is no path."""


def parse_path(text: str) -> tuple[str, str]:
    """The address of the path at the beginning of `text`, and what follows the path.

    A quoted local part comes without its quotes. Raises PathError.
    """
    match = _PATH.match(text)
    if match is None:
        raise PathError
    end = match.end()
    if match["open"]:
        if text[end : end + 1] != ">":
            raise PathError
        end += 1
    local = match["local"] or _ESCAPE.sub(r"\1", match["quoted"])
    return f"{local}@{match['domain']}", text[end:]


def parse_forward_path(text: str, *, bare_postmaster: bool) -> tuple[str, str]:
    """Like `parse_path`; `<Postmaster>` in any case gives "postmaster", if that is wanted. Raises PathError."""
    if bare_postmaster and text[: len(_POSTMASTER)].lower() == _POSTMASTER:
        return "postmaster", text[len(_POSTMASTER) :]
    return parse_path(text)


def parse_reverse_path(text: str) -> tuple[str, str]:
    """Like `parse_path`; `<>` gives the address "". Raises PathError."""
    if text.startswith("<>"):
        return "", text[2:]
    return parse_path(text)
