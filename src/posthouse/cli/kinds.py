"""Arguments and flags that IMAP has a form for: sets of messages, flags, dates."""

import re
from datetime import datetime

import click

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.flags import Flags, parse_flags
from posthouse.wire.imap.sequence import SequenceSet, parse_set

_RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class SequenceSetKind(click.ParamType[SequenceSet | None, object]):
    """A set of messages; None for the empty string."""

    name = "seqset"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> SequenceSet | None:
        if isinstance(value, SequenceSet):
            return value
        if not value:
            return None
        cursor = _cursor(value)
        try:
            found = parse_set(cursor)
            cursor.end()
        except ParseError:
            self.fail(f"{value!r} does not name messages, as 3, 2:5 or 1,7:* do", param, ctx)
        return found


class FlagKind(click.ParamType[Flags, object]):
    """A flag of a message: `\\Seen`, or a keyword."""

    name = "flag"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Flags:
        if isinstance(value, Flags):
            return value
        cursor = _cursor(value)
        try:
            found = parse_flags(cursor)
            cursor.end()
        except ParseError as err:
            self.fail(f"{value!r} is no flag: {err}", param, ctx)
        return found


class DateKind(click.ParamType[int, object]):
    """A date and time of RFC 3339, as whole seconds since the epoch."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return _seconds(str(value))
        except ValueError:
            self.fail(f"{value!r} is no date of RFC 3339, as 2024-05-31T18:30:00+02:00 is", param, ctx)


def _cursor(value: object) -> Cursor:
    return Cursor(str(value).encode(errors="surrogatepass"))  # what is not ASCII is refused by all parsers


def _seconds(text: str) -> int:
    """Raises ValueError."""
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError("not RFC 3339")
    day, clock, zone = match.groups()
    return int(datetime.fromisoformat(f"{day}T{clock}{zone.upper()}").timestamp())


SEQUENCE_SET = SequenceSetKind()
FLAG = FlagKind()
DATE = DateKind()
