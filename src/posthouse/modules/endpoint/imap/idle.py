"""IDLE (RFC 2177): the client waits, and hears of changes at once."""

import contextlib
from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.net.connection import Interrupted
from posthouse.wire.imap.bare import Idle
from posthouse.wire.imap.engine import Continue
from posthouse.wire.imap.response import Condition

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def idle(session: "Session", _: Idle) -> Completion:
    session.out.write(Continue("idling").to_bytes())
    with session.watching():
        line = await _wait(session)
    if line.upper() != b"DONE":
        return Completion(Condition.BAD, "Expected DONE")
    return DONE


async def _wait(session: "Session") -> bytes:
    """The line that ends it. What happened before the watch began is told first."""
    while True:
        await session.report_updates(expunge=True)
        with contextlib.suppress(Interrupted):
            return await session.next_line()
