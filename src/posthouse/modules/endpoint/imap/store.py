"""STORE and UID STORE."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import FlagChange
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.flag_text import system_bits
from posthouse.modules.endpoint.imap.select import writable
from posthouse.modules.endpoint.imap.selected import FlagsChange, Selected
from posthouse.wire.imap.sequence import format_set
from posthouse.wire.imap.store import Store

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def store(session: "Session", request: Store) -> Completion:
    selected = writable(session)
    if request.unchanged_since is not None:
        session.enable_condstore()
    uids = selected.uids_at(selected.places(request.messages, by_uid=request.by_uid))
    if not uids:
        return DONE
    flags = request.flags
    done = await selected.store(
        uids,
        FlagsChange(FlagChange(request.change), system_bits(flags.system), flags.keywords),
        silent=request.silent,
        unchanged_since=request.unchanged_since,
    )
    if not request.silent:
        await session.out.write_all(await selected.flag_lines(done.places, with_uid=request.by_uid))
    elif session.condstore:
        await session.out.write_all(await selected.modseq_lines(done.places, with_uid=request.by_uid))
    return _conditional(selected, done.modified, request) if done.modified else DONE


def _conditional(selected: Selected, modified: list[int], request: Store) -> Completion:
    """Some messages were left alone: which ones (RFC 7162 §3.1.3)."""
    if not request.by_uid:
        modified = [at + 1 for uid in modified if (at := selected.place(uid)) is not None]
    return Completion(text="Conditional STORE failed", code=f"MODIFIED {format_set(modified)}")
