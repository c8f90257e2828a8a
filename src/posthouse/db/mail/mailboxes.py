"""Mailboxes coming into being."""

from typing import Any

from posthouse.db.mail import journal
from posthouse.db.mail.units import DELIMITER, CreateMailbox, MailboxExists
from posthouse.db.units import Work


def create_mailbox(work: Work, unit: CreateMailbox, _blob: Any) -> int:
    rows = work.execute("SELECT name FROM mailbox WHERE account = ?", (unit.account,)).fetchall()
    names = {name for (name,) in rows}
    if unit.name in names:
        raise MailboxExists
    levels = unit.name.split(DELIMITER)
    for depth in range(1, len(levels)):
        parent = DELIMITER.join(levels[:depth])
        if parent not in names:
            insert_mailbox(work, unit.account, parent, "", unit.now)
    return insert_mailbox(work, unit.account, unit.name, unit.special_use, unit.now)


def insert_mailbox(work: Work, account: int, name: str, special_use: str, now: int) -> int:
    """A new mailbox, with a UIDVALIDITY that is larger than every earlier one of the database; gives its id."""
    ((uidvalidity,),) = work.execute(
        "UPDATE counter SET value = max(value + 1, ?) WHERE name = 'uidvalidity' RETURNING value", (now,)
    ).fetchall()
    modseq = journal.next_modseq(work, account)
    work.execute(
        "INSERT INTO mailbox(account, name, special_use, uidvalidity, modseq) VALUES(?, ?, ?, ?, ?)",
        (account, name, special_use, uidvalidity, modseq),
    )
    mailbox = work.last_id()
    journal.write(work, account, modseq, mailbox, journal.MAILBOX, ())
    return mailbox
