import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.strings import astring, literal, quoted

OCTETS = st.binary(max_size=40).filter(lambda octets: b"\0" not in octets)


@pytest.mark.parametrize(
    ("octets", "written"),
    [
        pytest.param(b"", b'""', id="empty"),
        pytest.param(b"INBOX", b"INBOX", id="atom"),
        pytest.param(b"a b", b'"a b"', id="blank"),
        pytest.param(b"a]", b"a]", id="bracket"),
        pytest.param(b"a+b", b'"a+b"', id="plus"),
        pytest.param(b'a"\\', b'"a\\"\\\\"', id="escapes"),
        pytest.param(b"a\r\nb", b"{4}\r\na\r\nb", id="line end"),
        pytest.param(b"\xc3\xa9", b"{2}\r\n\xc3\xa9", id="8 bit"),
        pytest.param(b"a\0b\n", b"{3}\r\nab\n", id="NUL"),
        pytest.param(b"NIL)", b'"NIL)"', id="parenthesis"),
    ],
)
def test_strings_are_written_as_short_as_they_may_be(octets: bytes, written: bytes) -> None:
    assert astring(octets) == written


@given(OCTETS)
def test_R_109_what_is_written_reads_back(octets: bytes) -> None:
    for written in (astring(octets), quoted(octets), literal(octets)):
        cursor = Cursor(written)
        assert cursor.astring() == octets
        assert cursor.is_at_end


@given(st.binary(max_size=60))
def test_any_octets_are_read_or_refused(data: bytes) -> None:
    for read in (Cursor.astring, Cursor.string, Cursor.atom, Cursor.tag, Cursor.number, Cursor.positive):
        cursor = Cursor(data)
        with contextlib.suppress(ParseError):
            read(cursor)
        assert 0 <= cursor.at <= len(data)


@pytest.mark.parametrize("data", [b"", b"4294967296", b"99999999999999999999999", b"-1", b"x", b"\xb2"])
def test_numbers_have_32_bits(data: bytes) -> None:
    with pytest.raises(ParseError):
        Cursor(data).number()
    assert Cursor(b"4294967295").number() == 4294967295
