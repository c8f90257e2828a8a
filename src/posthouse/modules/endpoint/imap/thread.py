"""THREAD and UID THREAD (RFC 5256)."""

import asyncio
from typing import TYPE_CHECKING

from posthouse.message.thread import Threaded, ordered_subject
from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.modules.endpoint.imap.search import numbers, search_uids
from posthouse.modules.endpoint.imap.select import opened
from posthouse.modules.endpoint.imap.sort import sort_keys
from posthouse.wire.imap.sort import By
from posthouse.wire.imap.thread import Thread, thread_line

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def thread(session: "Session", request: Thread) -> Completion:
    found = await search_uids(session, request.key)
    keys = await sort_keys(session, found, (By.SUBJECT, By.DATE))
    subjects, dates = keys[By.SUBJECT], keys[By.DATE]
    uids = [uid for uid in found if uid in subjects and uid in dates]
    called = uids if request.by_uid else numbers(opened(session), uids)
    messages = [Threaded(subjects[uid], dates[uid], number) for uid, number in zip(uids, called, strict=True)]
    session.out.write(thread_line(await asyncio.to_thread(ordered_subject, messages)))
    return DONE
