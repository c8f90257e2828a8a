"""References to blobs going away: what nobody refers to any more becomes dead octets, or a file that is doomed.

A doomed file is unlinked after the commit, by anybody: its row stays until the file is gone for good, so a crash in
between leaves no garbage.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from posthouse.db.blobs import RECORD_HEADER
from posthouse.db.units import Work

# Files that no blob or segment points to any more, yet to be unlinked. As in `blob`, segment 0 is for large files.
DOOMED_SCHEMA: Final = """
CREATE TABLE doomed(segment INTEGER NOT NULL, file TEXT NOT NULL, PRIMARY KEY(segment, file)) STRICT, WITHOUT ROWID;
"""


class Freed(NamedTuple):
    """What came free: octets of the log, and large files."""

    octets: int
    files: int


def release(work: Work, references: Mapping[int, int]) -> Freed:
    """Take so many references away from blobs (by id); those that have none left are removed."""
    rows = work.execute(
        "UPDATE blob SET refs = refs - (value ->> 1) FROM json_each(?) WHERE blob.id = value ->> 0"
        " RETURNING blob.id, refs, segment, length, file",
        (_json(list(references.items())),),
    ).fetchall()
    return remove_blobs(work, [row for row in rows if row[1] <= 0])


def remove_blobs(work: Work, rows: Sequence[Any]) -> Freed:
    """Remove rows of `blob`, given as (id, refs, segment, length, file)."""
    if not rows:
        return Freed(0, 0)
    work.execute(
        "DELETE FROM blob WHERE id IN (SELECT value FROM json_each(?))",
        (_json([row[0] for row in rows]),),
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


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
