"""LSUB."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.mailbox_tree import NO_MAILBOX, MailboxTree
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.list import Pattern, list_line, root_line
from posthouse.wire.imap.lsub import Lsub

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def lsub(session: "Session", request: Lsub) -> Completion:
    delimiter = session.service.storage.delimiter
    if not request.pattern:
        session.out.write(root_line("LSUB", delimiter))
        return DONE
    mailboxes = await logged_in(session).mailboxes()
    tree = MailboxTree(mailboxes, delimiter)
    subscribed = {mailbox.name: tree.attributes(mailbox.name) for mailbox in mailboxes if mailbox.subscribed}
    pattern = Pattern(request.reference, request.pattern, delimiter)
    # A level above a subscribed mailbox is shown to `%` only, which would else miss what is below (RFC 3501 §6.3.9).
    names = tree.with_levels(subscribed) if request.pattern.endswith("%") else subscribed
    for name in names:
        if pattern.matches(name):
            session.out.write(list_line("LSUB", subscribed.get(name, NO_MAILBOX), delimiter, name))
            await session.out.relieve()
    return DONE
