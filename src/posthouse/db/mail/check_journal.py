"""Is the journal sound? And what else hangs on accounts and mailboxes by number only."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import apsw

from posthouse.db.mail import journal, repair, uidset
from posthouse.db.mail.findings import Finding

CHUNK: Final = 500  # rows looked at in one statement


class JournalCheck:
    """The journal and its readers."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def findings(self) -> Iterator[Finding]:
        account = modseq = mailbox = kind = 0
        while rows := self._rows(_JOURNAL, account, modseq, mailbox, kind, CHUNK):
            for account, modseq, mailbox, kind, uids, emails, newest in rows:
                wrong = _wrong(modseq, kind, uids, emails, newest)
                if wrong:
                    yield Finding(
                        f"journal of account {account}, modseq {modseq}, mailbox {mailbox}: {wrong}"
                    )
        for name, number, place, newest in self._rows(_CURSORS):
            yield Finding(f"{name} of account {number} is at modseq {place}, the account at {newest}")
        for (number,) in self._rows(
            "SELECT DISTINCT mailbox FROM keyword WHERE mailbox NOT IN (SELECT id FROM mailbox)"
        ):
            stray = repair.RemoveStrayKeywords(number)
            yield Finding(f"keywords of mailbox {number}, which is not there", "remove them", stray)

    def _rows(self, sql: str, *bindings: object) -> list[Any]:
        execute: Any = self._connection.execute
        rows: list[Any] = execute(sql, bindings).fetchall()
        return rows


def _wrong(modseq: int, kind: int, uids: bytes, emails: bytes | None, newest: int | None) -> str:
    """What is wrong with a row, if anything. newest: modseq of the account, if there is one."""
    if newest is None:
        return "there is no such account"
    if modseq > newest:
        return f"the account is at {newest} only"
    if kind not in journal.KINDS:
        return f"nobody knows kind {kind}"
    if not _is_set(uids):
        return "its UIDs are not a set"
    if (kind == journal.EXPUNGED) != (emails is not None) or not _is_set(emails or b""):
        return "its emails are not a set"
    return ""


def _is_set(numbers: bytes) -> bool:
    """Whether it is as uidset.to_bytes writes it."""
    try:
        runs = list(uidset.parse(numbers))
    except ValueError:
        return False
    return all(runs) and all(before.stop <= after.start for before, after in pairwise(runs))


_JOURNAL: Final = """
SELECT journal.account, journal.modseq, mailbox, kind, uids, emails, account.modseq
FROM journal LEFT JOIN account ON account.id = journal.account
WHERE (journal.account, journal.modseq, mailbox, kind) > (?, ?, ?, ?)
ORDER BY journal.account, journal.modseq, mailbox, kind LIMIT ?"""
_CURSORS: Final = """
SELECT cursor.name, cursor.account, cursor.modseq, account.modseq
FROM cursor LEFT JOIN account ON account.id = cursor.account
WHERE account.id IS NULL OR cursor.modseq > account.modseq + 1"""
