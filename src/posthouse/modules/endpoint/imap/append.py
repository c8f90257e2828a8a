"""APPEND."""

from typing import TYPE_CHECKING

from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.storage import Appended, NoSuchMailbox, StorageBusy, StorageError, TooBig
from posthouse.framework.spool import BodyBuffer
from posthouse.modules.endpoint.imap.completion import Completion, Refused
from posthouse.modules.endpoint.imap.flag_text import system_bits
from posthouse.modules.endpoint.imap.select import logged_in
from posthouse.wire.imap.append import Append, LineEnds
from posthouse.wire.imap.engine import Answer, MessageData, MessageEnd
from posthouse.wire.imap.response import Status

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def append(session: "Session", request: Append) -> Completion:
    try:
        await _check(session, request)
    except (Refused, StorageError):
        session.engine.refuse_message()
        raise
    session.engine.accept_message()
    buffer = BodyBuffer(session.service.spool)
    try:
        received = await _receive(session, buffer)
        if isinstance(received, Status):
            return Completion(received.condition, received.text, received.code)
        stored = await _store(session, request, received)
    finally:
        await buffer.discard()
    return Completion(code=f"APPENDUID {stored.uidvalidity} {stored.uid}")  # RFC 4315 §3


async def _check(session: "Session", request: Append) -> None:
    """Refuse what can be refused before the client has sent it."""
    account = logged_in(session)
    try:
        await account.status(request.mailbox)
    except NoSuchMailbox as err:
        raise _no_such_mailbox() from err
    if request.size > account.append_limit:
        raise TooBig


def _no_such_mailbox() -> Refused:
    """The client may create it, and try again (RFC 3501 §6.3.11)."""
    return Refused("No such mailbox", "TRYCREATE")


async def _receive(session: "Session", buffer: BodyBuffer) -> Body | Status:
    """The message, or what is wrong with it. The client sends it to its end in every case. Raises StorageError."""
    ends = LineEnds()
    failure: OSError | None = None
    while isinstance(event := await session.next_event(), MessageData):
        if failure is None:
            try:
                await buffer.write(ends.convert(event.octets))
            except OSError as err:
                failure = err
    if isinstance(event, Answer):
        return event.status
    assert isinstance(event, MessageEnd)
    try:
        if failure is None:
            return await buffer.finish()
    except OSError as err:
        failure = err
    session.service.log.error("failed to spool a message", failure)
    raise StorageBusy("No space left, try again later") from failure


async def _store(session: "Session", request: Append, body: Body) -> Appended:
    flags = request.flags
    try:
        return await logged_in(session).append(
            request.mailbox, body, system_bits(flags.system), flags.keywords, request.received
        )
    except NoSuchMailbox as err:
        raise _no_such_mailbox() from err
