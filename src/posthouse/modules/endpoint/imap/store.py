"""STORE and UID STORE."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import FlagChange
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.flag_text import system_bits
from posthouse.modules.endpoint.imap.select import writable
from posthouse.wire.imap.store import Store

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def store(session: "Session", request: Store) -> Completion:
    selected = writable(session)
    uids = selected.uids_at(selected.places(request.messages, by_uid=request.by_uid))
    if not uids:
        return DONE
    flags = request.flags
    places = await selected.store(
        uids, FlagChange(request.change), system_bits(flags.system), flags.keywords, silent=request.silent
    )
    await session.out.write_all(selected.flag_lines(places, with_uid=request.by_uid))
    return DONE
