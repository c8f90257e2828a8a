"""STATUS."""

from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Account, MailboxStatus
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.status import Status, status_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def status(session: "Session", request: Status) -> Completion:
    account = logged_in(session)
    if "HIGHESTMODSEQ" in request.items:
        session.enable_condstore()
    known = _values(await account.status(request.mailbox), account)
    session.out.write(status_line(request.mailbox, {item: known[item] for item in request.items}))
    return DONE


def _values(found: MailboxStatus, account: Account) -> dict[str, int]:
    return {
        "MESSAGES": found.messages,
        "RECENT": found.recent,
        "UIDNEXT": found.uidnext,
        "UIDVALIDITY": found.uidvalidity,
        "UNSEEN": found.unseen,
        "APPENDLIMIT": account.append_limit,
        "HIGHESTMODSEQ": found.modseq,
    }
