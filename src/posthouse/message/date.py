"""Dates of messages: RFC 5322 §3.3 and IMAP's date and date-time (RFC 3501 §9). Times are whole seconds since the epoch, days
are days since it.

What we write is always +0000, with English names, whatever time zone and locale the machine has.
"""

import re
from datetime import date
from functools import lru_cache

from posthouse.message.comment import without_comments

_DAY = 86_400  # seconds
_EPOCH = date(1970, 1, 1).toordinal()
_EARLIEST = (1 - _EPOCH) * _DAY
_LATEST = (date.max.toordinal() + 1 - _EPOCH) * _DAY - 1
_DATE_MAX = 256  # octets of a Date field that are looked at

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_ZONES = {
    b"edt": -4,
    b"est": -5,
    b"cdt": -5,
    b"cst": -6,
    b"mdt": -6,
    b"mst": -7,
    b"pdt": -7,
    b"pst": -8,
}  # hours

_COMMENT = re.compile(rb"\([^()]*\)")
_DATE = re.compile(
    rb"(?:[A-Za-z]{3,9} ?,? ?)?"
    rb"(\d{1,2})[ -]?([A-Za-z]{3,9})[ -]?(\d{2,4}) "
    rb"(\d{1,2}) ?: ?(\d{2})(?: ?: ?(\d{2}))? ?"
    rb"([+-]\d{4}(?!\d)|[A-Za-z]*)"
)
_STRICT_DATE = re.compile(
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), ?)?\d{1,2} [A-Z]{3} (?:\d{2}|\d{4}) \d{1,2}:\d{2}(?::\d{2})? (?:[+-]\d{4}|[A-Z]{1,5})",
    re.IGNORECASE,
)
_WITH_COLON = tuple(b"%02d:" % number for number in range(60))
_WITH_ZONE = tuple(b"%02d +0000" % number for number in range(60))
_IMAP_DATE = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
_INTERNAL_DATE = re.compile(
    rb"( ?\d|\d\d)-([A-Za-z]{3})-(\d{4}) "
    rb"(\d\d):(\d\d):(\d\d) ([+-]\d{4})"
)


@lru_cache(32)  # the messages of one second share theirs
def format_date(seconds: int) -> str:
    """A date as header fields have it: `Mon, 02 Jan 2006 15:04:05 +0000`."""
    day, second = divmod(min(max(seconds, _EARLIEST), _LATEST), _DAY)
    return _day_of_header(day) + _clock(second)


def format_internal_date(seconds: int) -> bytes:
    """A date as IMAP has it, without quotes: `17-Jul-1996 02:44:25 +0000`, a blank before a day of one digit."""
    if not _EARLIEST <= seconds <= _LATEST:
        seconds = min(max(seconds, _EARLIEST), _LATEST)
    day, second = divmod(seconds, _DAY)
    minute, second = divmod(second, 60)
    return _internal_day(day) + _WITH_COLON[minute // 60] + _WITH_COLON[minute % 60] + _WITH_ZONE[second]


def parse_date(value: bytes) -> int | None:
    """The time of a Date field's value, obsolete forms included (RFC 5322 §4.3). None: it has none, or an impossible one.

    A missing or unknown zone counts as +0000.
    """
    match = _match_date(value)
    return _seconds(match) if match else None


def is_rfc5322_date(value: bytes) -> bool:
    """Whether a Date field's value is as RFC 5322 §3.3 wants it, but for years of two digits and zones with names."""
    plain = b" ".join(without_comments(value[:_DATE_MAX]).split())
    return _STRICT_DATE.fullmatch(plain) is not None and parse_date(plain) is not None


def parse_sent_day(value: bytes) -> int | None:
    """The day that a Date field's value names, whatever its time and zone are: SENTON and its like (RFC 3501 §6.4.4)."""
    match = _match_date(value)
    return _day(*match.groups()[:3]) if match else None


def parse_imap_day(value: bytes) -> int | None:
    """The day that an IMAP date names, as SEARCH has it: `1-Feb-1994`, without quotes. None if it is none."""
    match = _IMAP_DATE.fullmatch(value)
    return _day(*match.groups()) if match else None


def received_day(seconds: int) -> int:
    """The day that INTERNALDATE shows: ON and its like (RFC 3501 §6.4.4)."""
    return seconds // _DAY


def parse_internal_date(value: bytes) -> int | None:
    """The time of an IMAP date-time without its quotes, or None if it is none."""
    match = _INTERNAL_DATE.fullmatch(value)
    return _seconds(match) if match else None


@lru_cache(32)
def _day_of_header(day: int) -> str:
    on = date.fromordinal(day + _EPOCH)
    return f"{_WEEKDAYS[on.weekday()]}, {on.day:02} {_MONTHS[on.month - 1]} {on.year:04} "


@lru_cache(1024)
def _internal_day(day: int) -> bytes:
    on = date.fromordinal(day + _EPOCH)
    return f"{on.day:2}-{_MONTHS[on.month - 1]}-{on.year:04} ".encode()


def _clock(second: int) -> str:
    minute, second = divmod(second, 60)
    return "%02d:%02d:%02d +0000" % (*divmod(minute, 60), second)


def _match_date(value: bytes) -> re.Match[bytes] | None:
    value = value[:_DATE_MAX]
    while b"(" in value:
        value, removed = _COMMENT.subn(b" ", value)
        if not removed:
            break
    return _DATE.match(b" ".join(value.split()))


def _seconds(match: re.Match[bytes]) -> int | None:
    day, month_name, year, hours, minutes, seconds_, zone_name = match.groups()
    hour, minute, second = int(hours), int(minutes), int(seconds_ or 0)
    days = _day(day, month_name, year)
    zone = _zone(zone_name)
    if days is None or zone is None or hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        return None
    seconds = days * _DAY + hour * 3600 + minute * 60 + second - zone
    return seconds if _EARLIEST <= seconds <= _LATEST else None


@lru_cache(512)
def _day(day: bytes, month_name: bytes, year: bytes) -> int | None:
    month = _MONTH_NUMBERS.get(month_name[:3].lower())
    try:
        return date(_year(year), month or 0, int(day)).toordinal() - _EPOCH
    except ValueError:
        return None


def _year(digits: bytes) -> int:
    """RFC 5322 §4.3: two digits are 1950 to 2049, three count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _zone(zone: bytes) -> int | None:
    """Seconds east of Greenwich; None for an impossible offset."""
    if zone[:1] not in (b"+", b"-"):
        return _ZONES.get(zone.lower(), 0) * 3600
    hours, minutes = int(zone[1:3]), int(zone[3:])
    if hours > 23 or minutes > 59:
        return None
    offset = hours * 3600 + minutes * 60
    return -offset if zone[0] == ord("-") else offset
