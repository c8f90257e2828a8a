"""COMPRESS."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import Completion
from posthouse.wire.imap.compress import Compress
from posthouse.wire.imap.response import Condition

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def compress(session: "Session", _: Compress) -> Completion:
    if session.is_compressed:
        return Completion(Condition.BAD, "DEFLATE is already active")  # RFC 4978 §3
    return Completion(text="DEFLATE active", then=session.become_compressed)
