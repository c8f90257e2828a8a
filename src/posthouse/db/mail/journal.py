"""The journal: one row for each change, with the UIDs it touched. QRESYNC, JMAP states and the collector read it."""

from collections.abc import Sequence
from typing import Final

from posthouse.db.mail import uidset
from posthouse.db.mail.units import NoSuchAccount
from posthouse.db.units import Work

ADDED: Final = 1
FLAGS: Final = 2
EXPUNGED: Final = 3  # with the ids of the emails: the collector looks whether a message holds them still
MAILBOX: Final = 4  # made, renamed, removed
KINDS: Final = (ADDED, FLAGS, EXPUNGED, MAILBOX)


def next_modseq(work: Work, account: int, *, used: int = 0, removed: bool = False) -> int:
    """A modseq of its own for this unit. Raises NoSuchAccount.

    used: octets that the account has more. removed: whether it is one whose name was taken away.
    """
    row = work.execute(
        "UPDATE account SET modseq = modseq + 1, used = used + ? WHERE id = ? AND removed = ? RETURNING modseq",
        (used, account, removed),
    ).fetchall()
    if not row:
        raise NoSuchAccount
    modseq: int = row[0][0]
    return modseq


def write(
    work: Work,
    account: int,
    modseq: int,
    mailbox: int,
    kind: int,
    uids: Sequence[int],
    emails: Sequence[int] | None = None,
) -> None:
    """`uids` and `emails` ascend."""
    work.execute(
        "INSERT INTO journal(account, modseq, mailbox, kind, uids, emails) VALUES(?, ?, ?, ?, ?, ?)",
        (
            account,
            modseq,
            mailbox,
            kind,
            uidset.to_bytes(uids),
            None if emails is None else uidset.to_bytes(emails),
        ),
    )
    work.touched.add(mailbox)
