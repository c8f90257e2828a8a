"""MOVE and UID MOVE."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Copied, MovedInPart, NoSuchMailbox
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.copy import copy_uid, missing
from posthouse.modules.endpoint.imap.select import opened, writable
from posthouse.wire.imap.move import Move
from posthouse.wire.imap.response import Condition, Status

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def move(session: "Session", request: Move) -> Completion:
    selected = writable(session)
    uids = selected.uids_at(selected.places(request.messages, by_uid=request.by_uid))
    try:
        moved = await selected.mailbox.move(uids, request.destination)
    except NoSuchMailbox as err:
        raise await missing(session, request.destination) from err
    except MovedInPart as err:
        _tell(session, err.moved)
        raise
    _tell(session, moved)
    return DONE


def _tell(session: "Session", moved: Copied) -> None:
    """Where the messages are now comes before their EXPUNGE, which comes with the updates at the end (RFC 6851 §4.3)."""
    if moved.sources:
        session.out.write(Status(Condition.OK, "Moved", copy_uid(moved)).to_bytes())
        opened(session).forget(moved.sources)
