"""Messages, mailboxes and accounts going away. Emails are left to the collector."""

from typing import Any

from posthouse.db.mail import journal
from posthouse.db.mail.flags import owner
from posthouse.db.mail.mailboxes import mailbox_named
from posthouse.db.mail.selection import Found, as_json, select
from posthouse.db.mail.units import (
    DELETED,
    INBOX,
    RECENT,
    SEEN,
    CannotChange,
    Expunge,
    NoSuchAccount,
    PurgeRemoved,
    RemoveAccount,
    RemoveMailbox,
)
from posthouse.db.units import UNIT_ROWS_MAX, Work


def expunge(work: Work, unit: Expunge, _blob: Any) -> list[int]:
    account, _ = owner(work, unit.mailbox)
    found = select(work, unit.mailbox, unit.uids)
    rows = [row for row in found.rows if row[1] & DELETED]
    if rows:
        modseq = journal.next_modseq(work, account)
        whole = found.whole and len(rows) == len(found.rows)
        remove_messages(work, account, modseq, unit.mailbox, Found(rows, whole))
    return [uid for uid, _, _ in rows]


def remove_account(work: Work, unit: RemoveAccount, _blob: Any) -> int:
    row = work.execute(
        "UPDATE account SET name = char(0) || id, removed = 1 WHERE name = ? RETURNING id", (unit.name,)
    ).fetchall()
    if not row:
        raise NoSuchAccount
    account: int = row[0][0]
    mailboxes = work.execute(
        "UPDATE mailbox SET name = char(0) || id, removed = 1 WHERE account = ? RETURNING id", (account,)
    ).fetchall()
    work.execute("DELETE FROM subscription WHERE account = ?", (account,))
    modseq = journal.next_modseq(work, account, removed=True)
    for (mailbox,) in mailboxes:
        journal.write(work, account, modseq, mailbox, journal.MAILBOX, ())
    return account


def remove_mailbox(work: Work, unit: RemoveMailbox, _blob: Any) -> None:
    if unit.name == INBOX:
        raise CannotChange("INBOX cannot be deleted")
    mailbox = mailbox_named(work, unit.account, unit.name)
    work.execute("UPDATE mailbox SET name = char(0) || id, removed = 1 WHERE id = ?", (mailbox,))
    modseq = journal.next_modseq(work, unit.account)
    journal.write(work, unit.account, modseq, mailbox, journal.MAILBOX, ())


def purge_removed(work: Work, _unit: PurgeRemoved, _blob: Any) -> bool:
    row = work.execute(
        "SELECT mailbox.id, account, account.removed FROM mailbox JOIN account ON account.id = account"
        " WHERE mailbox.removed ORDER BY mailbox.id LIMIT 1"
    ).fetchall()
    if not row:
        return False
    mailbox, account, removed = row[0]
    rows = work.execute(
        "SELECT uid, flags, email FROM message WHERE mailbox = ? ORDER BY uid LIMIT ?",
        (mailbox, UNIT_ROWS_MAX),
    ).fetchall()
    if rows:
        modseq = journal.next_modseq(work, account, removed=removed)
        remove_messages(work, account, modseq, mailbox, Found(rows, whole=True))
    if len(rows) < UNIT_ROWS_MAX:
        work.execute("DELETE FROM keyword WHERE mailbox = ?", (mailbox,))
        work.execute("DELETE FROM mailbox WHERE id = ?", (mailbox,))
    return True


def remove_messages(work: Work, account: int, modseq: int, mailbox: int, found: Found) -> None:
    """Remove these messages, one at least; `found.whole`: no other lies between them."""
    rows = found.rows
    uids = [uid for uid, _, _ in rows]
    if found.whole:
        work.execute(
            "DELETE FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ?", (mailbox, uids[0], uids[-1])
        )
    else:
        work.execute(
            "DELETE FROM message WHERE mailbox = ? AND uid IN (SELECT value FROM json_each(?))",
            (mailbox, as_json(uids)),
        )
    unseen = sum(not flags & SEEN for _, flags, _ in rows)
    recent = sum(bool(flags & RECENT) for _, flags, _ in rows)
    work.execute(
        "UPDATE mailbox SET modseq = ?, total = total - ?, unseen = unseen - ?, recent = recent - ? WHERE id = ?",
        (modseq, len(rows), unseen, recent, mailbox),
    )
    emails = sorted({email for _, _, email in rows})
    journal.write(work, account, modseq, mailbox, journal.EXPUNGED, uids, emails)
