"""SELECT and EXAMINE, and what commands ask of a selected mailbox."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import SYSTEM_FLAGS, Account
from posthouse.modules.endpoint.imap.completion import Completion, Refused
from posthouse.modules.endpoint.imap.selected import Selected
from posthouse.modules.endpoint.imap.selected import select as open_books
from posthouse.wire.imap.response import Condition, Status
from posthouse.wire.imap.select import Select

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def select(session: "Session", request: Select) -> Completion:
    if session.selected is not None:  # whatever comes of it, the old mailbox is closed (RFC 3501 §6.3.1)
        session.open(None)
        session.out.write(
            Status(Condition.OK, "Previous mailbox closed", "CLOSED").to_bytes()
        )  # RFC 7162 §3.2.11
    if request.condstore:
        session.enable_condstore()
    mailbox = await logged_in(session).open(request.mailbox)
    selected = await open_books(mailbox, session.service.shelf, read_only=request.read_only)
    session.out.write(_description(selected))
    session.open(selected)
    if request.read_only:
        return Completion(code="READ-ONLY")
    return Completion(code="READ-WRITE")


def logged_in(session: "Session") -> Account:
    """The account of a session that has logged in, as the engine has made sure of."""
    assert session.account is not None
    return session.account


def opened(session: "Session") -> Selected:
    """The selected mailbox, of which the engine has made sure."""
    assert session.selected is not None
    return session.selected


def writable(session: "Session") -> Selected:
    """The selected mailbox. Raises Refused after EXAMINE."""
    selected = opened(session)
    if selected.read_only:
        raise Refused("Mailbox opened in read-only mode")
    return selected


def _description(selected: Selected) -> bytes:
    flags = " ".join((*SYSTEM_FLAGS, *selected.keywords))
    permanent = "()] No permanent flags" if selected.read_only else f"({flags} \\*)] Flags"  # RFC 3501 §7.1
    unseen = selected.first_unseen
    lines = [
        f"* FLAGS ({flags})",
        f"* OK [PERMANENTFLAGS {permanent} permitted.",
        *([] if unseen is None else [f"* OK [UNSEEN {unseen}] Message {unseen} is first unseen"]),
        f"* {len(selected.uids)} EXISTS",
        f"* {selected.recent} RECENT",
        f"* OK [UIDNEXT {selected.uidnext}] Predicted next UID",
        f"* OK [UIDVALIDITY {selected.uidvalidity}] UIDs valid",
        highest_modseq(selected),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def highest_modseq(selected: Selected) -> str:
    """The line without its end; all changes up to there are known to the client (RFC 7162 §3.1.2.1)."""
    return f"* OK [HIGHESTMODSEQ {selected.modseq}] Highest"
