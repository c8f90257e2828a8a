"""Reading the narrow rows of many messages by UID, fast for a whole mailbox and bounded for a scattered few."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from posthouse.db.units import Work

_SPARSE = 4  # rows read for each that is wanted: more, and they are looked up one by one


class Found(NamedTuple):
    """rows: (uid, flags, email), ascending. whole: no other message lies between the first and the last of the UIDs."""

    rows: list[tuple[int, int, int]]
    whole: bool


def as_json(numbers: Sequence[int]) -> str:
    """A list for `json_each`."""
    return msgspec.json.encode(list(numbers)).decode()


def is_dense(uids: Sequence[int]) -> bool:
    """Whether ascending UIDs are better read as a span."""
    return uids[-1] - uids[0] < _SPARSE * len(uids)


def select(connection: Work | apsw.Connection, mailbox: int, uids: Sequence[int]) -> Found:
    """Those of these messages that exist."""
    if not uids:
        return Found([], whole=True)
    first, last = uids[0], uids[-1]
    execute: Callable[..., Any] = connection.execute
    if not is_dense(uids):
        rows = execute(
            "SELECT uid, flags, email FROM json_each(?) CROSS JOIN message WHERE mailbox = ? AND uid = value",
            (as_json(uids), mailbox),
        ).fetchall()
        return Found(rows, whole=False)
    rows = execute(
        "SELECT uid, flags, email FROM message WHERE mailbox = ? AND uid BETWEEN ? AND ? ORDER BY uid",
        (mailbox, first, last),
    ).fetchall()
    if last - first + 1 == len(uids):
        return Found(rows, whole=True)
    wanted = set(uids)
    chosen = [row for row in rows if row[0] in wanted]
    return Found(chosen, whole=len(chosen) == len(rows))
