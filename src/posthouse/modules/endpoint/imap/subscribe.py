"""SUBSCRIBE and UNSUBSCRIBE."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.subscribe import Subscribe

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def subscribe(session: "Session", request: Subscribe) -> Completion:
    await logged_in(session).set_subscribed(request.mailbox, request.subscribed)
    return DONE
