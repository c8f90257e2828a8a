from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.lines import LineTooLong
from posthouse.wire.smtp.content import ChunkReader, DataReader, Newlines


def read_data(
    parts: Sequence[bytes], *, mends: bool = False, line_max: int = 1000
) -> tuple[bytes, bytes | None, bool]:
    """The content, what follows the end, and whether there were bare newlines."""
    newlines = Newlines(mends=mends)
    reader = DataReader(newlines, line_max)
    content: list[bytes] = []
    for number, part in enumerate(parts):
        piece, rest = reader.read(part)
        content.append(piece)
        if rest is not None:
            return b"".join(content), rest + b"".join(parts[number + 1 :]), newlines.found
    return b"".join(content), None, newlines.found


def cut(wire: bytes, size: int) -> list[bytes]:
    return [wire[at : at + size] for at in range(0, len(wire), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 1000])
@pytest.mark.parametrize(
    ("wire", "content", "rest"),
    [
        (b".\r\n", b"", b""),
        (b".\r\nQUIT\r\n", b"", b"QUIT\r\n"),
        (b"a\r\n.\r\n", b"a\r\n", b""),
        (b"\r\n.\r\n", b"\r\n", b""),
        (b"\r\n\r\n.\r\nMAIL", b"\r\n\r\n", b"MAIL"),
        (b"..\r\n.\r\n", b".\r\n", b""),
        (b".a\r\n.\r\n", b"a\r\n", b""),
        (b"a\r\n..\r\n...\r\n.b\r\n.\r\n", b"a\r\n.\r\n..\r\nb\r\n", b""),
        (b"a.\r\n.\r\n", b"a.\r\n", b""),
        (b".\r\n.\r\n", b"", b".\r\n"),
        (b"a\r\n.\r\n.\r\n", b"a\r\n", b".\r\n"),
        (b"\0\xff\r\n.\r\n", b"\0\xff\r\n", b""),
    ],
)
def test_data_ends_with_a_lone_dot_and_dots_are_removed(
    wire: bytes, content: bytes, rest: bytes, size: int
) -> None:
    assert read_data(cut(wire, size)) == (content, rest, False)


FALSE_ENDS = [
    b"\n.\n", b"\r.\r", b"\n.\r", b"\r.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n\n.\n", b"\r\r.\r",
    b"\n.\n\n", b"\r\n.\n\n", b"\r\n\n.\n", b"\r\n\r.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0\r\n.\n", b"\r\n..\r\n",
    b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n.\x0b\r\n", b"\r\n\xe2\x80\xa8.\r\n", b"\r\x00\n.\r\x00\n", b"\x85.\x85",
    b"\r\n.\r\r", b"\n\r.\n\r",
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("end", FALSE_ENDS)
def test_R_030_nothing_but_crlf_dot_crlf_ends_data(end: bytes, size: int) -> None:
    assert len(FALSE_ENDS) == 26
    wire = b"Subject: a\r\n\r\nbody" + end + b"MAIL FROM:<evil@example.org>\r\n"
    content, rest, _ = read_data(cut(wire, size))
    assert rest is None
    content, rest, found = read_data(cut(wire + b".\r\nQUIT\r\n", size))
    assert rest == b"QUIT\r\n"
    assert found or b"MAIL FROM" in content


@pytest.mark.parametrize("at", range(20))
def test_R_030_the_end_is_found_at_every_border(at: int) -> None:
    wire = b"Subject: x\r\n.\r\nQUIT"
    assert read_data([wire[:at] or b"S", wire[at:] if at else wire[1:]]) == (
        b"Subject: x\r\n",
        b"QUIT",
        False,
    )


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("wire", "mended"),
    [
        (b"a\nb\r\n", b"a\r\nb\r\n"),
        (b"a\rb\r\n", b"a\r\nb\r\n"),
        (b"a\r\r\n", b"a\r\n\r\n"),
        (b"a\n\r\n", b"a\r\n\r\n"),
        (b"\n\r\n", b"\r\n\r\n"),
        (b"\na\r\n", b"\r\na\r\n"),
        (b"a\n.\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\n.\r\nb\r\n", b"a\r\n.\r\nb\r\n"),
        (b"a\r\n.\nb\r\n", b"a\r\n\r\nb\r\n"),
        (b"..\n..\r\n", b".\r\n..\r\n"),
    ],
)
def test_R_031_bare_newlines_are_found_or_mended(wire: bytes, mended: bytes, size: int) -> None:
    parts = cut(wire + b".\r\n", size)
    assert read_data(parts)[1:] == (b"", True)
    assert read_data(parts, mends=True) == (mended, b"", True)


@pytest.mark.parametrize("size", [1, 7, 4096, 100_000])
def test_R_054_a_line_within_the_limit_is_unchanged(size: int) -> None:
    text = b"x" * 998 + b"\r\n" + b"y" * 998 + b"\r\nz\r\n"
    assert read_data(cut(text + b".\r\n", size), line_max=1000) == (text, b"", False)


@pytest.mark.parametrize("size", [1, 7, 4096, 100_000])
@pytest.mark.parametrize("text", [b"x" * 999 + b"\r\n", b"a\r\n" + b"x" * 999 + b"\r\n", b"x" * 5000])
def test_R_054_a_line_over_the_limit_is_refused(text: bytes, size: int) -> None:
    with pytest.raises(LineTooLong):
        read_data(cut(text + b".\r\n", size), line_max=1000)


def test_what_follows_the_end_is_no_line_of_the_message() -> None:
    assert read_data([b"a\r\n.\r\n" + b"x" * 5000], line_max=1000) == (b"a\r\n", b"x" * 5000, False)


WIRE = st.lists(st.sampled_from([b"a", b".", b"\r\n", b"\r", b"\n", b"\r\n.", b"..", b"bc"]), max_size=40)


@given(WIRE, st.integers(1, 5), st.booleans())
def test_content_does_not_depend_on_how_octets_arrive(words: list[bytes], size: int, mends: bool) -> None:
    wire = b"".join(words) + b"\r\n.\r\nrest"
    whole = read_data([wire], mends=mends)
    parts = read_data(cut(wire, size), mends=mends)
    assert parts[1:] == whole[1:]
    if mends or not whole[2]:
        assert parts[0] == whole[0]


@given(WIRE)
def test_what_is_stuffed_comes_out_again(words: list[bytes]) -> None:
    text = (b"".join(words) + b"\r\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    stuffed = (b"\r\n" + text).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"
    assert read_data([stuffed]) == (text, b"", False)


def read_chunks(parts: Sequence[bytes], *, mends: bool = False) -> tuple[bytes, bool]:
    newlines = Newlines(mends=mends)
    reader = ChunkReader(newlines)
    last = len(parts) - 1
    return b"".join(reader.read(part, last=at == last) for at, part in enumerate(parts)), newlines.found


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_R_033_dots_in_chunks_are_data(size: int) -> None:
    text = b".\r\n..\r\n\r\n.\r\nQUIT\r\n\0\xff"
    assert read_chunks(cut(text, size)) == (text, False)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("text", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n\r", b"\n", b"\r\r\n"])
def test_R_031_bare_newlines_in_chunks_are_found(text: bytes, size: int) -> None:
    assert read_chunks(cut(text, size))[1]
    mended, _ = read_chunks(cut(text, size), mends=True)
    assert mended.replace(b"\r\n", b"").isalpha() or mended.strip(b"\r\n") == b""
    assert mended.count(b"\r\n") == mended.count(b"\r") == mended.count(b"\n")
