"""Accounts coming into being, and their limits."""

from typing import Any

from posthouse.db.mail.mailboxes import insert_mailbox
from posthouse.db.mail.units import INBOX, AccountExists, CreateAccount, NoSuchAccount, SetAppendLimit
from posthouse.db.units import Work


def create_account(work: Work, unit: CreateAccount, _blob: Any) -> int:
    if work.execute("SELECT 1 FROM account WHERE name = ?", (unit.name,)).fetchall():
        raise AccountExists
    work.execute("INSERT INTO account(name) VALUES(?)", (unit.name,))
    account = work.last_id()
    insert_mailbox(work, account, INBOX, "", unit.now)
    return account


def set_append_limit(work: Work, unit: SetAppendLimit, _blob: Any) -> None:
    row = work.execute(
        "UPDATE account SET append_limit = ? WHERE name = ? RETURNING id", (unit.limit, unit.name)
    ).fetchall()
    if not row:
        raise NoSuchAccount
