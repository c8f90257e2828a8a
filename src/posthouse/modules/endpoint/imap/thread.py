"""THREAD and UID THREAD (RFC 5256)."""

import asyncio
from typing import TYPE_CHECKING

from posthouse.framework.interfaces.storage import Columns
from posthouse.message.thread import Threaded, ordered_subject
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.search import numbers, search_uids
from posthouse.modules.endpoint.imap.select import opened
from posthouse.modules.endpoint.imap.sort import sent_dates, subject_keys
from posthouse.wire.imap.thread import Thread, thread_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def thread(session: "Session", request: Thread) -> Completion:
    selected = opened(session)
    found = await search_uids(session, request.key)
    messages: list[Threaded] = []

    def look(columns: Columns) -> None:
        called = columns.uids if request.by_uid else numbers(selected, columns.uids)
        messages.extend(map(Threaded, subject_keys(columns), sent_dates(columns), called))

    async for _ in selected.mailbox.columns(found, ("envelope", "received"), look):
        pass
    session.out.write(thread_line(await asyncio.to_thread(ordered_subject, messages)))
    return DONE
