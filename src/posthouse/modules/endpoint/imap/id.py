"""ID."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.wire.imap.id import Id, id_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

_OURS = {"name": b"Posthouse"}  # no version: it is nobody's business (RFC 2971 §4)


async def identify(session: "Session", request: Id) -> Completion:
    said = (f"{key}={value.decode('utf-8', 'backslashreplace')}" for key, value in request.fields.items())
    session.service.log.debug("client", src_ip=session.remote, id=", ".join(said))
    session.out.write(id_line(_OURS))
    return DONE
