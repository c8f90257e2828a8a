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
    name = without_end(request.mailbox, session.service.storage.delimiter)
    await logged_in(session).create_mailbox(name, "".join(request.uses))
    return DONE


def without_end(name: str, delimiter: str) -> str:
    """A delimiter at the end only says that children will follow (RFC 3501 §6.3.3)."""
    return name.removesuffix(delimiter)
