"""The collector: emails that no message holds are removed, and what they alone referred to. It follows the journal.

Each unit is bounded, and goes on where the last one ended whoever ran it: the place is in the database.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Final, NamedTuple

import apsw

from posthouse.db.mail import uidset
from posthouse.db.mail.blobrefs import Freed, release
from posthouse.db.mail.selection import as_json
from posthouse.db.units import Executors, Unit, Work

UNIT_EMAILS: Final = 1000  # emails, and rows of the journal, that a unit looks at: some 4 ms
JOURNAL_KEPT: Final = 10_000  # changes of an account (modseqs) that its journal goes back at least
JOURNAL_SLACK: Final = 1000  # changes more than that before it is pruned


class Collected(NamedTuple):
    """emails: removed. more: whether there is more to look at, up to the same modseq."""

    emails: int
    freed: Freed
    more: bool


@dataclass(frozen=True, slots=True)
class Collect(Unit[Collected]):
    """Look at the next emails that messages of an account held, up to a modseq, and remove those that none holds now."""

    account: int
    upto: int

    @property
    def gives_way(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class PruneJournal(Unit[bool]):
    """Cut the oldest rows off the journal of an account, but none that the collector needs; gives whether there are more."""

    account: int

    @property
    def gives_way(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class ForgetAccount(Unit[bool]):
    """Remove what is left of an account that was removed, once it has nothing more; gives whether there is more to do."""

    account: int

    @property
    def gives_way(self) -> bool:
        return True


class AccountState(NamedTuple):
    """What the collector wants to know of an account. uncollected: modseq of the first removal not looked at, or None."""

    id: int
    modseq: int
    journal_floor: int
    removed: int
    uncollected: int | None

    @property
    def is_long(self) -> bool:
        """Whether its journal is to be pruned."""
        return not self.removed and self.modseq - self.journal_floor > JOURNAL_KEPT + JOURNAL_SLACK


_PLACE: Final = "SELECT modseq, place FROM cursor WHERE name = 'collector' AND account = ?"
_UNCOLLECTED: Final = (
    "SELECT min(journal.modseq) FROM journal WHERE journal.account = account.id AND kind = 3 AND journal.modseq >="
    " coalesce((SELECT cursor.modseq FROM cursor WHERE name = 'collector' AND cursor.account = account.id), 0)"
)
_ACCOUNTS: Final = 1000  # read at a time


def account_states(connection: apsw.Connection, after: int) -> list[AccountState]:
    """The next accounts by id; an empty list is the end."""
    rows: Any = connection.execute(
        f"SELECT id, modseq, journal_floor, removed, ({_UNCOLLECTED}) FROM account"  # noqa: S608 - constants
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, _ACCOUNTS),
    )
    return [AccountState._make(row) for row in rows.fetchall()]


def collect(work: Work, unit: Collect, _blob: Any) -> Collected:
    modseq, place = _place(work, unit.account)
    rows = work.execute(
        "SELECT modseq, emails FROM journal WHERE account = ? AND kind = 3 AND modseq BETWEEN ? AND ?"
        " ORDER BY modseq, mailbox LIMIT ?",
        (unit.account, modseq, unit.upto, UNIT_EMAILS),
    ).fetchall()
    more = len(rows) == UNIT_EMAILS
    if more:  # of the last modseq there may be rows that we have not seen
        rows = [row for row in rows if row[0] < rows[-1][0]] or rows
    ids: list[int] = []
    for number, same in groupby(rows, key=itemgetter(0)):
        begin, room = place if number == modseq else 0, UNIT_EMAILS - len(ids)
        held = list(islice(chain.from_iterable(_emails(row[1]) for row in same), begin, begin + room + 1))
        ids += held[:room]
        if len(held) > room:
            modseq, place, more = number, begin + room, True
            break
        modseq, place = number + 1, 0
    removed, freed = remove_emails(work, ids)
    work.execute("INSERT OR REPLACE INTO cursor VALUES('collector', ?, ?, ?)", (unit.account, modseq, place))
    return Collected(removed, freed, more)


def remove_emails(work: Work, ids: Sequence[int]) -> tuple[int, Freed]:
    """Remove those of these emails that no message holds; gives how many, and what came free."""
    listed = as_json(ids)
    rows = work.execute(
        "SELECT email.id, account, blob, size FROM json_each(?) CROSS JOIN email ON email.id = value"
        " WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.email = email.id)",
        (listed,),
    ).fetchall()
    if not rows:
        return 0, Freed(0, 0)
    gone = {row[0]: row for row in rows}  # an email may have been named twice
    work.execute("DELETE FROM email WHERE id IN (SELECT value FROM json_each(?))", (as_json(list(gone)),))
    used: Counter[int] = Counter()
    for _, account, _, size in gone.values():
        used[account] += size
    for account, octets in used.items():
        work.execute("UPDATE account SET used = used - ? WHERE id = ?", (octets, account))
    return len(gone), release(work, {row[2] for row in gone.values()})


def prune_journal(work: Work, unit: PruneJournal, _blob: Any) -> bool:
    row = work.execute(
        f"SELECT modseq, journal_floor, ({_UNCOLLECTED}) FROM account WHERE id = ?",  # noqa: S608 - constants
        (unit.account,),
    ).fetchall()
    if not row:
        return False
    modseq, old_floor, uncollected = row[0]
    floor = modseq - JOURNAL_KEPT
    if uncollected is not None:
        floor = min(floor, uncollected - 1)
    if floor <= old_floor:
        return False
    step = _journal_step(work, unit.account, floor)
    upto = floor if step is None else step
    work.execute("DELETE FROM journal WHERE account = ? AND modseq <= ?", (unit.account, upto))
    work.execute("UPDATE account SET journal_floor = ? WHERE id = ?", (upto, unit.account))
    return bool(upto < floor)


def forget_account(work: Work, unit: ForgetAccount, _blob: Any) -> bool:
    row = work.execute(
        f"SELECT modseq, ({_UNCOLLECTED}) FROM account WHERE id = ? AND removed"  # noqa: S608 - constants
        " AND NOT EXISTS (SELECT 1 FROM mailbox WHERE mailbox.account = account.id)",
        (unit.account,),
    ).fetchall()
    if not row or row[0][1] is not None:
        return False
    step = _journal_step(work, unit.account, row[0][0])
    if step is not None:
        work.execute("DELETE FROM journal WHERE account = ? AND modseq <= ?", (unit.account, step))
        return True
    for table, column in (("journal", "account"), ("cursor", "account"), ("account", "id")):
        work.execute(f"DELETE FROM {table} WHERE {column} = ?", (unit.account,))  # noqa: S608 - constants
    return False


def uncollected_emails(connection: apsw.Connection, account: int) -> set[int]:
    """All ids that the collector has yet to look at."""
    modseq, place = _place(connection, account)
    execute: Any = connection.execute
    rows = execute(
        "SELECT modseq, emails FROM journal WHERE account = ? AND kind = 3 AND modseq >= ? ORDER BY modseq, mailbox",
        (account, modseq),
    ).fetchall()
    found: set[int] = set()
    for number, same in groupby(rows, key=itemgetter(0)):
        begin = place if number == modseq else 0
        found.update(islice(chain.from_iterable(_emails(row[1]) for row in same), begin, None))
    return found


def _place(connection: Work | apsw.Connection, account: int) -> tuple[int, int]:
    """(modseq, place): removals of lower modseqs were looked at, and so many emails of this one."""
    execute: Any = connection.execute
    row = execute(_PLACE, (account,)).fetchall()
    modseq, place = row[0] if row else (0, 0)
    return modseq, place


def _emails(ids: bytes | None) -> chain[int]:
    return chain.from_iterable(uidset.parse(ids or b""))


def _journal_step(work: Work, account: int, upto: int) -> int | None:
    """The modseq up to which a unit may cut the journal, or None for all the way."""
    row = work.execute(
        "SELECT modseq FROM journal WHERE account = ? AND modseq <= ? ORDER BY modseq LIMIT 1 OFFSET ?",
        (account, upto, UNIT_EMAILS),
    ).fetchall()
    return row[0][0] if row else None


COLLECT_EXECUTORS: Final[Executors] = {
    Collect: collect,
    PruneJournal: prune_journal,
    ForgetAccount: forget_account,
}
