"""Lists of addresses read strictly, as they are demanded of those who begin a message (RFC 5322 §3.4).

Here a list is right or wrong, and no two readers can differ about it; `address_list` makes the best of any octets.
"""

import re
from typing import Final

from posthouse.message.comment import without_comments

_SPACE: Final = rb"[ \t]*+"
_ATOM: Final = rb"[!#$%&'*+\-/=?^_`{|}~0-9A-Za-z\x80-\xff]++"
_QUOTED: Final = rb'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[^\x00-\x08\x0a-\x1f\x7f])*+"'
_DOT_ATOM: Final = rb"%b(?:\.%b)*+" % (_ATOM, _ATOM)
_ADDRESS: Final = rb"((?:%b|%b)%b@%b(?:%b|\[[^\[\]\\]*+\]))" % (_DOT_ATOM, _QUOTED, _SPACE, _SPACE, _DOT_ATOM)
_WORDS: Final = rb"(?:(?:%b|\.|%b)%b)" % (
    _ATOM,
    _QUOTED,
    _SPACE,
)  # of a phrase; a dot is obsolete there, and usual
_MAILBOX = re.compile(
    rb"%b(?:%b*+<%b%b%b>|%b)" % (_SPACE, _WORDS, _SPACE, _ADDRESS, _SPACE, _ADDRESS) + _SPACE
)
_GROUP = re.compile(rb"%b%b++:" % (_SPACE, _WORDS))
_BLANK = re.compile(_SPACE)


class MailboxError(ValueError):
    """This is no list of addresses."""


def parse_mailboxes(value: bytes) -> list[bytes]:
    """The addresses in an unfolded value, as they are written; those of groups too. Raises MailboxError.

    A list may be empty, as a group may; and so may its elements, as of old (RFC 5322 §4.4).
    """
    text = _without_comments(value)
    found: list[bytes] = []
    at, in_group = 0, False
    while True:
        if match := _MAILBOX.match(text, at):
            found.append(match[1] or match[2])
            at = match.end()
        elif not in_group and (match := _GROUP.match(text, at)):
            at, in_group = match.end(), True
            continue
        else:
            at = _after_blanks(text, at)
        if in_group and text[at : at + 1] == b";":
            at, in_group = _after_blanks(text, at + 1), False
        if at == len(text) and not in_group:
            return found
        if text[at : at + 1] != b",":
            raise MailboxError("malformed address list")
        at += 1


def parse_mailbox(value: bytes) -> bytes:
    """The only address in an unfolded value. Raises MailboxError."""
    match = _MAILBOX.fullmatch(_without_comments(value))
    if match is None:
        raise MailboxError("malformed address")
    return match[1] or match[2]


def _after_blanks(text: bytes, at: int) -> int:
    match = _BLANK.match(text, at)
    assert match is not None
    return match.end()


def _without_comments(value: bytes) -> bytes:
    text = without_comments(value + b",")  # which a comment without its end swallows
    if not text.endswith(b","):
        raise MailboxError("a comment without its end")
    return text[:-1]
