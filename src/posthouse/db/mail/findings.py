"""What is wrong with a database, as an operator is told."""

from dataclasses import dataclass
from typing import Any, Final

import apsw

from posthouse.db.units import Unit

NAMED: Final = 3  # messages that a finding names at most


@dataclass(frozen=True, slots=True)
class Finding:
    """repair: what `unit` would do about it. Without a unit, only a backup helps; the unit is run until it gives False."""

    what: str
    repair: str = ""
    unit: Unit[bool] | None = None


def mailbox_name(connection: apsw.Connection, mailbox: int) -> str:
    """`ann@example.org, INBOX`."""
    rows: Any = connection.execute(
        "SELECT coalesce(account.name, 'no account'), mailbox.name FROM mailbox"
        " LEFT JOIN account ON account.id = account WHERE mailbox.id = ?",
        (mailbox,),
    ).fetchall()
    if not rows:
        return f"mailbox {mailbox}"
    account, name = rows[0]
    return f"{_shown(account)}, {_shown(name)}"


def messages_of(connection: apsw.Connection, blob: int) -> str:
    """Where a body is seen: `ann@example.org, INBOX, UID 5`."""
    rows: Any = connection.execute(
        "SELECT message.mailbox, uid FROM email JOIN message ON message.email = email.id WHERE blob = ? LIMIT ?",
        (blob, NAMED + 1),
    ).fetchall()
    names = [f"{mailbox_name(connection, mailbox)}, UID {uid}" for mailbox, uid in rows[:NAMED]]
    if len(rows) > NAMED:
        names.append("and others")
    return "; ".join(names) or f"blob {blob}, of no message"


def _shown(name: str) -> str:
    """Removed accounts and mailboxes have names that nobody can have."""
    return f"(removed {name[1:]})" if name.startswith("\0") else name
