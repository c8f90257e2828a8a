"""EXPUNGE and UID EXPUNGE."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import writable
from posthouse.wire.imap.expunge import Expunge

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def expunge(session: "Session", request: Expunge) -> Completion:
    """The client is told what is gone with the updates at the end."""
    selected = writable(session)
    await selected.catch_up()
    uids = selected.deleted(request.uids)
    if uids:
        selected.forget(await selected.mailbox.expunge(uids))
    return DONE
