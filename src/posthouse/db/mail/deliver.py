"""Messages coming in: Deliver and Append."""

from typing import NamedTuple

from posthouse.db.blobs import Blob, OwnFile, Place
from posthouse.db.mail import journal
from posthouse.db.mail.keywords import keyword_bits
from posthouse.db.mail.mailboxes import insert_mailbox, mailbox_named
from posthouse.db.mail.units import (
    INBOX,
    JUNK,
    RECENT,
    SEEN,
    Append,
    Deliver,
    Description,
    Recipient,
    Stored,
)
from posthouse.db.units import Work


def deliver(work: Work, unit: Deliver, blob: Blob | None) -> tuple[Stored, ...]:
    """One body for all: each account gets an email on it, and a message."""
    blob_id = _insert_blob(work, blob, refs=len(unit.recipients))
    return tuple(_deliver_to(work, unit, recipient, blob_id) for recipient in unit.recipients)


def append(work: Work, unit: Append, blob: Blob | None) -> Stored:
    mailbox = mailbox_named(work, unit.account, unit.mailbox)
    flags = unit.system | keyword_bits(work, mailbox, unit.keywords, may_add=True) | RECENT
    blob_id = _insert_blob(work, blob, refs=1)
    recipient = Recipient(unit.account, b"", unit.parts)
    arrival = Arrival(mailbox, flags, unit.received, unit.saved)
    return _insert(work, recipient, unit.description, blob_id, arrival)


def _insert_blob(work: Work, blob: Blob | None, refs: int) -> int:
    """The row of a body; gives its id."""
    if isinstance(blob, OwnFile):
        work.execute(
            "INSERT INTO blob(segment, offset, length, crc, refs, file, pieces) VALUES(0, 0, ?, 0, ?, ?, ?)",
            (blob.length, refs, blob.name, blob.pieces),
        )
    else:
        assert isinstance(blob, Place)
        work.execute(
            "INSERT INTO blob(segment, offset, length, crc, refs) VALUES(?, ?, ?, ?, ?)",
            (blob.segment, blob.offset, blob.length, blob.crc, refs),
        )
    return work.last_id()


def _deliver_to(work: Work, unit: Deliver, recipient: Recipient, blob_id: int) -> Stored:
    if unit.junk:
        mailbox = _junk_mailbox(work, recipient.account, unit.junk, unit.received)
    else:
        mailbox = mailbox_named(work, recipient.account, INBOX)
    arrival = Arrival(mailbox, RECENT, unit.received, unit.received)
    return _insert(work, recipient, unit.description, blob_id, arrival)


def _junk_mailbox(work: Work, account: int, name: str, now: int) -> int:
    row = work.execute(
        "SELECT id FROM mailbox WHERE account = ?1 AND (special_use = ?2 OR name = ?3)"
        " ORDER BY special_use <> ?2, id LIMIT 1",
        (account, JUNK, name),
    ).fetchall()
    if row:
        mailbox: int = row[0][0]
        return mailbox
    return insert_mailbox(work, account, name, JUNK, now)


class Arrival(NamedTuple):
    """How an email comes into a mailbox."""

    mailbox: int
    flags: int
    received: int
    saved: int


def _insert(
    work: Work, recipient: Recipient, description: Description, blob_id: int, arrival: Arrival
) -> Stored:
    """An email, and a message on it with the next UID of the mailbox."""
    account, (mailbox, flags, received, saved) = recipient.account, arrival
    size = len(recipient.head) + description.size
    modseq = journal.next_modseq(work, account, used=size)
    work.execute(
        "INSERT INTO email(account, blob, size, received, message_id, envelope, structure, parts, head)"
        " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            account,
            blob_id,
            size,
            received,
            description.message_id,
            description.envelope,
            description.structure,
            recipient.parts,
            recipient.head,
        ),
    )
    email = work.last_id()
    ((uidvalidity, uid),) = work.execute(
        "UPDATE mailbox SET uidnext = uidnext + 1, modseq = ?, total = total + 1, unseen = unseen + ?,"
        " recent = recent + 1 WHERE id = ? RETURNING uidvalidity, uidnext - 1",
        (modseq, not flags & SEEN, mailbox),
    ).fetchall()
    work.execute(
        "INSERT INTO message(mailbox, uid, email, modseq, flags, saved) VALUES(?, ?, ?, ?, ?, ?)",
        (mailbox, uid, email, modseq, flags, saved),
    )
    journal.write(work, account, modseq, mailbox, journal.ADDED, (uid,))
    return Stored(mailbox, uidvalidity, uid)
