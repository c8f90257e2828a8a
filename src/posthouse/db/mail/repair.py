"""Repairs that are safe: numbers are counted anew, and what nothing refers to is removed. Ordinary units (R-025).

Each gives whether it has more to do. No message is removed, not even one that is damaged.
"""

from dataclasses import dataclass
from typing import Any, Final

from posthouse.db.doomed import Doomed
from posthouse.db.mail.blobrefs import release
from posthouse.db.mail.collect import remove_emails
from posthouse.db.units import Executors, Unit, Work


@dataclass(frozen=True, slots=True)
class RecountUsed(Unit[bool]):
    """Octets that accounts use."""


@dataclass(frozen=True, slots=True)
class RecountMailbox(Unit[bool]):
    """Counters of a mailbox; UIDNEXT and modseq are only ever raised."""

    mailbox: int


@dataclass(frozen=True, slots=True)
class RaiseModseq(Unit[bool]):
    """The account of a mailbox is at least at the mailbox's modseq."""

    mailbox: int


@dataclass(frozen=True, slots=True)
class RemoveStrayKeywords(Unit[bool]):
    """Keywords of a mailbox that is not there."""

    mailbox: int


@dataclass(frozen=True, slots=True)
class RemoveEmails(Unit[bool]):
    """Those of these emails that no message holds."""

    emails: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecountBlob(Unit[bool]):
    """How many emails hold a blob; removed if none does."""

    blob: int


@dataclass(frozen=True, slots=True)
class RecountSegment(Unit[bool]):
    """Octets of a segment that are dead."""

    segment: int


@dataclass(frozen=True, slots=True)
class DoomFile(Unit[bool]):
    """A file that no row knows will be unlinked."""

    file: Doomed


def recount_used(work: Work, _unit: RecountUsed, _blob: Any) -> bool:
    work.execute(
        "UPDATE account SET used = total FROM (SELECT account.id AS owner, coalesce(sum(email.size), 0) AS total"
        " FROM account LEFT JOIN email ON email.account = account.id GROUP BY account.id)"
        " WHERE owner = account.id AND used <> total"
    )
    return False


def recount_mailbox(work: Work, unit: RecountMailbox, _blob: Any) -> bool:
    work.execute(
        "UPDATE mailbox SET total = n, unseen = new, recent = fresh, uidnext = max(uidnext, last + 1),"
        " modseq = max(mailbox.modseq, newest) FROM (SELECT count(*) AS n, coalesce(sum(NOT flags & 1), 0) AS new,"
        " coalesce(sum(flags & 32 > 0), 0) AS fresh, coalesce(max(uid), 0) AS last, coalesce(max(modseq), 0) AS newest"
        " FROM message WHERE mailbox = ?1) WHERE id = ?1",
        (unit.mailbox,),
    )
    work.touched.add(unit.mailbox)
    return False


def raise_modseq(work: Work, unit: RaiseModseq, _blob: Any) -> bool:
    work.execute(
        "UPDATE account SET modseq = max(account.modseq, mailbox.modseq,"
        " (SELECT coalesce(max(message.modseq), 0) FROM message WHERE message.mailbox = mailbox.id))"
        " FROM mailbox WHERE mailbox.id = ? AND account.id = mailbox.account",
        (unit.mailbox,),
    )
    return False


def remove_stray_keywords(work: Work, unit: RemoveStrayKeywords, _blob: Any) -> bool:
    work.execute(
        "DELETE FROM keyword WHERE mailbox = ?1 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE id = ?1)",
        (unit.mailbox,),
    )
    return False


def remove_emails_(work: Work, unit: RemoveEmails, _blob: Any) -> bool:
    remove_emails(work, unit.emails)
    return False


def recount_blob(work: Work, unit: RecountBlob, _blob: Any) -> bool:
    release(work, (unit.blob,))
    return False


def recount_segment(work: Work, unit: RecountSegment, _blob: Any) -> bool:
    work.execute(
        "UPDATE segment SET dead = size - (SELECT coalesce(sum(length + 16), 0) FROM blob WHERE segment = segment.id)"
        " WHERE id = ?",
        (unit.segment,),
    )
    return False


def doom_file(work: Work, unit: DoomFile, _blob: Any) -> bool:
    work.execute(
        "INSERT OR IGNORE INTO doomed SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM segment WHERE id = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM blob WHERE file = ?2)",
        tuple(unit.file),
    )
    return False


REPAIR_EXECUTORS: Final[Executors] = {
    RecountUsed: recount_used,
    RecountMailbox: recount_mailbox,
    RaiseModseq: raise_modseq,
    RemoveStrayKeywords: remove_stray_keywords,
    RemoveEmails: remove_emails_,
    RecountBlob: recount_blob,
    RecountSegment: recount_segment,
    DoomFile: doom_file,
}
