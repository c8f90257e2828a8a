"""Mailboxes by name: made, found, renamed, subscribed to."""

from collections.abc import Container
from typing import Any

from posthouse.db.mail import journal
from posthouse.db.mail.units import (
    DELIMITER,
    INBOX,
    LEVELS_MAX,
    MAILBOXES_MAX,
    NAME_MAX,
    SUBSCRIPTIONS_MAX,
    CannotChange,
    CreateMailbox,
    MailboxExists,
    NoSuchMailbox,
    RenameMailbox,
    Subscribe,
    TooMany,
)
from posthouse.db.units import Work


def create_mailbox(work: Work, unit: CreateMailbox, _blob: Any) -> int:
    names = _names(work, unit.account)
    if unit.name in names:
        raise MailboxExists
    _make_parents(work, unit.account, unit.name, names, unit.now)
    mailbox = insert_mailbox(work, unit.account, unit.name, unit.special_use, unit.now)
    _check_mailboxes(work, unit.account)
    return mailbox


def rename_mailbox(work: Work, unit: RenameMailbox, _blob: Any) -> None:
    """A subscription goes along."""
    if unit.name == INBOX:
        raise CannotChange("INBOX keeps its name")
    names = _names(work, unit.account)
    if unit.name not in names:
        raise NoSuchMailbox
    if unit.new_name.startswith(unit.name + DELIMITER):
        raise CannotChange("A mailbox cannot be moved into itself")
    moved = [unit.name, *(name for name in names if name.startswith(unit.name + DELIMITER))]
    renamed = {old: unit.new_name + old[len(unit.name) :] for old in moved}
    if not names.keys().isdisjoint(renamed.values()):
        raise MailboxExists
    if any(map(_is_too_long, renamed.values())):
        raise CannotChange("Mailbox name is too long")
    if _make_parents(work, unit.account, unit.new_name, names, unit.now):
        _check_mailboxes(work, unit.account)
    modseq = journal.next_modseq(work, unit.account)
    for old, new in renamed.items():
        work.execute("UPDATE mailbox SET name = ? WHERE id = ?", (new, names[old]))
        work.execute(
            "UPDATE OR REPLACE subscription SET name = ? WHERE account = ? AND name = ?",
            (new, unit.account, old),
        )
        journal.write(work, unit.account, modseq, names[old], journal.MAILBOX, ())


def subscribe(work: Work, unit: Subscribe, _blob: Any) -> None:
    """To a mailbox that is there; from a name, whatever it is."""
    if unit.subscribed:
        mailbox_named(work, unit.account, unit.name)
        _subscribe(work, unit.account, unit.name)
        _check_subscriptions(work, unit.account)
    else:
        work.execute("DELETE FROM subscription WHERE account = ? AND name = ?", (unit.account, unit.name))
    mailbox = _names(work, unit.account).get(unit.name)
    if mailbox is not None:
        modseq = journal.next_modseq(work, unit.account)
        journal.write(work, unit.account, modseq, mailbox, journal.MAILBOX, ())


def mailbox_named(work: Work, account: int, name: str) -> int:
    """Its id. Raises NoSuchMailbox."""
    row = work.execute("SELECT id FROM mailbox WHERE account = ? AND name = ?", (account, name)).fetchall()
    if not row:
        raise NoSuchMailbox
    mailbox: int = row[0][0]
    return mailbox


def insert_mailbox(work: Work, account: int, name: str, special_use: str, now: int) -> int:
    """A new mailbox, subscribed to, with a UIDVALIDITY that is larger than every earlier one of the database; gives its id."""
    ((uidvalidity,),) = work.execute(
        "UPDATE counter SET value = max(value + 1, ?) WHERE name = 'uidvalidity' RETURNING value", (now,)
    ).fetchall()
    modseq = journal.next_modseq(work, account)
    work.execute(
        "INSERT INTO mailbox(account, name, special_use, uidvalidity, modseq) VALUES(?, ?, ?, ?, ?)",
        (account, name, special_use, uidvalidity, modseq),
    )
    mailbox = work.last_id()
    _subscribe(work, account, name)
    journal.write(work, account, modseq, mailbox, journal.MAILBOX, ())
    return mailbox


def _subscribe(work: Work, account: int, name: str) -> None:
    work.execute("INSERT OR IGNORE INTO subscription(account, name) VALUES(?, ?)", (account, name))


def _names(work: Work, account: int) -> dict[str, int]:
    """The mailboxes of an account: name to id."""
    rows = work.execute(
        "SELECT name, id FROM mailbox WHERE account = ? AND NOT removed", (account,)
    ).fetchall()
    return dict(rows)


def _make_parents(work: Work, account: int, name: str, names: Container[str], now: int) -> bool:
    """Gives whether any was missing."""
    levels = name.split(DELIMITER)
    parents = (DELIMITER.join(levels[:depth]) for depth in range(1, len(levels)))
    missing = [parent for parent in parents if parent not in names]
    for parent in missing:
        insert_mailbox(work, account, parent, "", now)
    return bool(missing)


def _is_too_long(name: str) -> bool:
    return name.count(DELIMITER) >= LEVELS_MAX or len(name.encode()) > NAME_MAX


def _check_mailboxes(work: Work, account: int) -> None:
    """After some were added, which are subscribed to: raises TooMany, which undoes it, if that is more than there may be."""
    ((count,),) = work.execute("SELECT count(*) FROM mailbox WHERE account = ? AND NOT removed", (account,))
    if count > MAILBOXES_MAX:
        raise TooMany("Too many mailboxes")
    _check_subscriptions(work, account)


def _check_subscriptions(work: Work, account: int) -> None:
    """The same after one was added."""
    ((count,),) = work.execute("SELECT count(*) FROM subscription WHERE account = ?", (account,))
    if count > SUBSCRIPTIONS_MAX:
        raise TooMany("Too many subscriptions")
