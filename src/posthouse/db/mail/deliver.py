"""Messages coming in: Deliver and Append. The trigger of the table `arrival` does the work (schema.py)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final

import apsw
import msgspec

from posthouse.db.blobs import Blob, OwnFile
from posthouse.db.mail.keywords import keyword_bits
from posthouse.db.mail.mailboxes import insert_mailbox, mailbox_named
from posthouse.db.mail.units import (
    INBOX,
    JUNK,
    RECENT,
    Append,
    Deliver,
    Description,
    NoSuchAccount,
    NoSuchMailbox,
    Recipient,
    Stored,
)
from posthouse.db.units import Work

# How many rows an INSERT takes. Each step of a statement gives the interpreter away, and has to wait until it comes back:
# beside a busy event loop that takes longer than the work.
_ROWS: Final = (32, 8, 2, 1)
_ROW: Final = f"({', '.join('?' * 17)})"
_ARRIVE: Final = {count: f"INSERT INTO arrival VALUES{', '.join([_ROW] * count)}" for count in _ROWS}
_WHERE: Final = (
    "SELECT json_group_array(json_array(mailbox.account, name, mailbox.id, uidvalidity, uidnext)) FROM json_each(?) wanted"
    " CROSS JOIN mailbox ON account = wanted.value ->> 0 AND name = wanted.value ->> 1"
)


def deliver(work: Work, units: Sequence[Deliver], blobs: Sequence[Blob]) -> list[tuple[Stored, ...]]:
    """One body for all recipients of a unit: each account gets an email on it, and a message."""
    rows: list[tuple[Any, ...]] = []
    for unit, blob in zip(units, blobs, strict=True):
        refs = len(unit.recipients)
        for recipient in unit.recipients:
            mailbox = _junk_mailbox(work, recipient.account, unit) if unit.junk else INBOX
            rows.append(
                (recipient.account, mailbox, unit.received, unit.received, RECENT)
                + _described(unit.description, recipient)
                + _placed(blob, refs)
            )
            refs = 0
    stored = _arrive(work, rows)
    return [tuple(next(stored) for _ in unit.recipients) for unit in units]


def append(work: Work, unit: Append, blob: Blob) -> Stored:
    mailbox = mailbox_named(work, unit.account, unit.mailbox)
    flags = unit.system | keyword_bits(work, mailbox, unit.keywords, may_add=True) | RECENT
    recipient = Recipient(unit.account, b"", unit.parts)
    row = (
        (unit.account, unit.mailbox, unit.received, unit.saved, flags)
        + _described(unit.description, recipient)
        + _placed(blob, 1)
    )
    return next(_arrive(work, [row]))


def _arrive(work: Work, rows: list[tuple[Any, ...]]) -> Iterator[Stored]:
    """Insert these, and say where they are, in their order. Raises NoSuchAccount, NoSuchMailbox."""
    try:
        at = 0
        for count in _ROWS:
            while len(rows) - at >= count:
                work.execute(_ARRIVE[count], tuple(chain.from_iterable(rows[at : at + count])))
                at += count
    except apsw.ConstraintError as err:
        if "no such account" in str(err):
            raise NoSuchAccount from err
        if "no such mailbox" in str(err):
            raise NoSuchMailbox from err
        raise
    return _places(work, [row[:2] for row in rows])


def _places(work: Work, mailboxes: Sequence[tuple[int, str]]) -> Iterator[Stored]:
    """The last UIDs of these mailboxes, of each as many as there are of it here."""
    counted = Counter(mailboxes)
    ((found,),) = work.execute(_WHERE, (_json(counted),))
    last = {
        (account, name): (mailbox, uidvalidity, uidnext - counted[account, name])
        for account, name, mailbox, uidvalidity, uidnext in msgspec.json.decode(found)
    }
    for key in mailboxes:
        mailbox, uidvalidity, uid = last[key]
        last[key] = (mailbox, uidvalidity, uid + 1)
        work.touched.add(mailbox)
        yield Stored(mailbox, uidvalidity, uid)


def _json(mailboxes: Iterable[tuple[int, str]]) -> str:
    return msgspec.json.encode(list(mailboxes)).decode()


def _described(description: Description, recipient: Recipient) -> tuple[bytes, ...]:
    return (
        description.message_id,
        description.envelope,
        description.structure,
        recipient.parts,
        recipient.head,
    )


def _placed(blob: Blob, refs: int) -> tuple[Any, ...]:
    if isinstance(blob, OwnFile):
        return (refs, 0, 0, blob.length, 0, blob.name, blob.pieces)
    return (refs, blob.segment, blob.offset, blob.length, blob.crc, None, None)


def _junk_mailbox(work: Work, account: int, unit: Deliver) -> str:
    """The name of the mailbox for junk, which is made if there is none."""
    row = work.execute(
        "SELECT name FROM mailbox WHERE account = ?1 AND NOT removed AND (special_use = ?2 OR name = ?3)"
        " ORDER BY special_use <> ?2, id LIMIT 1",
        (account, JUNK, unit.junk),
    ).fetchall()
    if row:
        name: str = row[0][0]
        return name
    insert_mailbox(work, account, unit.junk, JUNK, unit.received)
    return unit.junk
