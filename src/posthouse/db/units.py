"""Units of work: plain data, each run as one savepoint of a batch, by an executor for the dialect of the database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import apsw

from posthouse.db.blobs import OwnFile

UNIT_ROWS_MAX = 10_000  # rows that a unit changes at most; longer work submits itself again (storage.md §4)
BULK_ROWS = 256  # units that change more wait behind deliveries and log-ins

R_co = TypeVar("R_co", covariant=True)


class Unit(Generic[R_co]):
    """A change that happens as a whole or not at all; R_co is what it gives when it is on the disk.

    It has no clock: times are given, in seconds since the epoch.
    """

    __slots__ = ()

    @property
    def octets(self) -> bytes | tuple[bytes, ...] | OwnFile | None:
        """A body for the blob log, or several; or the file where it lies already."""
        return None

    @property
    def rows(self) -> int:
        """About how many rows it changes."""
        return 1

    @property
    def gives_way(self) -> bool:
        """Whether it waits behind deliveries and log-ins."""
        return self.rows > BULK_ROWS


class Work:
    """What an executor works on: SQL inside a running transaction."""

    __slots__ = ("execute", "last_id", "touched")

    def __init__(self, connection: apsw.Connection) -> None:
        self.execute: Callable[..., Any] = connection.execute  # the schema says of what type its rows are
        self.last_id = connection.last_insert_rowid
        self.touched: set[int] = set()  # mailboxes whose watchers are told after the commit


# An executor raises UnitError for what cannot be done; its unit then leaves nothing behind. The last argument says where
# the unit's octets lie: a Place, a tuple of them, an OwnFile or None, as the octets are.
Executor = Callable[[Work, Any, Any], Any]
# The same for many units at once, with as many results. When it raises, each unit is done on its own.
ManyExecutor = Callable[[Work, Sequence[Any], Sequence[Any]], Sequence[Any]]
Executors = Mapping[type[Unit[Any]], Executor]


@dataclass(frozen=True, slots=True)
class Dialect:
    """Who runs which unit on one kind of database. Units of `many` are run together, and have no place in `one`."""

    one: Executors
    many: Mapping[type[Unit[Any]], ManyExecutor] = field(default_factory=dict)


class UnitError(Exception):
    """A unit cannot be done as things are: the mailbox is gone, the name is taken. Nothing is wrong with the database."""
