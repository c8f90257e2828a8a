"""LIST."""

from collections.abc import Iterable, Set
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import MailboxInfo
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.list import List, Pattern, list_line, root_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def list_mailboxes(session: "Session", request: List) -> Completion:
    delimiter = session.service.storage.delimiter
    if not request.pattern:
        session.out.write(root_line(delimiter))
        return DONE
    mailboxes = await logged_in(session).mailboxes()
    parents = _parents((mailbox.name for mailbox in mailboxes), delimiter)
    pattern = Pattern(request.reference, request.pattern, delimiter)
    for mailbox in mailboxes:
        if pattern.matches(mailbox.name):
            session.out.write(list_line(_attributes(mailbox, parents), delimiter, mailbox.name))
            await session.out.relieve()
    return DONE


def _parents(names: Iterable[str], delimiter: str) -> Set[str]:
    """All names that have a mailbox below them."""
    parents: set[str] = set()
    for name in names:
        while delimiter in name:
            name = name.rpartition(delimiter)[0]
            if name in parents:
                break
            parents.add(name)
    return parents


def _attributes(mailbox: MailboxInfo, parents: Set[str]) -> str:
    children = "\\HasChildren" if mailbox.name in parents else "\\HasNoChildren"
    return f"{mailbox.special_use} {children}" if mailbox.special_use else children
