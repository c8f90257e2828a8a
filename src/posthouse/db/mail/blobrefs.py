"""References to blobs going away: what no email refers to any more becomes dead octets, or a file that is doomed."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from posthouse.db.blobs import RECORD_HEADER
from posthouse.db.mail.selection import as_json
from posthouse.db.units import Work


class Freed(NamedTuple):
    """What came free: octets of the log, and large files."""

    octets: int
    files: int


def release(work: Work, blobs: Collection[int]) -> Freed:
    """Some emails on these blobs are no more: those that none holds now are removed.

    The emails are counted, not their number lowered: a wrong number would cost a body.
    """
    rows = work.execute(
        "UPDATE blob SET refs = (SELECT count(*) FROM email WHERE email.blob = blob.id)"
        " WHERE id IN (SELECT value FROM json_each(?)) RETURNING id, refs, segment, length, file",
        (as_json(list(blobs)),),
    ).fetchall()
    return _remove(work, [row for row in rows if row[1] == 0])


def _remove(work: Work, rows: Sequence[Any]) -> Freed:
    """Remove rows of `blob`, given as (id, refs, segment, length, file)."""
    if not rows:
        return Freed(0, 0)
    work.execute(
        "DELETE FROM blob WHERE id IN (SELECT value FROM json_each(?))",
        (as_json([row[0] for row in rows]),),
    )
    dead: Counter[int] = Counter()
    files = [row[4] for row in rows if row[4] is not None]
    for _, _, segment, length, file in rows:
        if file is None:
            dead[segment] += RECORD_HEADER + length
    for segment, octets in dead.items():
        work.execute("UPDATE segment SET dead = dead + ? WHERE id = ?", (octets, segment))
    for file in files:
        work.execute("INSERT OR IGNORE INTO doomed VALUES(0, ?)", (file,))
    return Freed(dead.total(), len(files))
