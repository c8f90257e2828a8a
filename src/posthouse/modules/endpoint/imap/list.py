"""LIST."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.mailbox_tree import MailboxTree, matching
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.list import List, Pattern, list_line, root_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def list_mailboxes(session: "Session", request: List) -> Completion:
    delimiter = session.service.storage.delimiter
    if not request.pattern:
        session.out.write(root_line("LIST", delimiter))
        return DONE
    mailboxes = await logged_in(session).mailboxes()
    tree = MailboxTree(mailboxes, delimiter)
    pattern = Pattern(request.reference, request.pattern, delimiter)
    async for name in matching(tree.with_levels([mailbox.name for mailbox in mailboxes]), pattern):
        session.out.write(list_line("LIST", tree.attributes(name), delimiter, name))
        await session.out.relieve()
    return DONE
