"""ENABLE."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.wire.imap.enable import Enable, enabled_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def enable(session: "Session", request: Enable) -> Completion:
    """What does not exist, or is enabled already, is passed over (RFC 5161 §3.1)."""
    new = ["CONDSTORE"] if "CONDSTORE" in request.names and not session.condstore else []
    session.out.write(enabled_line(new))
    if new:
        session.enable_condstore()
    return DONE
