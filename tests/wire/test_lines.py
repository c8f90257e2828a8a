from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.lines import BareNewline, LineBuffer, LineTooLong


def lines(*parts: bytes, limit: int = 100) -> Iterator[bytes]:
    buffer = LineBuffer()
    for part in parts:
        buffer.feed(part)
        while (line := buffer.line(limit)) is not None:
            yield line


def test_a_line_ends_with_crlf() -> None:
    assert list(lines(b"one\r\n\r\ntwo\r", b"\nthr")) == [b"one", b"", b"two"]


@pytest.mark.parametrize("wire", [b"a\n", b"\n", b"a\rb\r\n", b"\r\r\n", b"a\r\r\n", b"\r\n\n"])
def test_a_bare_newline_is_refused(wire: bytes) -> None:
    with pytest.raises(BareNewline):
        list(lines(wire))


@pytest.mark.parametrize("wire", [b"123456789\r\n", b"1234567890", b"1234567890123", b"a\r\n123456789\r\n"])
def test_a_line_has_a_limit_with_its_crlf(wire: bytes) -> None:
    with pytest.raises(LineTooLong):
        list(lines(wire, limit=10))
    assert list(lines(b"12345678\r\n", b"123456789", limit=10)) == [b"12345678"]


def outcome(pieces: list[bytes]) -> list[bytes | type[Exception]]:
    found: list[bytes | type[Exception]] = []
    try:
        found.extend(lines(*pieces, limit=8))
    except (BareNewline, LineTooLong) as err:
        found.append(type(err))
    return found


@given(st.text("a\r\n", max_size=60).map(str.encode))
def test_lines_do_not_depend_on_how_octets_arrive(wire: bytes) -> None:
    assert outcome([wire]) == outcome([wire[at : at + 1] for at in range(len(wire))])


def test_octets_are_taken_as_they_are() -> None:
    buffer = LineBuffer()
    buffer.feed(b"BDAT 4\r\na\nb\rQUIT\r\n")
    assert buffer.line(100) == b"BDAT 4"
    assert buffer.peek(2) == b"a\n"
    assert buffer.take(4) == b"a\nb\r"
    assert buffer.line(100) == b"QUIT"
    assert buffer.take(10) == b""
    assert len(buffer) == 0


def test_what_is_cleared_is_forgotten() -> None:
    buffer = LineBuffer()
    buffer.feed(b"one\r\ntwo\r\n")
    assert buffer.line(100) == b"one"
    buffer.clear()
    buffer.feed(b"three\r\n")
    assert buffer.line(100) == b"three"
    buffer.feed(b"rest")
    assert buffer.take_all() == b"rest"
    assert buffer.take_all() == b""
