"""Is a mail database sound? Everything in it is looked at, by reading only, while a server runs on it or not (R-025).

Each look is a statement or a short snapshot of its own, so nothing is mistaken for damage that others change meanwhile,
and no snapshot is held for long.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw

from posthouse.db import sqlite
from posthouse.db.files import Files
from posthouse.db.mail import repair
from posthouse.db.mail.check_files import FileCheck
from posthouse.db.mail.check_journal import JournalCheck
from posthouse.db.mail.collect import uncollected_emails
from posthouse.db.mail.findings import Finding, mailbox_name
from posthouse.db.mail.schema import MAIL_SCHEMA
from posthouse.db.readers import snapshot
from posthouse.db.sqlite import connect

CHUNK: Final = 500  # rows looked at in one statement


def check(path: Path, files: Files) -> Iterator[Finding]:
    """All that is wrong. Blocks. Raises Refused for a database of another version, DatabaseError, OSError."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    connection = connect(path, files)
    try:
        sqlite.require_version(connection, path, MAIL_SCHEMA)
        yield from _sqlite(connection)
        yield from Check(connection).findings()
        yield from JournalCheck(connection).findings()
        yield from FileCheck(connection, path, files).findings()
    except apsw.CorruptError as err:
        yield Finding(f"{path.name}: cannot be read any further: {err}")
    finally:
        connection.close()


def _sqlite(connection: apsw.Connection) -> Iterator[Finding]:
    """What SQLite itself finds, a table at a time."""
    tables: Any = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    ).fetchall()
    for (table,) in tables:
        for (found,) in connection.execute(f'PRAGMA quick_check("{table}")').fetchall():
            if found != "ok":
                yield Finding(f"table {table}: {found}")


class Check:
    """The tables of mail, against each other."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def findings(self) -> Iterator[Finding]:
        yield from self._accounts()
        yield from self._mailboxes()
        yield from self._messages()
        yield from self._emails()
        yield from self._blobs()

    def _rows(self, sql: str, *bindings: object) -> list[Any]:
        execute: Any = self._connection.execute
        rows: list[Any] = execute(sql, bindings).fetchall()
        return rows

    def _accounts(self) -> Iterator[Finding]:
        wrong = self._rows(
            "SELECT name, used, coalesce(total, 0) FROM account LEFT JOIN"
            " (SELECT account AS owner, sum(size) AS total FROM email GROUP BY account) ON owner = account.id"
            " WHERE used <> coalesce(total, 0)"
        )
        for name, used, total in wrong:
            text = f"{name.lstrip(chr(0))}: {used} octets are said to be used, there are {total}"
            yield Finding(text, "count them anew", repair.RecountUsed())

    def _mailboxes(self) -> Iterator[Finding]:
        after = 0
        while rows := self._rows("SELECT id FROM mailbox WHERE id > ? ORDER BY id LIMIT ?", after, CHUNK):
            for (number,) in rows:
                after = number
                yield from self._mailbox(number)

    def _mailbox(self, number: int) -> Iterator[Finding]:
        with snapshot(self._connection):
            rows = self._rows(
                "SELECT total, unseen, recent, uidnext, mailbox.modseq, account.modseq FROM mailbox"
                " LEFT JOIN account ON account.id = account WHERE mailbox.id = ?",
                number,
            )
            counted = self._rows(
                "SELECT count(*), coalesce(sum(NOT flags & 1), 0), coalesce(sum(flags & 32 > 0), 0),"
                " coalesce(max(uid), 0), coalesce(max(modseq), 0) FROM message WHERE mailbox = ?",
                number,
            )[0]
            name = mailbox_name(self._connection, number)
        if not rows:
            return  # removed meanwhile
        *counters, uidnext, modseq, account_modseq = rows[0]
        *there, uid, newest = counted
        recount = repair.RecountMailbox(number)
        for what, said, found in zip(("messages", "unseen", "recent"), counters, there, strict=True):
            if said != found:
                yield Finding(
                    f"{name}: {said} {what} are said to be there, there are {found}", "count anew", recount
                )
        if uidnext <= uid:
            yield Finding(f"{name}: UIDNEXT is {uidnext}, but UID {uid} is there", "raise it", recount)
        if modseq < newest:
            yield Finding(f"{name}: modseq is {modseq}, but a message has {newest}", "raise it", recount)
        if account_modseq is None:
            yield Finding(f"{name}: it has no account")
        elif account_modseq < max(modseq, newest):
            raised = repair.RaiseModseq(number)
            yield Finding(f"{name}: its modseq is above the account's {account_modseq}", "raise that", raised)

    def _messages(self) -> Iterator[Finding]:
        mailbox = uid = 0
        while rows := self._rows(_MESSAGES, mailbox, uid, CHUNK):
            for mailbox, uid, email, has_mailbox, has_email, is_owner, in_journal in rows:
                wrong = ""
                if not has_mailbox:
                    wrong = "its mailbox is not there"
                elif not has_email:
                    wrong = f"its email {email} is not there"
                elif not is_owner:
                    wrong = f"its email {email} belongs to another account"
                elif not in_journal:
                    wrong = "its last change is missing in the journal"
                if wrong:
                    yield Finding(f"{mailbox_name(self._connection, mailbox)}, UID {uid}: {wrong}")

    def _emails(self) -> Iterator[Finding]:
        unheld: dict[int, list[int]] = {}
        after = 0
        while rows := self._rows(_EMAILS, after, CHUNK):
            for number, account, has_account, has_blob, is_held in rows:
                after = number
                if not has_blob:
                    yield Finding(f"email {number}: its body is not known")
                if not has_account:
                    gone = repair.RemoveEmails((number,))
                    yield Finding(
                        f"email {number}: it has no account", "remove it", None if is_held else gone
                    )
                elif not is_held:
                    unheld.setdefault(account, []).append(number)
        for account, numbers in unheld.items():
            yield from self._unheld(account, numbers)

    def _unheld(self, account: int, numbers: list[int]) -> Iterator[Finding]:
        """Emails that no message held: the collector must know of each."""
        for at in range(0, len(numbers), CHUNK):
            with snapshot(self._connection):
                known = uncollected_emails(self._connection, account)
                unknown = [number for number in numbers[at : at + CHUNK] if number not in known]
                unknown = [number for number in unknown if self._is_unheld(number)]
            for number in unknown:
                gone = repair.RemoveEmails((number,))
                yield Finding(
                    f"email {number}: no message holds it, and nobody will collect it", "remove it", gone
                )

    def _is_unheld(self, email: int) -> bool:
        return bool(
            self._rows(
                "SELECT 1 FROM email WHERE id = ? AND NOT EXISTS (SELECT 1 FROM message WHERE message.email = email.id)",
                email,
            )
        )

    def _blobs(self) -> Iterator[Finding]:
        after = 0
        while rows := self._rows(_BLOBS, after, CHUNK):
            for number, refs, held, is_in_log, has_segment, is_inside in rows:
                after = number
                recount = repair.RecountBlob(number)
                if not held:
                    yield Finding(f"blob {number}: no email holds it", "remove it", recount)
                elif refs != held:
                    text = f"blob {number}: {refs} emails are said to hold it, {held} do"
                    yield Finding(text, "count them anew", recount)
                if is_in_log and not has_segment:
                    yield Finding(f"blob {number}: its segment is not there")
                elif is_in_log and not is_inside:
                    yield Finding(f"blob {number}: it lies beyond the end of its segment")


_MESSAGES: Final = """
SELECT message.mailbox, uid, message.email, mailbox.id IS NOT NULL, email.id IS NOT NULL, email.account = mailbox.account,
    message.modseq <= journal_floor OR EXISTS (SELECT 1 FROM journal WHERE journal.account = mailbox.account
        AND journal.modseq = message.modseq AND journal.mailbox = message.mailbox AND kind IN (1, 2))
FROM message LEFT JOIN mailbox ON mailbox.id = message.mailbox LEFT JOIN email ON email.id = message.email
    LEFT JOIN account ON account.id = mailbox.account
WHERE (message.mailbox, uid) > (?, ?) ORDER BY message.mailbox, uid LIMIT ?"""
_EMAILS: Final = """
SELECT email.id, email.account, account.id IS NOT NULL, blob.id IS NOT NULL,
    EXISTS (SELECT 1 FROM message WHERE message.email = email.id)
FROM email LEFT JOIN account ON account.id = email.account LEFT JOIN blob ON blob.id = email.blob
WHERE email.id > ? ORDER BY email.id LIMIT ?"""
_BLOBS: Final = """
SELECT blob.id, refs, (SELECT count(*) FROM email WHERE email.blob = blob.id), file IS NULL,
    segment.id IS NOT NULL, offset + 16 + length <= size
FROM blob LEFT JOIN segment ON segment.id = blob.segment WHERE blob.id > ? ORDER BY blob.id LIMIT ?"""
