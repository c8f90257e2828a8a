"""Which function does which command."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from posthouse.modules.endpoint.imap.append import append
from posthouse.modules.endpoint.imap.authenticate import authenticate
from posthouse.modules.endpoint.imap.bare import close, expunge, logout, noop, starttls
from posthouse.modules.endpoint.imap.capability import capability
from posthouse.modules.endpoint.imap.completion import Completion
from posthouse.modules.endpoint.imap.fetch import fetch
from posthouse.modules.endpoint.imap.idle import idle
from posthouse.modules.endpoint.imap.list import list_mailboxes
from posthouse.modules.endpoint.imap.login import login
from posthouse.modules.endpoint.imap.select import select
from posthouse.modules.endpoint.imap.status import status
from posthouse.modules.endpoint.imap.store import store
from posthouse.wire.imap.append import Append
from posthouse.wire.imap.authenticate import Authenticate
from posthouse.wire.imap.bare import Capability, Close, Expunge, Idle, Logout, Noop, StartTls
from posthouse.wire.imap.fetch import Fetch
from posthouse.wire.imap.list import List
from posthouse.wire.imap.login import Login
from posthouse.wire.imap.select import Select
from posthouse.wire.imap.status import Status
from posthouse.wire.imap.store import Store

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

# Each takes a request of its own type: Any stands for the type that is its key.
HANDLERS: Mapping[type[Any], Callable[["Session", Any], Awaitable[Completion]]] = {
    Append: append,
    Authenticate: authenticate,
    Capability: capability,
    Close: close,
    Expunge: expunge,
    Fetch: fetch,
    Idle: idle,
    List: list_mailboxes,
    Login: login,
    Logout: logout,
    Noop: noop,
    Select: select,
    StartTls: starttls,
    Status: status,
    Store: store,
}

KEEPS_NUMBERS = frozenset({"FETCH", "STORE"})  # no message may go while these are answered (RFC 3501 §7.4.1)
