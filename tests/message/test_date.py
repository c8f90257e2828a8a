"""Dates of header fields and of IMAP."""

import locale
import os
import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.date import (
    format_date,
    format_internal_date,
    is_rfc5322_date,
    parse_date,
    parse_imap_day,
    parse_internal_date,
    parse_sent_day,
    received_day,
)

SECONDS = 1136214245  # Mon, 02 Jan 2006 15:04:05 +0000
TIMES = st.integers(-62135596800, 253402300799)  # the years 1 to 9999


def test_a_date_is_written_as_rfc_5322_has_it() -> None:
    assert format_date(SECONDS) == "Mon, 02 Jan 2006 15:04:05 +0000"


def test_imap_puts_a_blank_before_a_day_of_one_digit() -> None:
    assert format_internal_date(SECONDS) == b" 2-Jan-2006 15:04:05 +0000"
    assert format_internal_date(837596665) == b"17-Jul-1996 09:44:25 +0000"


@given(TIMES)
def test_what_is_written_is_read_back(seconds: int) -> None:
    assert parse_date(format_date(seconds).encode()) == seconds
    assert parse_internal_date(format_internal_date(seconds)) == seconds


@given(st.integers(-2_000_000_000, 4_000_000_000))
def test_dates_agree_with_the_standard_library(seconds: int) -> None:
    assert format_date(seconds) == format_datetime(datetime.fromtimestamp(seconds, UTC))


@pytest.mark.parametrize("seconds", [-(10**20), 10**20])
def test_times_out_of_range_are_written_as_the_nearest(seconds: int) -> None:
    assert parse_date(format_date(seconds).encode()) is not None
    assert parse_internal_date(format_internal_date(seconds)) is not None


def test_R_026_time_zone_and_locale_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    time.tzset()
    try:
        locale.setlocale(locale.LC_TIME, "C.UTF-8")
        assert format_date(SECONDS + 86_400) == "Tue, 03 Jan 2006 15:04:05 +0000"
        assert format_internal_date(SECONDS + 86_400) == b" 3-Jan-2006 15:04:05 +0000"
        assert parse_date(b"Mon, 02 Jan 2006 15:04:05") == SECONDS
    finally:
        os.environ.pop("TZ")
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        b"Mon, 02 Jan 2006 15:04:05 +0000",
        b"Mon, 2 Jan 2006 15:04:05 +0000",
        b"2 Jan 2006 15:04:05 +0000",
        b"Mon,2 Jan 2006 15:04:05 GMT",
        b"Mon 2 Jan 2006 15:04:05 -0000",
        b"  Mon,\r\n 02 Jan\t2006  15:04:05   +0000 (UTC)",
        b"Monday, 02 January 06 15:04:05 UT",
        b"mon, 02 JAN 106 15:04:05 z",
        b"2-Jan-2006 15:04:05",
        b"Mon, 02 Jan 2006 10:04:05 EST",
        b"Mon, 02 Jan 2006 08:04:05 PDT",
        b"Mon, 02 Jan 2006 16:34:05 +0130",
        b"Sun, 01 Jan 2006 23:04:05 -1600",
        b"Mon (day (of) week), 02 (day) Jan 2006 15 : 04 : 05 +0000 (((no end)",
        b"Mon, 02 Jan 2006 15:04:05 XYZ",
    ],
)
def test_forms_in_use_are_read(value: bytes) -> None:
    assert parse_date(value) == SECONDS


def test_seconds_may_be_missing_and_may_be_60() -> None:
    assert parse_date(b"Mon, 02 Jan 2006 15:04 +0000") == SECONDS - 5
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 +0000") == 1483228800


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"now", id="a word"),
        pytest.param(b"Mon, 02 Jan 99999 15:04:05 +0000", id="year 99999"),
        pytest.param(b"Mon, 99 Jan 2006 15:04:05 +0000", id="day 99"),
        pytest.param(b"Mon, 31 Feb 2006 15:04:05 +0000", id="31 February"),
        pytest.param(b"Mon, 00 Jan 2006 15:04:05 +0000", id="day 0"),
        pytest.param(b"Mon, 02 Foo 2006 15:04:05 +0000", id="no month"),
        pytest.param(b"Mon, 02 Jan 0000 15:04:05 +0000", id="year 0"),
        pytest.param(b"Mon, 02 Jan 2006 24:00:00 +0000", id="hour 24"),
        pytest.param(b"Mon, 02 Jan 2006 15:60:00 +0000", id="minute 60"),
        pytest.param(b"Mon, 02 Jan 2006 15:04:61 +0000", id="second 61"),
        pytest.param(b"Mon, 02 Jan 2006 15:04:05 +9999", id="zone +9999"),
        pytest.param(b"Mon, 02 Jan 2006 15:04:05 +2400", id="zone +2400"),
        pytest.param(b"Fri, 31 Dec 9999 23:59:59 -0100", id="year 10000 in UTC"),
        pytest.param(b"Mon, 01 Jan 0001 00:00:00 +0100", id="year 0 in UTC"),
        pytest.param("٠٢ Jan 2006 15:04:05".encode(), id="other digits"),
    ],
)
def test_R_138_an_impossible_date_is_none(value: bytes) -> None:
    assert parse_date(value) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"17-Jul-1996 02:44:25 -0700", 837596665),
        (b" 2-Jan-2006 15:04:05 +0000", SECONDS),
        (b"2-jan-2006 15:04:05 +0000", SECONDS),
        (b"02-Jan-2006 15:04:05 +0000 ", None),
        (b"32-Jan-2006 15:04:05 +0000", None),
        (b"02-Jan-2006 15:04:05", None),
        (b"02 Jan 2006 15:04:05 +0000", None),
        (b"02-Jan-06 15:04:05 +0000", None),
        (b"", None),
    ],
)
def test_imap_dates_are_read_strictly(value: bytes, seconds: int | None) -> None:
    assert parse_internal_date(value) == seconds


@given(st.binary(max_size=100) | st.text("0123 JanMo,:+-()", max_size=60).map(str.encode))
def test_R_142_any_octets_are_a_date_or_none(value: bytes) -> None:
    for seconds in (parse_date(value), parse_internal_date(value)):
        assert seconds is None or format_date(seconds)


@pytest.mark.parametrize("value", [b"(" * 1_000_000, b"()" * 500_000, b" " * 1_000_000, b"1" * 1_000_000])
def test_R_138_huge_dates_are_none(value: bytes) -> None:
    assert parse_date(value) is None


DAY = 13_150  # 2 January 2006


@pytest.mark.parametrize(
    "value",
    [
        b"Mon, 02 Jan 2006 00:00:00 +0000",
        b"Mon, 02 Jan 2006 00:30:00 +1400",  # still the first in Greenwich
        b"Mon, 02 Jan 2006 23:59:59 -1200",
        b"2 Jan 06 15:04 XYZ",
        b"Mon, 02 Jan 2006 25:61:00 +9999",
    ],
)
def test_the_day_of_sending_is_as_it_is_written(value: bytes) -> None:
    assert parse_sent_day(value) == DAY


@pytest.mark.parametrize(
    "value", [b"", b"yesterday", b"Mon, 31 Feb 2006 00:00:00 +0000", b"1 Foo 2006 00:00:00 +0000"]
)
def test_R_138_impossible_days_are_none(value: bytes) -> None:
    assert parse_sent_day(value) is None


def test_the_day_of_arrival_is_that_of_internaldate() -> None:
    assert received_day(DAY * 86_400) == received_day(DAY * 86_400 + 86_399) == DAY
    assert received_day(-1) == -1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"2-Jan-2006", DAY),
        (b"02-JAN-2006", DAY),
        (b"1-Jan-1970", 0),
        (b" 2-Jan-2006", None),
        (b"31-Feb-2006", None),
        (b"2-January-2006", None),
        (b"2-Jan-06", None),
        (b"2-Jan-0000", None),
        (b"", None),
    ],
)
def test_days_of_imap_are_read(value: bytes, expected: int | None) -> None:
    assert parse_imap_day(value) == expected


@pytest.mark.parametrize(
    ("value", "is_good"),
    [
        (b"Mon, 2 Jan 2006 15:04:05 +0000", True),
        (b"02 Jan 2006 15:04 -0700", True),
        (b"Mon, 02 Jan 06 15:04:05 GMT", True),
        (b"Mon, 2 jan 2006 15:04:05 +0000 (UTC (that is))", True),
        (b"Mon,  2 Jan 2006\t15:04:05 +0000", True),
        (b"yesterday", False),
        (b"2006-01-02T15:04:05Z", False),
        (b"Jan 2 2006 15:04:05 +0000", False),
        (b"Mon, 2 Jan 2006", False),
        (b"Mon, 2 Jan 2006 15:04:05", False),
        (b"Mon, 32 Jan 2006 15:04:05 +0000", False),
        (b"Mon, 2 Foo 2006 15:04:05 +0000", False),
        (b"Mon, 2 Jan 206 15:04:05 +0000", False),
        (b"Mon, 2 Jan 2006 25:04:05 +0000", False),
        (b"Mon, 2 Jan 2006 15:04:05 +9900", False),
        (b"Mon, 2 Jan 2006 15:04:05 +0000 and more", False),
        (b"Foo, 2 Jan 2006 15:04:05 +0000", False),
    ],
)
def test_dates_as_rfc_5322_wants_them(value: bytes, is_good: bool) -> None:
    assert is_rfc5322_date(value) is is_good
