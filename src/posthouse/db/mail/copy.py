"""COPY and MOVE: new messages on emails that are there."""

from typing import Any

import msgspec

from posthouse.db.mail import journal
from posthouse.db.mail.expunge import remove_messages
from posthouse.db.mail.flags import owner
from posthouse.db.mail.keywords import keyword_bits, keyword_names
from posthouse.db.mail.mailboxes import mailbox_named
from posthouse.db.mail.selection import Found, select
from posthouse.db.mail.units import KEYWORD_SHIFT, RECENT, SEEN, Copies, Copy
from posthouse.db.units import Work

_SYSTEM = (1 << KEYWORD_SHIFT) - 1  # flags that mean the same in each mailbox


def copy(work: Work, unit: Copy, _blob: Any) -> Copies:
    account, _ = owner(work, unit.mailbox)
    destination = mailbox_named(work, account, unit.destination)
    found = select(work, unit.mailbox, unit.uids)
    flags = _new_flags(work, unit.mailbox, destination, [old for _, old, _ in found.rows])
    uidvalidity, first = _take_uids(work, destination, flags)
    sources = [uid for uid, _, _ in found.rows]
    uids = list(range(first, first + len(sources)))
    if uids:
        modseq = journal.next_modseq(work, account)
        _insert(work, unit, destination, found, flags, first, modseq)
        journal.write(work, account, modseq, destination, journal.ADDED, uids)
        if unit.removes:
            remove_messages(work, account, modseq, unit.mailbox, found)
    return Copies(uidvalidity, sources, uids)


def _take_uids(work: Work, mailbox: int, flags: list[int]) -> tuple[int, int]:
    """UIDVALIDITY, and the first of as many UIDs as there are flags; they are counted from now on."""
    unseen = sum(not new & SEEN for new in flags)
    ((uidvalidity, uidnext),) = work.execute(
        "UPDATE mailbox SET uidnext = uidnext + ?1, total = total + ?1, recent = recent + ?1, unseen = unseen + ?2"
        " WHERE id = ?3 RETURNING uidvalidity, uidnext",
        (len(flags), unseen, mailbox),
    ).fetchall()
    return uidvalidity, uidnext - len(flags)


def _insert(
    work: Work, unit: Copy, destination: int, found: Found, flags: list[int], first: int, modseq: int
) -> None:
    pairs = [(email, new) for (_, _, email), new in zip(found.rows, flags, strict=True)]
    work.execute(
        "INSERT INTO message(mailbox, uid, email, modseq, flags, saved)"
        " SELECT ?1, ?2 + key, value ->> 0, ?3, value ->> 1, ?4 FROM json_each(?5)",
        (destination, first, modseq, unit.saved, msgspec.json.encode(pairs).decode()),
    )
    work.execute("UPDATE mailbox SET modseq = ? WHERE id = ?", (modseq, destination))


def _new_flags(work: Work, source: int, destination: int, flags: list[int]) -> list[int]:
    """The same flags as the destination has them, with \\Recent. Raises TooManyKeywords."""
    used = 0
    for old in set(flags):
        used |= old
    names = [
        (1 << bit, name)
        for bit, name in enumerate(keyword_names(work, source), KEYWORD_SHIFT)
        if used & 1 << bit
    ]
    bits = {old: keyword_bits(work, destination, (name,), may_add=True) for old, name in names}
    new = {
        old: old & _SYSTEM | RECENT | sum(there for here, there in bits.items() if old & here)
        for old in set(flags)
    }
    return [new[old] for old in flags]
