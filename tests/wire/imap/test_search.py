"""Arguments of SEARCH, SORT and THREAD, and how their answers are written."""

import contextlib
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.commands import State
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.engine import LINE_MAX, Answer, Command, Engine
from posthouse.wire.imap.errors import BadCharset, LimitExceeded, ParseError
from posthouse.wire.imap.search import (
    DEPTH_MAX,
    KEYS_MAX,
    AllOf,
    Among,
    AnyOf,
    HasFlag,
    InBody,
    InEnvelope,
    InHeader,
    InText,
    Key,
    Larger,
    ModSeq,
    Not,
    Place,
    Received,
    Search,
    Sent,
    Smaller,
    When,
    found_line,
    parse_search,
    parse_uid_search,
)
from posthouse.wire.imap.sequence import SequenceSet
from posthouse.wire.imap.sort import CRITERIA_MAX, By, Criterion, Sort, parse_sort, parse_uid_sort
from posthouse.wire.imap.thread import Thread, parse_thread, parse_uid_thread, thread_line

SEEN, RECENT = HasFlag("\\Seen"), HasFlag("\\Recent")
DAY = 8797  # 1 February 1994


def key(text: bytes) -> Key:
    return parse_search(Cursor(b" " + text)).key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"all", AllOf(())),
        (b"SEEN", SEEN),
        (b"UNSEEN", Not(SEEN)),
        (b"ANSWERED", HasFlag("\\Answered")),
        (b"NEW", AllOf((RECENT, Not(SEEN)))),
        (b"OLD", Not(RECENT)),
        (b"KEYWORD $Work", HasFlag("$work")),
        (b"UNKEYWORD $Work", Not(HasFlag("$work"))),
        (b"1:3,*", Among(SequenceSet(((1, 3), (0, 0))), by_uid=False)),
        (b"*:4294967295", Among(SequenceSet(((0, 4294967295),)), by_uid=False)),
        (b"UID 7", Among(SequenceSet(((7, 7),)), by_uid=True)),
        (b"LARGER 4294967295", Larger(4294967295)),
        (b"SMALLER 0", Smaller(0)),
        (b"BEFORE 1-Feb-1994", Received(When.BEFORE, DAY)),
        (b'ON "01-feb-1994"', Received(When.ON, DAY)),
        (b"SENTSINCE 1-FEB-1994", Sent(When.SINCE, DAY)),
        (b"FROM x", InEnvelope(Place.FROM, "x")),
        (b'CC ""', InHeader(b"CC", "")),
        (b"SUBJECT {3}\r\na b", InEnvelope(Place.SUBJECT, "a b")),
        (b'HEADER X-Y ""', InHeader(b"X-Y", "")),
        (b'BODY "\xc3\xbc"', InBody("ü")),
        (b'TEXT "a\\"b"', InText('a"b')),
        (b"MODSEQ 620162338", ModSeq(620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 0', ModSeq(0)),
        (b"MODSEQ 9223372036854775807", ModSeq((1 << 63) - 1)),
        (b"NOT NOT SEEN", Not(Not(SEEN))),
        (b"(SEEN)", SEEN),
        (b"SEEN (RECENT ALL)", AllOf((SEEN, AllOf((RECENT, AllOf(())))))),
        (b"OR SEEN RECENT", AnyOf((SEEN, RECENT))),
        (b"OR OR SEEN RECENT OR ALL SEEN", AnyOf((SEEN, RECENT, AllOf(()), SEEN))),
        (b"OR NOT SEEN (RECENT SEEN)", AnyOf((Not(SEEN), AllOf((RECENT, SEEN))))),
        (b"SEEN RECENT", AllOf((SEEN, RECENT))),
    ],
)
def test_every_key_becomes_one_of_few_kinds(text: bytes, expected: Key) -> None:
    assert key(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        b"", b" SEEN", b"SEEN ", b"SEEN  SEEN", b"NOTHING", b"()", b"(SEEN", b"SEEN)", b"( SEEN)", b"NOT", b"NOT  SEEN",
        b"OR SEEN", b"OR", b"FROM", b"HEADER x", b'HEADER "a b" x', b'HEADER "" x', b"KEYWORD \\Seen", b"UID", b"UID x",
        b"0", b"4294967296", b"1:0", b"1,,2", b"SMALLER -1", b"SMALLER 4294967296", b"LARGER x",
        b"BEFORE 32-Jan-2000", b"BEFORE 1-Feb", b'ON "1-Feb-1994', b'ON " 1-Feb-1994"', b"BODY \xc3\xbc", b'ON 1-Feb-1994"', b"SENTON 1-Feb-19944",
        b"MODSEQ", b"MODSEQ 9223372036854775808", b"MODSEQ 99999999999999999999", b'MODSEQ "/flags/x" mine 1',
        b"CHARSET UTF-8", b"CHARSET", b'TEXT "\xff"', b'CHARSET US-ASCII TEXT "\xc3\xbc"', b"TEXT {2}\r\nx",
    ],
)  # fmt: skip
def test_what_is_no_search_is_bad(text: bytes) -> None:
    with pytest.raises(ParseError) as caught:
        key(text)
    assert not caught.value.code


def test_charsets() -> None:
    assert key(b'CHARSET utf-8 TEXT "\xc3\xbc"') == InText("ü")
    assert key(b'charset "us-ascii" TEXT x') == InText("x")
    with pytest.raises(BadCharset):
        key(b"CHARSET ISO-8859-1 TEXT x")
    with pytest.raises(BadCharset):
        parse_thread(Cursor(b" ORDEREDSUBJECT KOI8-R ALL"))


def test_an_unknown_charset_is_told_with_those_that_are_known() -> None:
    engine = Engine()
    engine.state = State.SELECTED
    engine.feed(b"a SEARCH CHARSET x ALL\r\n")
    event = engine.next_event()
    assert isinstance(event, Answer)
    assert event.status.to_bytes() == b"a NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset\r\n"


def test_uid_commands_and_modseq_are_marked() -> None:
    assert parse_uid_search(Cursor(b" SEEN")) == Search(SEEN, asks_modseq=False, by_uid=True)
    assert parse_search(Cursor(b" NOT (1 MODSEQ 5)")).asks_modseq
    assert parse_sort(Cursor(b" (DATE) UTF-8 MODSEQ 5")).asks_modseq


def test_sort_and_thread() -> None:
    sort = parse_uid_sort(Cursor(b" (REVERSE date SUBJECT) utf-8 SEEN"))
    assert sort == Sort((Criterion(By.DATE, reverse=True), Criterion(By.SUBJECT)), SEEN, by_uid=True)
    assert parse_uid_thread(Cursor(b" orderedsubject US-ASCII SEEN")) == Thread(SEEN, by_uid=True)


@pytest.mark.parametrize(
    "text",
    [
        b"", b" ()", b" () UTF-8 ALL", b" (DATE)", b" (DATE) ALL", b" (REVERSE) UTF-8 ALL", b" (REVERSE REVERSE DATE) UTF-8 ALL",
        b" (X) UTF-8 ALL", b" (DATE  SIZE) UTF-8 ALL", b" DATE UTF-8 ALL", b" (DATE) UTF-8 ", b" (DATE) UTF-8 ALL x",
    ],
)  # fmt: skip
def test_what_is_no_sort_is_bad(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_sort(Cursor(text))


@pytest.mark.parametrize(
    "text", [b"", b" REFERENCES UTF-8 ALL", b" ORDEREDSUBJECT ALL", b" ORDEREDSUBJECT UTF-8"]
)
def test_what_is_no_thread_is_bad(text: bytes) -> None:
    with pytest.raises(ParseError):
        parse_thread(Cursor(text))


def test_many_sort_criteria_are_over_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        parse_sort(Cursor(b" (DATE%b) UTF-8 ALL" % (b" DATE" * CRITERIA_MAX)))


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(b"(" * 50_000, id="parentheses"),
        pytest.param(b"(" * 25_000 + b"ALL" + b")" * 25_000, id="balanced"),
        pytest.param(b"NOT " * 20_000 + b"SEEN", id="NOT in a long line"),
        pytest.param(b"NOT " * 16_000 + b"SEEN", id="NOT"),
        pytest.param(b"NOT (" * 10_000, id="both"),
        pytest.param(b"OR (" * 10_000, id="OR"),
    ],
)
def test_R_103_deep_searches_are_bad_and_take_no_memory(keys: bytes) -> None:
    engine = Engine()
    engine.state = State.SELECTED
    tracemalloc.start()
    engine.feed(b"a SEARCH " + keys + b"\r\n")
    event = engine.next_event()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(event, Answer)
    assert event.status.to_bytes().startswith(b"a BAD ")
    assert peak < 10 * len(keys) + 1_000_000
    engine.feed(b"b SEARCH ALL\r\n")
    assert isinstance(engine.next_event(), Command)


def test_R_103_as_deep_as_it_may_be() -> None:
    assert key(b"(" * DEPTH_MAX + b"ALL" + b")" * DEPTH_MAX) == AllOf(())
    with pytest.raises(ParseError):
        key(b"(" * (DEPTH_MAX + 1) + b"ALL" + b")" * (DEPTH_MAX + 1))


@pytest.mark.parametrize("text", [b"OR " * 900 + b"ALL " * 900 + b"ALL", b"OR ALL " * 900 + b"ALL"])
def test_R_103_an_or_in_an_or_is_no_deeper(text: bytes) -> None:
    assert key(text) == AnyOf((AllOf(()),) * 901)


def test_R_103_too_many_keys_are_over_a_limit() -> None:
    with pytest.raises(LimitExceeded):
        key(b" ".join([b"ALL"] * (KEYS_MAX + 1)))


def test_R_107_a_set_as_long_as_a_line() -> None:
    found = key(b",".join([b"*:1"] * (LINE_MAX // 4 - 10)))
    assert isinstance(found, Among)
    assert found.messages.resolve(5) == [(1, 5)]


@given(
    st.binary(max_size=200)
    | st.lists(
        st.sampled_from(
            [b"OR", b"NOT", b"(", b")", b" ", b"SEEN", b"UID", b"1:*", b'"x"', b"TEXT", b"{1}\r\nx"]
        )
    ).map(b"".join)
)
def test_any_octets_are_a_search_or_bad(text: bytes) -> None:
    for parse in (parse_search, parse_sort, parse_thread):
        with contextlib.suppress(ParseError):
            parse(Cursor(b" " + text))


def test_answers() -> None:
    assert found_line("SEARCH", []) == b"* SEARCH\r\n"
    assert found_line("SORT", [3, 1]) == b"* SORT 3 1\r\n"
    assert found_line("SEARCH", [2], 917162500) == b"* SEARCH 2 (MODSEQ 917162500)\r\n"
    assert thread_line([]) == b"* THREAD\r\n"
    assert thread_line([[1], [2, 3], [4, [5], [6]]]) == b"* THREAD (1)(2 3)(4 (5)(6))\r\n"
