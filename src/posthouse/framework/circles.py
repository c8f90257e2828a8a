"""Tables that ask other tables for their answers, and must not come back to themselves."""

from collections.abc import Iterable

from posthouse.framework.interfaces.table import Table


def forbid_circle(table: Table, asks: Iterable[Table]) -> None:
    """To be called by the constructor of a table that asks others, which it has in its attribute `asks`.

    Raises ValueError when a look-up would come back to the table. One that is not constructed yet will look for itself.
    """
    seen: list[Table] = []
    waiting = list(asks)
    while waiting:
        asked = waiting.pop()
        if asked is table:
            raise ValueError("a look-up leads back to this table: it would never end")
        if not any(asked is one for one in seen):
            seen.append(asked)
            waiting += getattr(asked, "asks", ())
