"""Names of mailboxes: which there can be, and how they are stored."""

import re
from typing import Final

from posthouse.db.mail.units import DELIMITER, INBOX
from posthouse.framework.interfaces.storage import CannotChange

NAME_MAX: Final = 1000  # octets of a mailbox's name in UTF-8
LEVELS_MAX: Final = 100
_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def stored_name(mailbox: str) -> str:
    """INBOX in any case is the inbox, also as the parent of others; all else is as it is."""
    top, delimiter, rest = mailbox.partition(DELIMITER)
    return f"{INBOX}{delimiter}{rest}" if top.encode(errors="replace").upper() == b"INBOX" else mailbox


def new_name(mailbox: str) -> str:
    """The name of a mailbox to be made; a delimiter at its end says nothing. Raises CannotChange for one that cannot be (R-105)."""
    name = stored_name(mailbox.removesuffix(DELIMITER))
    levels = name.split(DELIMITER)
    if not all(levels) or len(levels) > LEVELS_MAX or _CONTROL.search(name):
        raise CannotChange("Invalid mailbox name")
    if len(name.encode()) > NAME_MAX:
        raise CannotChange("Mailbox name is too long")
    return name
