"""CREATE."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion, Refused
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.create import Create

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def create(session: "Session", request: Create) -> Completion:
    if len(request.uses) > 1:
        raise Refused("Only one special use for a mailbox", "USEATTR")
    await logged_in(session).create_mailbox(request.mailbox, "".join(request.uses))
    return DONE
