"""Addresses that decide something: only what all readers read alike is read (R-070)."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.message.address_list import parse_address_list
from posthouse.message.originators import VALUE_MAX, MalformedField, parse_originators


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        pytest.param("ann@example.org", ["ann@example.org"], id="bare"),
        pytest.param("<ann@example.org>", ["ann@example.org"], id="angle"),
        pytest.param("Ann Example <ann@example.org>", ["ann@example.org"], id="name"),
        pytest.param("Ann Q. Example <ann@example.org>", ["ann@example.org"], id="dot in the name"),
        pytest.param('"Example, Ann <x@y>" <ann@example.org>', ["ann@example.org"], id="quoted name"),
        pytest.param('"a" "b"c <ann@example.org>', ["ann@example.org"], id="several quoted words"),
        pytest.param("=?utf-8?q?eve=40x.test?= <ann@example.org>", ["ann@example.org"], id="encoded word"),
        pytest.param("Änn <ann@example.org>", ["ann@example.org"], id="UTF-8"),
        pytest.param("änn@exämple.org", ["änn@exämple.org"], id="UTF-8 address"),
        pytest.param("(a) Ann (b (c) d) <ann(e)@(f)example.org> (g)", ["ann@example.org"], id="comments"),
        pytest.param("ann@example.org (Ann, <eve@x.test>)", ["ann@example.org"], id="name as a comment"),
        pytest.param("(\\)) ann@example.org", ["ann@example.org"], id="escaped parenthesis"),
        pytest.param('"ann"@example.org', ["ann@example.org"], id="needless quotes"),
        pytest.param('"a\\"b"@example.org', ['"a\\"b"@example.org'], id="quoted"),
        pytest.param('"eve@x.test"@example.org', ['"eve@x.test"@example.org'], id="quoted @"),
        pytest.param("ann@[192.0.2.1]", ["ann@[192.0.2.1]"], id="literal"),
        pytest.param("a@x.test, B <b@y.test>", ["a@x.test", "b@y.test"], id="several"),
        pytest.param("Us: a@x.test, B <b@y.test>;", ["a@x.test", "b@y.test"], id="group"),
        pytest.param("Us: a@x.test;, c@z.test", ["a@x.test", "c@z.test"], id="group and another"),
        pytest.param("Nobody:;", [], id="empty group"),
    ],
)
def test_what_the_grammar_allows_is_read(value: str, addresses: list[str]) -> None:
    assert parse_originators(value.encode()) == addresses


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"ann", id="no domain"),
        pytest.param(b"Ann <ann>", id="no domain in brackets"),
        pytest.param(b"<>", id="nobody"),
        pytest.param(b"ann@", id="empty domain"),
        pytest.param(b"@example.org", id="empty local part"),
        pytest.param(b"ann@example.org eve@x.test", id="two without comma"),
        pytest.param(b"<ann@example.org> <eve@x.test>", id="two in brackets"),
        pytest.param(b"ann@example.org <eve@x.test>", id="address as a name"),
        pytest.param(b"<ann@example.org> eve@x.test", id="address behind an address"),
        pytest.param(b"<ann@example.org>, <", id="open bracket"),
        pytest.param(b"ann@example.org,", id="empty element"),
        pytest.param(b",ann@example.org", id="empty element before"),
        pytest.param(b"<@eve.test,@x.test:ann@example.org>", id="source route"),
        pytest.param(b"<ann@example.org@x.test>", id="two @"),
        pytest.param(b"<<ann@example.org>>", id="brackets in brackets"),
        pytest.param(b"ann @example.org eve", id="word behind"),
        pytest.param(b"Ann Example@example.org", id="two words"),
        pytest.param(b'"ann@example.org', id="open quotes"),
        pytest.param(b'"ann"eve@example.org', id="half quoted"),
        pytest.param(b"ann@example.org (eve", id="open comment"),
        pytest.param(b"ann@example.org ((eve)", id="open comment around a comment"),
        pytest.param(b"ann@example.org (eve\\", id="escape at the end of a comment"),
        pytest.param(b"ann@example.org)", id="closing parenthesis"),
        pytest.param(b"eve@x.test\0ann@example.org", id="NUL"),
        pytest.param(b"ann@example.org\x0b", id="vertical tab"),
        pytest.param(b'"a\rb" <ann@example.org>', id="CR"),
        pytest.param(b"=?utf-8?q?=3Ceve=40x.test=3E?=@example.org", id="encoded word as local part"),
        pytest.param(b'"=?utf-8?b?ZXZl?="@example.org', id="quoted encoded word"),
        pytest.param(b"=?utf-8?b?YW5uQGV4YW1wbGUub3Jn?=", id="encoded word alone"),
        pytest.param(b"A: B: ann@example.org;;", id="group in a group"),
        pytest.param(b"A: ann@example.org", id="open group"),
        pytest.param(b"ann@example.org;", id="semicolon"),
        pytest.param(b": ann@example.org;", id="group without name"),
        pytest.param(b"eve@x.test: ann@example.org;", id="address as a group's name"),
        pytest.param(b"ann@exa mple.org", id="blank in the domain"),
        pytest.param(b"ann@.example.org", id="dot before the domain"),
        pytest.param(b"\xff@example.org", id="no UTF-8"),
        pytest.param(b"<ann@example.org\\>", id="backslash"),
        pytest.param(b"a" * 65 + b"@example.org," * 20_000, id="too long"),
    ],
)
def test_what_readers_could_read_differently_is_malformed(value: bytes) -> None:
    with pytest.raises(MalformedField):
        parse_originators(value)


PIECES = [
    *[
        b"ann",
        b"@",
        b"x.test",
        b"<",
        b">",
        b",",
        b":",
        b";",
        b" ",
        b"\t",
        b"(",
        b")",
        b'"',
        b"\\",
        b"[",
        b"]",
    ],
    *[b".", b"=?utf-8?q?a?=", b"\0", b"\r\n ", b"\xc3\xa4", b"\xff", b"'"],
]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join))
@example(b'"ann"@x.test')
def test_R_070_what_is_read_is_what_is_shown(value: bytes) -> None:
    """Any octets are read or malformed; and what is read, the reader that shows messages reads in the same way."""
    with contextlib.suppress(MalformedField):
        shown = [one for one in parse_address_list(value) if one.domain is not None]
        expected = [b"%b@%b" % (one.local_part or b"", one.domain or b"") for one in shown]
        read = [address.encode() for address in parse_originators(value)]
        assert [one.replace(b'"', b"") for one in read] == [one.replace(b'"', b"") for one in expected]


@pytest.mark.parametrize(
    "piece", [b"a ", b"(", b"()", b'"', b'""', b"a@b,", b"<", b"a:", b"\\", b"=?", b"[", b"a."]
)
def test_long_values_take_no_more_time_than_their_length(piece: bytes) -> None:
    """With backtracking this would not end."""
    with contextlib.suppress(MalformedField):
        parse_originators((piece * VALUE_MAX)[:VALUE_MAX])
