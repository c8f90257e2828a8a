"""CAPABILITY: what this server can do, now (spec/storage-and-imap.md §5)."""

from typing import TYPE_CHECKING

from posthouse.modules.endpoint.imap.completion import DONE, Completion
from posthouse.wire.imap.bare import Capability

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session

# maddy's words, in its order: those of the login stand between. Then ours, in that of the alphabet.
_FIRST = ("IMAP4rev1", "LITERAL+", "SASL-IR", "CHILDREN", "UNSELECT", "MOVE", "IDLE")
_SECOND = ("I18NLEVEL=1", "SORT", "THREAD=ORDEREDSUBJECT", "COMPRESS=DEFLATE", "NAMESPACE")
_OURS = ("CONDSTORE", "CREATE-SPECIAL-USE", "ENABLE", "ID", "SPECIAL-USE", "UIDPLUS")


def capabilities(session: "Session") -> str:
    """The capabilities in their order, parted by blanks."""
    limit = (session.account or session.service.storage).append_limit
    words = [*_FIRST, f"APPENDLIMIT={limit}"]
    if session.account is None:
        words += _of_login(session)
    return " ".join((*words, *_SECOND, *_OURS))


def may_log_in(session: "Session") -> bool:
    """Whether passwords may be sent over this connection (R-092)."""
    return session.service.insecure_auth or session.stream.tls is not None


def _of_login(session: "Session") -> list[str]:
    words = ["STARTTLS"] if session.service.tls and session.stream.tls is None else []
    if not may_log_in(session):
        return [*words, "LOGINDISABLED"]
    return words + [f"AUTH={mechanism}" for mechanism in session.service.sasl.mechanisms]


async def capability(session: "Session", _: Capability) -> Completion:
    session.out.write(b"* CAPABILITY %b\r\n" % capabilities(session).encode())
    return DONE
