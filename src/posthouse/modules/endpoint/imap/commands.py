"""Which function does which command."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from posthouse.modules.endpoint.imap.append import append
from posthouse.modules.endpoint.imap.authenticate import authenticate
from posthouse.modules.endpoint.imap.bare import check, close, logout, noop, starttls, unselect
from posthouse.modules.endpoint.imap.capability import capability
from posthouse.modules.endpoint.imap.completion import Completion
from posthouse.modules.endpoint.imap.compress import compress
from posthouse.modules.endpoint.imap.copy import copy
from posthouse.modules.endpoint.imap.create import create
from posthouse.modules.endpoint.imap.delete import delete
from posthouse.modules.endpoint.imap.enable import enable
from posthouse.modules.endpoint.imap.expunge import expunge
from posthouse.modules.endpoint.imap.fetch import fetch
from posthouse.modules.endpoint.imap.id import identify
from posthouse.modules.endpoint.imap.idle import idle
from posthouse.modules.endpoint.imap.list import list_mailboxes
from posthouse.modules.endpoint.imap.login import login
from posthouse.modules.endpoint.imap.lsub import lsub
from posthouse.modules.endpoint.imap.move import move
from posthouse.modules.endpoint.imap.namespace import namespace
from posthouse.modules.endpoint.imap.rename import rename
from posthouse.modules.endpoint.imap.search import search
from posthouse.modules.endpoint.imap.select import select
from posthouse.modules.endpoint.imap.sort import sort
from posthouse.modules.endpoint.imap.status import status
from posthouse.modules.endpoint.imap.store import store
from posthouse.modules.endpoint.imap.subscribe import subscribe
from posthouse.modules.endpoint.imap.thread import thread
from posthouse.wire.imap.append import Append
from posthouse.wire.imap.authenticate import Authenticate
from posthouse.wire.imap.bare import (
    Capability,
    Check,
    Close,
    Idle,
    Logout,
    Namespace,
    Noop,
    StartTls,
    Unselect,
)
from posthouse.wire.imap.compress import Compress
from posthouse.wire.imap.copy import Copy
from posthouse.wire.imap.create import Create
from posthouse.wire.imap.delete import Delete
from posthouse.wire.imap.enable import Enable
from posthouse.wire.imap.expunge import Expunge
from posthouse.wire.imap.fetch import Fetch
from posthouse.wire.imap.id import Id
from posthouse.wire.imap.list import List
from posthouse.wire.imap.login import Login
from posthouse.wire.imap.lsub import Lsub
from posthouse.wire.imap.move import Move
from posthouse.wire.imap.rename import Rename
from posthouse.wire.imap.search import Search
from posthouse.wire.imap.select import Select
from posthouse.wire.imap.sort import Sort
from posthouse.wire.imap.status import Status
from posthouse.wire.imap.store import Store
from posthouse.wire.imap.subscribe import Subscribe
from posthouse.wire.imap.thread import Thread

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

# Each takes a request of its own type: Any stands for the type that is its key.
HANDLERS: Mapping[type[Any], Callable[["Session", Any], Awaitable[Completion]]] = {
    Append: append,
    Authenticate: authenticate,
    Capability: capability,
    Check: check,
    Close: close,
    Compress: compress,
    Copy: copy,
    Create: create,
    Delete: delete,
    Enable: enable,
    Expunge: expunge,
    Fetch: fetch,
    Id: identify,
    Idle: idle,
    List: list_mailboxes,
    Login: login,
    Logout: logout,
    Lsub: lsub,
    Move: move,
    Namespace: namespace,
    Noop: noop,
    Rename: rename,
    Search: search,
    Select: select,
    Sort: sort,
    StartTls: starttls,
    Status: status,
    Store: store,
    Subscribe: subscribe,
    Thread: thread,
    Unselect: unselect,
}

# In a mailbox, but for \Seen, which their own responses tell.
CHANGES_NOTHING = frozenset({"CHECK", "FETCH", "NOOP", "SEARCH", "UID FETCH", "UID SEARCH"})

# No message may go while these are answered (RFC 3501 §7.4.1).
KEEPS_NUMBERS = frozenset({"FETCH", "SEARCH", "SORT", "STORE", "THREAD"})
