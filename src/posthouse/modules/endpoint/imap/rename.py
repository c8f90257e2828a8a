"""RENAME."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.rename import Rename

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def rename(session: "Session", request: Rename) -> Completion:
    await logged_in(session).rename_mailbox(request.mailbox, request.name)
    return DONE
