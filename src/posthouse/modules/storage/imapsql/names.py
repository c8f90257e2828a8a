"""Names of mailboxes: which there can be, and how they are stored."""

import re
from typing import Final

from posthouse.db.mail.units import DELIMITER, INBOX, LEVELS_MAX, NAME_MAX
from posthouse.framework.interfaces.storage import CannotChange, NoSuchMailbox

_CONTROL: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def stored_name(mailbox: str) -> str:
    """INBOX in any case is the inbox, also as the parent of others; all else is as it is.

    Raises NoSuchMailbox for NUL: so are those called that were removed, and are yet to be purged.
    """
    if "\0" in mailbox:
        raise NoSuchMailbox
    top, delimiter, rest = mailbox.partition(DELIMITER)
    return f"{INBOX}{delimiter}{rest}" if top.encode(errors="replace").upper() == b"INBOX" else mailbox


def new_name(mailbox: str) -> str:
    """The name of a mailbox to be made; a delimiter at its end says nothing. Raises CannotChange for one that cannot be (R-105)."""
    levels = mailbox.removesuffix(DELIMITER).split(DELIMITER)
    if not all(levels) or len(levels) > LEVELS_MAX or _CONTROL.search(mailbox):
        raise CannotChange("Invalid mailbox name")
    name = stored_name(DELIMITER.join(levels))
    if len(name.encode()) > NAME_MAX:
        raise CannotChange("Mailbox name is too long")
    return name
