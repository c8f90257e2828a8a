"""Commands that take no more than a few lines: NOOP, CHECK, LOGOUT, STARTTLS, CLOSE, UNSELECT."""

import contextlib
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import NoSuchMailbox
from posthouse.modules.endpoint.imap.completion import DONE, Completion, Refused
from posthouse.modules.endpoint.imap.select import opened
from posthouse.wire.imap.bare import Check, Close, Logout, Noop, StartTls, Unselect
from posthouse.wire.imap.response import bye

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def noop(_: "Session", __: Noop) -> Completion:
    """The updates that every command ends with are all of it."""
    return DONE


async def check(_: "Session", __: Check) -> Completion:
    """What was acknowledged is on the disk already (RFC 3501 §6.4.1)."""
    return DONE


async def logout(session: "Session", _: Logout) -> Completion:
    session.open(None)  # nothing is news to a client that leaves
    session.out.write(bye("Closing connection").to_bytes())
    return Completion(then=session.end)


async def starttls(session: "Session", _: StartTls) -> Completion:
    if session.stream.tls is not None:
        raise Refused("TLS is already enabled")
    if session.service.tls is None:
        raise Refused("TLS support not enabled")
    return Completion(text="Begin TLS negotiation now", then=session.become_tls)


async def close(session: "Session", _: Close) -> Completion:
    """Remove what is \\Deleted without a word (RFC 3501 §6.4.2). A mailbox that somebody has deleted is closed like any other."""
    selected = opened(session)
    if not selected.read_only:
        with contextlib.suppress(NoSuchMailbox):
            await selected.catch_up()
            await selected.mailbox.expunge(selected.deleted())
    session.open(None)
    return DONE


async def unselect(session: "Session", _: Unselect) -> Completion:
    """Close the mailbox, and remove nothing."""
    session.open(None)
    return DONE
