"""Reading mail: functions on a connection. Each is short by key, or says that it is not for the event loop."""

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import apsw

from posthouse.core.arrays import narrowest
from posthouse.db.blobs import Blob, OwnFile, Place
from posthouse.db.mail import journal, uidset
from posthouse.db.mail.keywords import keyword_names
from posthouse.db.mail.selection import as_json, is_dense, select
from posthouse.db.mail.units import KEYWORD_SHIFT, RECENT, NoSuchMailbox
from posthouse.db.readers import INLINE_ROWS, snapshot

ROWS_OCTETS: Final = (
    1_048_576  # of ENVELOPE and BODYSTRUCTURE, after which no further rows are read at a time
)


class TooLong(Exception):
    """More than may be read on the event loop: the same read in a thread, please."""


class AccountRow(NamedTuple):
    id: int
    append_limit: int | None


class MailboxName(NamedTuple):
    id: int
    name: str
    special_use: str


class MailboxRow(NamedTuple):
    """A mailbox and its counters."""

    id: int
    account: int
    uidvalidity: int
    uidnext: int
    modseq: int
    total: int
    recent: int
    unseen: int


class Contents(NamedTuple):
    """A mailbox at one moment: `flags[i]` belongs to `uids[i]`."""

    uidvalidity: int
    uidnext: int
    modseq: int
    uids: "array[int]"
    flags: "array[int]"
    keywords: tuple[str, ...]
    recent: "array[int]"  # UIDs


class Difference(NamedTuple):
    """What happened after a modseq; all UIDs ascend, pairs are (uid, flags).

    Where the journal does not go back so far, `added` and `changed` are the same, and `vanished` is more than is news.
    """

    modseq: int
    uidnext: int
    added: list[tuple[int, int]]
    changed: list[tuple[int, int]]
    vanished: list[int]
    keywords: tuple[str, ...]
    recent: int  # messages that are \Recent


class Location(NamedTuple):
    """Where the octets of an email are: `head`, then those of the blob."""

    size: int
    head: bytes
    parts: bytes
    blob: Blob


def _rows(connection: apsw.Connection, sql: str, bindings: tuple[object, ...]) -> list[Any]:
    """All rows of a query; the schema says of what type they are."""
    execute: Any = connection.execute
    rows: list[Any] = execute(sql, bindings).fetchall()
    return rows


_MAILBOX = "SELECT id, account, uidvalidity, uidnext, modseq, total, recent, unseen FROM mailbox"
_ROW = (
    "SELECT uid, flags, modseq, received, size, envelope, structure, email"
    " FROM message CROSS JOIN email ON email.id = message.email"
)
_OF_MAILBOX = " WHERE mailbox = (SELECT id FROM mailbox WHERE id = ? AND NOT removed)"
_SPAN = _OF_MAILBOX + " AND uid BETWEEN ? AND ? ORDER BY uid"
_LIST = _OF_MAILBOX + " AND uid IN (SELECT value FROM json_each(?)) ORDER BY uid"  # noqa: S608 - constants
_PLACE = ", head, parts, segment, offset, length, crc, file, pieces"
_BLOB = (
    " CROSS JOIN blob ON blob.id = email.blob"  # CROSS: else the statement is prepared anew for each value
)
_WHOLE_ROW = _ROW.replace(" FROM ", _PLACE + " FROM ") + _BLOB
_LOCATION = f"SELECT email.size{_PLACE} FROM email{_BLOB} WHERE email.id = ? AND email.account = ?"  # noqa: S608 - constants
_CHUNK = 10_000  # rows fetched at a time of a long list


def account(connection: apsw.Connection, name: str) -> AccountRow | None:
    rows = _rows(connection, "SELECT id, append_limit FROM account WHERE name = ?", (name,))
    return AccountRow._make(rows[0]) if rows else None


def account_names(connection: apsw.Connection) -> list[str]:
    """Reads all accounts: in a thread."""
    return [
        name for (name,) in _rows(connection, "SELECT name FROM account WHERE NOT removed ORDER BY name", ())
    ]


def mailboxes(connection: apsw.Connection, account: int, limit: int | None) -> list[MailboxName]:
    """(id, name, special use) of each, in order of creation. Raises TooLong."""
    rows = _rows(
        connection,
        "SELECT id, name, special_use FROM mailbox WHERE account = ? AND NOT removed ORDER BY id LIMIT ?",
        (account, _one_more(limit)),
    )
    _check(len(rows), limit)
    return [MailboxName._make(row) for row in rows]


def subscriptions(connection: apsw.Connection, account: int, limit: int | None) -> list[str]:
    """Names, in alphabetical order; not each is a mailbox. Raises TooLong."""
    rows = _rows(
        connection,
        "SELECT name FROM subscription WHERE account = ? ORDER BY name LIMIT ?",
        (account, _one_more(limit)),
    )
    _check(len(rows), limit)
    return [name for (name,) in rows]


def mailbox_named(connection: apsw.Connection, account: int, name: str) -> MailboxRow:
    """Raises NoSuchMailbox."""
    return _only(_rows(connection, f"{_MAILBOX} WHERE account = ? AND name = ?", (account, name)))


def mailbox(connection: apsw.Connection, number: int) -> MailboxRow:
    """By its id. Raises NoSuchMailbox."""
    return _only(_rows(connection, f"{_MAILBOX} WHERE id = ? AND NOT removed", (number,)))


def contents(connection: apsw.Connection, number: int, limit: int | None) -> Contents:
    """A mailbox at one moment. Raises NoSuchMailbox, TooLong."""
    uids, recent = array("I"), array("I")
    with snapshot(connection):
        row = mailbox(connection, number)
        _check(row.total, limit)
        keywords = keyword_names(connection, number)
        flags = array(narrowest(KEYWORD_SHIFT + len(keywords)))
        while True:
            chunk = _rows(
                connection,
                "SELECT uid, flags FROM message WHERE mailbox = ? AND uid > ? ORDER BY uid LIMIT ?",
                (number, uids[-1] if uids else 0, _CHUNK),
            )
            uids.extend([uid for uid, _ in chunk])
            flags.extend([bits for _, bits in chunk])
            recent.extend([uid for uid, bits in chunk if bits & RECENT])
            if len(chunk) < _CHUNK:
                return Contents(row.uidvalidity, row.uidnext, row.modseq, uids, flags, keywords, recent)


def difference(connection: apsw.Connection, number: int, since: int, limit: int | None) -> Difference:
    """What happened in a mailbox after modseq `since`. Raises NoSuchMailbox, TooLong."""
    with snapshot(connection):
        row = mailbox(connection, number)
        keywords = keyword_names(connection, number)
        if row.modseq <= since:
            return Difference(row.modseq, row.uidnext, [], [], [], keywords, row.recent)
        if since < _journal_floor(connection, row.account):
            _check(row.total + row.uidnext, limit)
            return _difference_without_journal(connection, row, since, keywords)
        entries = _rows(
            connection,
            "SELECT kind, uids FROM journal WHERE account = ? AND modseq > ? AND mailbox = ? LIMIT ?",
            (row.account, since, number, _one_more(limit)),
        )
        _check(len(entries), limit)
        touched = _touched(entries, limit)
        expunged = touched[journal.EXPUNGED]
        alive = sorted((touched[journal.ADDED] | touched[journal.FLAGS]) - expunged)
        flags = [(uid, bits) for uid, bits, _ in select(connection, number, alive).rows]
    added = [pair for pair in flags if pair[0] in touched[journal.ADDED]]
    changed = [pair for pair in flags if pair[0] not in touched[journal.ADDED]]
    vanished = sorted(expunged - touched[journal.ADDED])
    return Difference(row.modseq, row.uidnext, added, changed, vanished, keywords, row.recent)


def _journal_floor(connection: apsw.Connection, account: int) -> int:
    """The journal of an account is complete above it."""
    floor: int = _rows(connection, "SELECT journal_floor FROM account WHERE id = ?", (account,))[0][0]
    return floor


def _difference_without_journal(
    connection: apsw.Connection, row: MailboxRow, since: int, keywords: tuple[str, ...]
) -> Difference:
    """The journal does not go back so far: whatever changed may be new, and each UID that is not there has vanished."""
    messages = _rows(connection, "SELECT uid, flags, modseq FROM message WHERE mailbox = ?", (row.id,))
    changed = [(uid, flags) for uid, flags, modseq in messages if modseq > since]
    vanished = set(range(1, row.uidnext)).difference(uid for uid, _, _ in messages)
    return Difference(row.modseq, row.uidnext, changed, changed, sorted(vanished), keywords, row.recent)


class Found(NamedTuple):
    """Rows, and the UIDs that were not looked at because the rows became too large: read on with them."""

    rows: list[Any]
    left: Sequence[int]


def rows(connection: apsw.Connection, number: int, uids: Sequence[int]) -> Found:
    """(uid, flags, modseq, received, size, envelope, structure, email) of these, at most INLINE_ROWS messages.

    Raises NoSuchMailbox.
    """
    return _found(connection, _ROW, number, uids)


def whole_rows(connection: apsw.Connection, number: int, uids: Sequence[int]) -> Found:
    """The same, and (head, parts, segment, offset, length, crc, file, pieces): see Location. Raises NoSuchMailbox."""
    return _found(connection, _WHOLE_ROW, number, uids)


def _found(connection: apsw.Connection, select: str, number: int, uids: Sequence[int]) -> Found:
    assert 0 < len(uids) <= INLINE_ROWS
    execute: Any = connection.execute
    wanted: Sequence[int] | set[int] = ()
    if not is_dense(uids):
        cursor = execute(select + _LIST, (number, as_json(uids)))
    else:
        cursor = execute(select + _SPAN, (number, uids[0], uids[-1]))
        if len(uids) < uids[-1] - uids[0] + 1:
            wanted = set(uids)
    found: list[Any] = []
    room = ROWS_OCTETS
    for row in cursor:
        if not wanted or row[0] in wanted:
            found.append(row)
            room -= len(row[5]) + len(row[6])
            if room < 0:
                cursor.close()
                return Found(found, uids[bisect_right(uids, row[0]) :])
    if not found:
        mailbox(connection, number)
    return Found(found, ())


def modseqs(
    connection: apsw.Connection, number: int, uids: Sequence[int], above: int, limit: int | None
) -> list[tuple[int, int]]:
    """(uid, modseq) of those of these messages whose modseq is higher. Raises NoSuchMailbox, TooLong."""
    _check(len(uids), limit)
    with snapshot(connection):
        mailbox(connection, number)
        if not uids:
            return []
        if not is_dense(uids):
            return _rows(
                connection,
                "SELECT uid, modseq FROM json_each(?) CROSS JOIN message"
                " WHERE mailbox = ? AND uid = value AND modseq > ?",
                (as_json(uids), number, above),
            )
        found = _rows(
            connection,
            "SELECT uid, modseq FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? AND modseq > ? ORDER BY uid",
            (number, uids[0], uids[-1], above),
        )
    wanted = set(uids) if len(uids) < uids[-1] - uids[0] + 1 else ()
    return [row for row in found if row[0] in wanted] if wanted else found


def location(connection: apsw.Connection, account: int, email: int) -> Location | None:
    """None if the account has no such email."""
    for size, head, parts, segment, offset, length, crc, file, pieces in _rows(
        connection, _LOCATION, (email, account)
    ):
        blob = Place(segment, offset, length, crc) if file is None else OwnFile(file, length, pieces)
        return Location(size, head, parts, blob)
    return None


def _touched(entries: list[tuple[int, bytes]], limit: int | None) -> dict[int, set[int]]:
    """By kind of change: the UIDs. Raises TooLong."""
    touched: dict[int, set[int]] = {kind: set() for kind in journal.KINDS}
    for kind, uids in entries:
        for run in uidset.parse(uids):
            _check(len(run) + sum(map(len, touched.values())), limit)
            touched[kind].update(run)
    return touched


def _only(rows: list[Any]) -> MailboxRow:
    if not rows:
        raise NoSuchMailbox
    return MailboxRow._make(rows[0])


def _one_more(limit: int | None) -> int:
    """What to ask SQLite for, to see whether there is more than the limit; -1 is all."""
    return -1 if limit is None else limit + 1


def _check(count: int, limit: int | None) -> None:
    if limit is not None and count > limit:
        raise TooLong


def has_removed(connection: apsw.Connection) -> bool:
    """Whether mailboxes wait to be purged."""
    return bool(_rows(connection, "SELECT 1 FROM mailbox WHERE removed LIMIT 1", ()))
