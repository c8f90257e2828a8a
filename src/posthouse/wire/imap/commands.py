"""Which commands there are: the arguments of each, and the states in which it may be sent (RFC 3501 §6)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from posthouse.wire.imap.append import Append, parse_append_without_message
from posthouse.wire.imap.authenticate import Authenticate, parse_authenticate
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
    without_arguments,
)
from posthouse.wire.imap.compress import Compress, parse_compress
from posthouse.wire.imap.copy import Copy, parse_copy, parse_uid_copy
from posthouse.wire.imap.create import Create, parse_create
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.delete import Delete, parse_delete
from posthouse.wire.imap.enable import Enable, parse_enable
from posthouse.wire.imap.expunge import Expunge, parse_expunge, parse_uid_expunge
from posthouse.wire.imap.fetch import Fetch, parse_fetch, parse_uid_fetch
from posthouse.wire.imap.id import Id, parse_id
from posthouse.wire.imap.list import List, parse_list
from posthouse.wire.imap.login import Login, parse_login
from posthouse.wire.imap.lsub import Lsub, parse_lsub
from posthouse.wire.imap.move import Move, parse_move, parse_uid_move
from posthouse.wire.imap.rename import Rename, parse_rename
from posthouse.wire.imap.search import Search, parse_search, parse_uid_search
from posthouse.wire.imap.select import Select, parse_examine, parse_select
from posthouse.wire.imap.sort import Sort, parse_sort, parse_uid_sort
from posthouse.wire.imap.status import Status, parse_status
from posthouse.wire.imap.store import Store, parse_store, parse_uid_store
from posthouse.wire.imap.subscribe import Subscribe, parse_subscribe, parse_unsubscribe
from posthouse.wire.imap.thread import Thread, parse_thread, parse_uid_thread

Request = (
    Append
    | Authenticate
    | Capability
    | Check
    | Close
    | Compress
    | Copy
    | Create
    | Delete
    | Enable
    | Expunge
    | Fetch
    | Id
    | Idle
    | List
    | Login
    | Logout
    | Lsub
    | Move
    | Namespace
    | Noop
    | Rename
    | Search
    | Select
    | Sort
    | StartTls
    | Status
    | Store
    | Subscribe
    | Thread
    | Unselect
)


class State(Enum):
    """Of a session (RFC 3501 §3)."""

    NOT_AUTHENTICATED = 0
    AUTHENTICATED = 1
    SELECTED = 2


ANYTIME = frozenset(State)
BEFORE_LOGIN = frozenset({State.NOT_AUTHENTICATED})
AFTER_LOGIN = frozenset({State.AUTHENTICATED, State.SELECTED})
SELECTED = frozenset({State.SELECTED})


@dataclass(frozen=True, slots=True)
class Syntax:
    """parse: reads from behind the command's name to the end; raises ParseError."""

    parse: Callable[[Cursor], Request]
    states: frozenset[State]


COMMANDS: Mapping[str, Syntax] = {
    "CAPABILITY": Syntax(without_arguments(Capability), ANYTIME),
    "ID": Syntax(parse_id, ANYTIME),
    "NOOP": Syntax(without_arguments(Noop), ANYTIME),
    "LOGOUT": Syntax(without_arguments(Logout), ANYTIME),
    "STARTTLS": Syntax(without_arguments(StartTls), BEFORE_LOGIN),
    "LOGIN": Syntax(parse_login, BEFORE_LOGIN),
    "AUTHENTICATE": Syntax(parse_authenticate, BEFORE_LOGIN),
    "SELECT": Syntax(parse_select, AFTER_LOGIN),
    "EXAMINE": Syntax(parse_examine, AFTER_LOGIN),
    "COMPRESS": Syntax(parse_compress, AFTER_LOGIN),
    "ENABLE": Syntax(parse_enable, AFTER_LOGIN),
    "CREATE": Syntax(parse_create, AFTER_LOGIN),
    "DELETE": Syntax(parse_delete, AFTER_LOGIN),
    "RENAME": Syntax(parse_rename, AFTER_LOGIN),
    "SUBSCRIBE": Syntax(parse_subscribe, AFTER_LOGIN),
    "UNSUBSCRIBE": Syntax(parse_unsubscribe, AFTER_LOGIN),
    "LIST": Syntax(parse_list, AFTER_LOGIN),
    "LSUB": Syntax(parse_lsub, AFTER_LOGIN),
    "NAMESPACE": Syntax(without_arguments(Namespace), AFTER_LOGIN),
    "STATUS": Syntax(parse_status, AFTER_LOGIN),
    "APPEND": Syntax(parse_append_without_message, AFTER_LOGIN),
    "IDLE": Syntax(without_arguments(Idle), AFTER_LOGIN),
    "CHECK": Syntax(without_arguments(Check), SELECTED),
    "CLOSE": Syntax(without_arguments(Close), SELECTED),
    "UNSELECT": Syntax(without_arguments(Unselect), SELECTED),
    "EXPUNGE": Syntax(parse_expunge, SELECTED),
    "UID EXPUNGE": Syntax(parse_uid_expunge, SELECTED),
    "FETCH": Syntax(parse_fetch, SELECTED),
    "UID FETCH": Syntax(parse_uid_fetch, SELECTED),
    "SEARCH": Syntax(parse_search, SELECTED),
    "UID SEARCH": Syntax(parse_uid_search, SELECTED),
    "SORT": Syntax(parse_sort, SELECTED),
    "UID SORT": Syntax(parse_uid_sort, SELECTED),
    "THREAD": Syntax(parse_thread, SELECTED),
    "UID THREAD": Syntax(parse_uid_thread, SELECTED),
    "STORE": Syntax(parse_store, SELECTED),
    "UID STORE": Syntax(parse_uid_store, SELECTED),
    "COPY": Syntax(parse_copy, SELECTED),
    "UID COPY": Syntax(parse_uid_copy, SELECTED),
    "MOVE": Syntax(parse_move, SELECTED),
    "UID MOVE": Syntax(parse_uid_move, SELECTED),
}


def refusal(syntax: Syntax, state: State) -> str:
    """Why a command may not be sent in this state, or ""."""
    if state in syntax.states:
        return ""
    if syntax.states == BEFORE_LOGIN:
        return "Already authenticated"
    return "Not authenticated" if state is State.NOT_AUTHENTICATED else "No mailbox selected"
