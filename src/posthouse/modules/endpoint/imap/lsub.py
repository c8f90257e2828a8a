"""LSUB."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import MailboxInfo
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.mailbox_tree import LEVEL, MailboxTree, matching
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.list import Pattern, list_line, root_line
from posthouse.wire.imap.lsub import Lsub

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def lsub(session: "Session", request: Lsub) -> Completion:
    """Mailboxes in the order of LIST, then names whose mailbox is gone."""
    delimiter = session.service.storage.delimiter
    if not request.pattern:
        session.out.write(root_line("LSUB", delimiter))
        return DONE
    account = logged_in(session)
    mailboxes = await account.mailboxes()
    names = await account.subscriptions()
    tree = MailboxTree(mailboxes, delimiter, names)
    subscribed = _in_order(names, mailboxes)
    pattern = Pattern(request.reference, request.pattern, delimiter)
    # A level above a subscribed mailbox is shown to `%` only, which would else miss what is below (RFC 3501 §6.3.9).
    shown = tree.with_levels(subscribed) if request.pattern.endswith("%") else subscribed
    async for name in matching(shown, pattern):
        attributes = tree.attributes(name) if name in subscribed else LEVEL
        session.out.write(list_line("LSUB", attributes, delimiter, name))
        await session.out.relieve()
    return DONE


def _in_order(names: Sequence[str], mailboxes: Sequence[MailboxInfo]) -> dict[str, None]:
    """These names: first those of mailboxes, in the mailboxes' order."""
    wanted = set(names)
    return dict.fromkeys([box.name for box in mailboxes if box.name in wanted] + list(names))
