"""DELETE."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.delete import Delete

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def delete(session: "Session", request: Delete) -> Completion:
    """Children stay; LIST shows the name as \\Noselect while there are some (RFC 3501 §6.3.4)."""
    await logged_in(session).delete_mailbox(request.mailbox)
    return DONE
