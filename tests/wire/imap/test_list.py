import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.list import PATTERN_MAX, List, Pattern, list_line, parse_list, root_line


@pytest.mark.parametrize(
    ("arguments", "request_"),
    [
        pytest.param(b' "" *', List("", "*"), id="all"),
        pytest.param(b' "" ""', List("", ""), id="empty pattern"),
        pytest.param(b' "" "%"', List("", "%"), id="quoted"),
        pytest.param(b" a. b*", List("a.", "b*"), id="reference"),
        pytest.param(b' "" {2+}\r\n&-', List("", "&"), id="literal"),
        pytest.param(b" &AOk- &AOk-%", List("é", "é%"), id="modified UTF-7"),
    ],
)
def test_arguments(arguments: bytes, request_: List) -> None:
    assert parse_list(Cursor(arguments)) == request_


@pytest.mark.parametrize("arguments", [b"", b' ""', b' "" ', b' "" ( a', b' "" &', b" * *", b' "" a b'])
def test_bad_arguments_are_refused(arguments: bytes) -> None:
    with pytest.raises(ParseError):
        parse_list(Cursor(arguments))


@pytest.mark.parametrize(
    ("reference", "pattern", "matching"),
    [
        pytest.param("", "*", {"INBOX", "INBOX.sub", "a", "a.b", "a.b.c"}, id="star"),
        pytest.param("", "%", {"INBOX", "a"}, id="percent"),
        pytest.param("", "a.%", {"a.b"}, id="children"),
        pytest.param("", "a*", {"a", "a.b", "a.b.c"}, id="beginning"),
        pytest.param("", "a%", {"a"}, id="beginning of one level"),
        pytest.param("", "%.%", {"INBOX.sub", "a.b"}, id="two levels"),
        pytest.param("", "*c", {"a.b.c"}, id="end"),
        pytest.param("a.", "*", {"a.b", "a.b.c"}, id="reference"),
        pytest.param("", "inbox", {"INBOX"}, id="inbox has no case"),
        pytest.param("", "A", set(), id="others have"),
        pytest.param("", "%%**%%", {"INBOX", "INBOX.sub", "a", "a.b", "a.b.c"}, id="wildcards in a row"),
        pytest.param("", "a.b", {"a.b"}, id="no wildcard"),
        pytest.param("", "a.b.c.d", set(), id="too long"),
    ],
)
def test_patterns(reference: str, pattern: str, matching: set[str]) -> None:
    names = ["INBOX", "INBOX.sub", "a", "a.b", "a.b.c"]
    made = Pattern(reference, pattern, ".")
    assert {name for name in names if made.matches(name)} == matching


@given(st.text(alphabet="ab.*%", max_size=8), st.text(alphabet="ab.", max_size=8))
def test_patterns_match_as_an_expression_would(pattern: str, name: str) -> None:
    expression = "".join({"*": ".*", "%": "[^.]*"}.get(c, re.escape(c)) for c in pattern)
    assert Pattern("", pattern, ".").matches(name) == bool(re.fullmatch(expression, name))


def test_R_105_no_pattern_takes_long() -> None:
    pattern = Pattern("", "*a" * (PATTERN_MAX // 2 - 1) + "b", ".")
    assert not pattern.matches("a" * 1024)
    with pytest.raises(ParseError):
        parse_list(Cursor(b' "" ' + b"*" * (PATTERN_MAX + 1)))


def test_the_name_is_quoted_unless_it_is_the_inbox() -> None:
    assert list_line("LIST", "\\HasNoChildren", ".", "INBOX") == b'* LIST (\\HasNoChildren) "." INBOX\r\n'
    sent = list_line("LSUB", "\\Sent \\HasChildren", ".", "Sent")
    assert sent == b'* LSUB (\\Sent \\HasChildren) "." "Sent"\r\n'
    assert root_line("LIST", ".") == b'* LIST (\\Noselect) "." "."\r\n'
