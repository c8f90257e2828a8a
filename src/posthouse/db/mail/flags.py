"""Flags: StoreFlags and ClaimRecent."""

from typing import Any

from posthouse.db.mail import journal
from posthouse.db.mail.keywords import keyword_bits, keyword_names
from posthouse.db.mail.selection import Found, as_json, select
from posthouse.db.mail.units import RECENT, SEEN, ClaimRecent, FlagMode, NewFlags, NoSuchMailbox, StoreFlags
from posthouse.db.units import Work


def store_flags(work: Work, unit: StoreFlags, _blob: Any) -> NewFlags:
    """A message whose flags stay as they are keeps its modseq."""
    account, before = owner(work, unit.mailbox)
    modseq = before
    adds = unit.mode is not FlagMode.REMOVE
    bits = keyword_bits(work, unit.mailbox, unit.keywords, may_add=adds) | unit.system & ~RECENT
    keep, put = _masks(unit.mode, bits)
    found = select(work, unit.mailbox, unit.uids)
    modified = _modified(work, unit, found)
    if modified:
        left = set(modified)
        found = Found([row for row in found.rows if row[0] not in left], whole=False)
    flags = [(uid, old & keep | put) for uid, old, _ in found.rows]
    changed = [(new, old) for new, (_, old, _) in zip(flags, found.rows, strict=True) if new[1] != old]
    if changed:
        modseq = journal.next_modseq(work, account)
        uids = [new[0] for new, _ in changed]
        _update(work, unit.mailbox, uids, keep, put, modseq, whole=found.whole)
        unseen = sum((old & SEEN) - (new[1] & SEEN) for new, old in changed)
        work.execute(
            "UPDATE mailbox SET modseq = ?, unseen = unseen + ? WHERE id = ?", (modseq, unseen, unit.mailbox)
        )
        journal.write(work, account, modseq, unit.mailbox, journal.FLAGS, uids)
    return NewFlags(before, modseq, flags, keyword_names(work, unit.mailbox), modified)


def claim_recent(work: Work, unit: ClaimRecent, _blob: Any) -> list[int]:
    owner(work, unit.mailbox)
    uids = [uid for uid, flags, _ in select(work, unit.mailbox, unit.uids).rows if flags & RECENT]
    if uids:
        work.execute(
            "UPDATE message SET flags = flags & ~? WHERE mailbox = ? AND uid IN (SELECT value FROM json_each(?))",
            (RECENT, unit.mailbox, as_json(uids)),
        )
        work.execute("UPDATE mailbox SET recent = recent - ? WHERE id = ?", (len(uids), unit.mailbox))
    return uids


def owner(work: Work, mailbox: int) -> tuple[int, int]:
    """The account of a mailbox, and the mailbox's modseq. Raises NoSuchMailbox."""
    row = work.execute(
        "SELECT account, modseq FROM mailbox WHERE id = ? AND NOT removed", (mailbox,)
    ).fetchall()
    if not row:
        raise NoSuchMailbox
    account, modseq = row[0]
    return account, modseq


def _modified(work: Work, unit: StoreFlags, found: Found) -> list[int]:
    """UIDs of messages that changed after `unchanged_since`."""
    if unit.unchanged_since is None or not found.rows:
        return []
    newer = work.execute(
        "SELECT uid FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? AND modseq > ? ORDER BY uid",
        (unit.mailbox, found.rows[0][0], found.rows[-1][0], unit.unchanged_since),
    ).fetchall()
    wanted = {uid for uid, _, _ in found.rows}
    return [uid for (uid,) in newer if uid in wanted]


def _masks(mode: FlagMode, bits: int) -> tuple[int, int]:
    """(keep, put): new flags are `flags & keep | put`."""
    if mode is FlagMode.REPLACE:
        return RECENT, bits
    return (-1, bits) if mode is FlagMode.ADD else (~bits, 0)


def _update(
    work: Work, mailbox: int, uids: list[int], keep: int, put: int, modseq: int, *, whole: bool
) -> None:
    """Change the rows; a whole span in one scan, which leaves out what stays as it is."""
    if whole:
        work.execute(
            "UPDATE message SET flags = flags & ?1 | ?2, modseq = ?3"
            " WHERE mailbox = ?4 AND uid BETWEEN ?5 AND ?6 AND flags <> (flags & ?1 | ?2)",
            (keep, put, modseq, mailbox, uids[0], uids[-1]),
        )
        return
    work.execute(
        "UPDATE message SET flags = flags & ? | ?, modseq = ?"
        " WHERE mailbox = ? AND uid IN (SELECT value FROM json_each(?))",
        (keep, put, modseq, mailbox, as_json(uids)),
    )
