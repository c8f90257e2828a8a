"""NAMESPACE (RFC 2342)."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.wire.imap.bare import Namespace

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def namespace(session: "Session", _: Namespace) -> Completion:
    """There are only a user's own mailboxes."""
    delimiter = session.service.storage.delimiter.encode()
    session.out.write(b'* NAMESPACE (("" "%b")) NIL NIL\r\n' % delimiter)
    return DONE
