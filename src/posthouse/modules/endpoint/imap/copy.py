"""COPY and UID COPY."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Copied, NoSuchMailbox
from posthouse.modules.endpoint.imap.completion import Completion, Refused
from posthouse.modules.endpoint.imap.select import logged_in, opened
from posthouse.wire.imap.copy import Copy
from posthouse.wire.imap.sequence import format_set

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def copy(session: "Session", request: Copy) -> Completion:
    selected = opened(session)
    uids = selected.uids_at(selected.places(request.messages, by_uid=request.by_uid))
    try:
        copied = await selected.mailbox.copy(uids, request.destination)
    except NoSuchMailbox as err:
        raise await missing(session, request.destination) from err
    return Completion(code=copy_uid(copied))


def copy_uid(copied: Copied) -> str:
    """The response code that tells where the messages are now; "" if there are none (RFC 4315 §3)."""
    if not copied.sources:
        return ""
    return f"COPYUID {copied.uidvalidity} {format_set(copied.sources)} {format_set(copied.uids)}"


async def missing(session: "Session", destination: str) -> Exception:
    """Which mailbox it was that is not there: the client may create the destination, and try again (RFC 3501 §6.4.7)."""
    try:
        await logged_in(session).status(destination)
    except NoSuchMailbox:
        return Refused("No such mailbox", "TRYCREATE")
    return NoSuchMailbox()
