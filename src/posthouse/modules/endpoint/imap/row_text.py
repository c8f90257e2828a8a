"""Attributes of FETCH that are in rows of the storage: made column by column, several times as fast as row by row."""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

from posthouse.framework.interfaces.storage import MessageRow
from posthouse.message.date import format_internal_date
from posthouse.message.structure import without_extensions
from posthouse.modules.endpoint.imap.selected import Selected
from posthouse.wire.imap.fetch import Attribute

# Columns of rows: what MessageRow has one of, in a MessageRow of tuples.
_Columns = Any

_FORMATS: dict[Attribute, bytes] = {
    Attribute.BODY: b"BODY %b",
    Attribute.BODYSTRUCTURE: b"BODYSTRUCTURE %b",
    Attribute.ENVELOPE: b"ENVELOPE %b",
    Attribute.FLAGS: b"FLAGS (%b)",
    Attribute.INTERNALDATE: b'INTERNALDATE "%b"',
    Attribute.MODSEQ: b"MODSEQ (%d)",
    Attribute.RFC822_SIZE: b"RFC822.SIZE %d",
    Attribute.UID: b"UID %d",
}

_VALUES: dict[Attribute, Callable[[Selected, Sequence[int], _Columns], Iterable[object]]] = {
    Attribute.BODY: lambda _, __, columns: map(without_extensions, columns.structure),
    Attribute.BODYSTRUCTURE: lambda _, __, columns: columns.structure,
    Attribute.ENVELOPE: lambda _, __, columns: columns.envelope,
    Attribute.FLAGS: lambda selected, places, _: _flags(selected, places),
    Attribute.INTERNALDATE: lambda _, __, columns: map(format_internal_date, columns.received),
    # No modseq beyond what the client knows: see `Selected.modseqs`.
    Attribute.MODSEQ: lambda selected, _, columns: map(min, columns.modseq, repeat(selected.modseq)),
    Attribute.RFC822_SIZE: lambda _, __, columns: columns.size,
    Attribute.UID: lambda _, __, columns: columns.uid,
}


class RowText:
    """What rows have of some attributes, as octets. places: of the rows, which are at least one."""

    def __init__(self, selected: Selected, attributes: Sequence[Attribute]) -> None:
        self._selected = selected
        self._values = [_VALUES[attribute] for attribute in attributes]
        self._formats = [_FORMATS[attribute] for attribute in attributes]
        self._line = b"* %%d FETCH (%b)\r\n" % b" ".join(self._formats)

    def lines(self, places: Sequence[int], rows: Sequence[MessageRow]) -> bytes:
        """A FETCH response for each row."""
        numbers = [at + 1 for at in places]
        return b"".join(map(self._line.__mod__, zip(numbers, *self._columns(places, rows), strict=True)))

    def values(self, places: Sequence[int], rows: Sequence[MessageRow]) -> list[list[bytes]]:
        """For each attribute, what each row has."""
        if not self._values:
            return []
        columns = self._columns(places, rows)
        return [
            [form % value for value in column] for form, column in zip(self._formats, columns, strict=True)
        ]

    def _columns(self, places: Sequence[int], rows: Sequence[MessageRow]) -> list[Iterable[object]]:
        columns = MessageRow._make(zip(*rows, strict=True))
        return [values(self._selected, places, columns) for values in self._values]


def _flags(selected: Selected, places: Sequence[int]) -> Iterable[bytes]:
    text, flags = selected.text, selected.flags
    return [text[flags[at]].encode("ascii") for at in places]
