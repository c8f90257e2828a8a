"""Leases: rows that say which process does a job which only one should do at a time.

A lease runs out by itself when its owner was killed. It saves work; it is not what keeps data safe, for clocks may jump.
"""

from dataclasses import dataclass
from typing import Any, Final

import apsw

from posthouse.db.units import Executors, Unit, Work

LEASE: Final = 180  # seconds that a lease lasts
RENEWAL: Final = LEASE / 3  # seconds after which its owner takes it anew
COMPACTION: Final = "compaction"
BACKUP: Final = "backup"  # while somebody has it, no file of the blob log is removed

# expires: seconds since the epoch.
LEASE_SCHEMA: Final = """
CREATE TABLE lease(name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class TakeLease(Unit[bool]):
    """Take or renew a lease from `now` on; gives whether it is ours."""

    name: str
    owner: str
    now: int


@dataclass(frozen=True, slots=True)
class ReleaseLease(Unit[None]):
    """Let go of a lease, if it is ours."""

    name: str
    owner: str


def take_lease(work: Work, unit: TakeLease, _blob: Any) -> bool:
    row = work.execute(
        "SELECT 1 FROM lease WHERE name = ?1 AND owner <> ?2 AND expires > ?3 AND expires <= ?3 + ?4",
        (unit.name, unit.owner, unit.now, LEASE),
    ).fetchall()
    if row:
        return False
    work.execute("INSERT OR REPLACE INTO lease VALUES(?, ?, ?)", (unit.name, unit.owner, unit.now + LEASE))
    return True


def release_lease(work: Work, unit: ReleaseLease, _blob: Any) -> None:
    work.execute("DELETE FROM lease WHERE name = ? AND owner = ?", (unit.name, unit.owner))


def is_held(connection: Work | apsw.Connection, name: str, now: int) -> bool:
    """Whether somebody has a lease. One that would last too long is none: the clock was set back meanwhile."""
    execute: Any = connection.execute
    rows = execute(
        "SELECT 1 FROM lease WHERE name = ?1 AND expires > ?2 AND expires <= ?2 + ?3", (name, now, LEASE)
    )
    return bool(rows.fetchall())


LEASE_EXECUTORS: Final[Executors] = {TakeLease: take_lease, ReleaseLease: release_lease}
