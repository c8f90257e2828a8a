"""Compaction of the blob log: what is alive in a segment is copied behind the others, then the segment goes (storage.md §9.8).

Each copy is an ordinary unit of work that takes effect only where the body still lies in the old segment. Numbers of
segments are never used again and files never change, so a reader either reads the old file or looks the row up again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

import apsw

from posthouse.db import bloblog
from posthouse.db.blobread import BlobReader
from posthouse.db.blobs import Damaged, Place
from posthouse.db.lease import BACKUP, is_held
from posthouse.db.readers import Readers
from posthouse.db.units import Executors, Unit, Work

UNIT_BODIES: Final = 64
UNIT_OCTETS: Final = 1024 * 1024  # of bodies in a unit, or one body
_SMALL: Final = 4  # segments of less than this part of the largest are joined


class Live(NamedTuple):
    """A body that is still referred to."""

    blob: int
    place: Place


@dataclass(frozen=True, slots=True)
class Relocate(Unit[int]):
    """Bodies of a segment, stored again; gives how many moved. Those that were removed meanwhile stay away."""

    segment: int
    blobs: tuple[int, ...]
    bodies: tuple[bytes, ...]

    @property
    def octets(self) -> tuple[bytes, ...]:
        return self.bodies

    @property
    def rows(self) -> int:
        return len(self.blobs)

    @property
    def gives_way(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class DropSegment(Unit[bool]):
    """Give a sealed segment up that has no body left; gives whether it had none. Not while a backup runs."""

    segment: int
    now: int

    @property
    def gives_way(self) -> bool:
        return True


def relocate(work: Work, unit: Relocate, places: tuple[Place, ...]) -> int:
    moved = lost = count = 0
    for blob, place in zip(unit.blobs, places, strict=True):
        row = work.execute(
            "UPDATE blob SET segment = ?, offset = ? WHERE id = ? AND segment = ? RETURNING id",
            (place.segment, place.offset, blob, unit.segment),
        ).fetchall()
        if row:
            moved += place.record_length
            count += 1
        else:
            lost += place.record_length
    work.execute("UPDATE segment SET dead = dead + ? WHERE id = ?", (moved, unit.segment))
    if lost:
        work.execute("UPDATE segment SET dead = dead + ? WHERE id = ?", (lost, places[0].segment))
    return count


def drop_segment(work: Work, unit: DropSegment, _blob: Any) -> bool:
    if is_held(work, BACKUP, unit.now):
        return False
    row = work.execute(
        "DELETE FROM segment WHERE id = ?1 AND state = 1 AND NOT EXISTS (SELECT 1 FROM blob WHERE segment = ?1)"
        " RETURNING id",
        (unit.segment,),
    ).fetchall()
    if row:
        work.execute("INSERT INTO doomed VALUES(?, '')", (unit.segment,))
    return bool(row)


def candidates(connection: apsw.Connection) -> list[int]:
    """Sealed segments that are worth it, those with the least to copy first: they need no space."""
    rows = connection.execute(
        "SELECT id FROM segment WHERE state = 1 AND (dead * 2 > size OR size < ?) ORDER BY size - dead, id",
        (bloblog.SEGMENT_MAX // _SMALL,),
    )
    return [number for (number,) in rows]


def live(connection: apsw.Connection, segment: int, after: int) -> list[Live]:
    """The next bodies of a segment, as many as one unit moves. after: offset of the last before them."""
    found: list[Live] = []
    octets = 0
    rows: Any = connection.execute(
        "SELECT id, offset, length, crc FROM blob WHERE segment = ? AND segment > 0 AND offset > ?"
        " ORDER BY offset LIMIT ?",
        (segment, after, UNIT_BODIES),
    )
    for blob, offset, length, crc in rows.fetchall():
        octets += length
        if found and octets > UNIT_OCTETS:
            break
        found.append(Live(blob, Place(segment, offset, length, crc)))
    return found


class Compactor:
    """Moves segments; each step is made by `run`, which may rest in between.

    stuck: segments with bodies that cannot be read. They stay, with these bodies, for somebody to look at.
    """

    def __init__(self, readers: Readers, blobs: BlobReader, clock: Callable[[], float]) -> None:
        self._readers = readers
        self._blobs = blobs
        self._clock = clock
        self.stuck: set[int] = set()

    async def compact(self, segment: int, run: Callable[[Unit[Any]], Awaitable[Any]]) -> bool:
        """Copy what is alive, and drop the segment; gives whether it is gone. Raises DatabaseError."""
        after = -1
        while found := await self._readers.in_thread(partial(live, segment=segment, after=after)):
            after = found[-1].place.offset
            blobs, bodies = await self._readers.call(partial(self._read, found))
            if blobs:
                await run(Relocate(segment, blobs, bodies))
        return bool(await run(DropSegment(segment, int(self._clock()))))

    def _read(self, found: Sequence[Live]) -> tuple[tuple[int, ...], tuple[bytes, ...]]:
        """Those that can be read; each is checked. Blocks."""
        read: list[tuple[int, bytes]] = []
        for blob, place in found:
            try:
                read.append((blob, self._blobs.body(place)))
            except (Damaged, FileNotFoundError):
                self.stuck.add(place.segment)
        return tuple(blob for blob, _ in read), tuple(body for _, body in read)


COMPACT_EXECUTORS: Final[Executors] = {Relocate: relocate, DropSegment: drop_segment}
