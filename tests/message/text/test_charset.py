"""Octets in charsets that senders name."""

import encodings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.text.charset import _CODECS, ChunkDecoder, codec, decode

ALLOWED = sorted(_CODECS)
PIECES = st.lists(st.binary(max_size=20), max_size=6)


@pytest.mark.parametrize(
    ("charset", "expected"),
    [
        (b"utf-8", "utf_8"),
        (b"UTF8", "utf_8"),
        (b"iso-8859-2", "iso8859_2"),
        (b"ISO_8859-15:1998", None),
        (b"windows-1251", "cp1251"),
        (b"cp1251", "cp1251"),
        (b"KOI8-R", "koi8_r"),
        (b"x-sjis", "cp932"),
        (b"ks_c_5601-1987", "cp949"),
        (b"GB2312", "gb18030"),
        (b"iso-2022-jp", "iso2022_jp"),
        (b"iso-8859-8-i", "iso8859_8"),
        (b"unicode-1-1-utf-8", "utf_8"),
    ],
)
def test_names_in_use_are_known(charset: bytes, expected: str | None) -> None:
    assert codec(charset) == expected


@pytest.mark.parametrize(
    "charset",
    [
        b"",
        b"us-ascii",  # what is in it may be more
        b"ANSI_X3.4-1968",
        b"utf-7",
        b"unicode-1-1-utf-7",
        b"rot13",
        b"zlib",
        b"bz2",
        b"hex",
        b"base64",
        b"uu",
        b"idna",
        b"punycode",
        b"unicode_escape",
        b"raw-unicode-escape",
        b"undefined",
        b"cp037",
        b"mbcs",
        b"../../etc/passwd",
        b"utf-8/",
        b"iso-8859-1//TRANSLIT",
        b"os",
        b"utf-8\0",
        b"utf-8" * 100,
        b"\xff\xfe",
    ],
)
def test_R_135_other_names_are_no_codecs(charset: bytes) -> None:
    assert codec(charset) is None


def test_R_135_unknown_names_leave_nothing_behind() -> None:
    known = len(encodings._cache)  # where Python keeps what was asked for
    for number in range(100):
        assert decode(b"text", codec(b"x-unknown-%d" % number)) == "text"
    assert len(encodings._cache) == known


@pytest.mark.parametrize("name", ALLOWED)
def test_every_codec_that_is_allowed_is_there_and_keeps_ascii_letters(name: str) -> None:
    letters = "Hello, World. 0123456789"
    assert letters.encode(name).decode(name) == letters
    assert codec(name.encode()) is not None


@given(st.binary(max_size=200), st.sampled_from(ALLOWED))
def test_any_octets_are_text_in_any_charset(octets: bytes, name: str) -> None:
    assert isinstance(decode(octets, codec(name.encode())), str)


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("octets", [b"\xff", b"\x1b$", b"~{", b"\x0e\x0f", b"\xed\xa0\x80", b"a\xfe"])
def test_R_137_octets_that_are_no_text_take_linear_time(name: str, octets: bytes) -> None:
    assert len(decode(octets * 50_000, codec(name.encode()))) <= len(octets) * 50_000


def test_what_has_no_charset_is_utf_8_or_else_latin() -> None:
    assert decode("Grüße".encode(), None) == "Grüße"
    assert decode("Grüße".encode("latin-1"), None) == "Grüße"
    assert decode(b"\x81", None) == "\ufffd"


@given(PIECES, st.sampled_from([name for name in ALLOWED if not name.startswith("iso2022")]))
def test_chunks_are_decoded_as_the_whole(pieces: list[bytes], name: str) -> None:
    decoder = ChunkDecoder(name)
    text = "".join([decoder.decode(piece, final=False) for piece in pieces]) + decoder.decode(b"", final=True)
    assert text == decode(b"".join(pieces), name)


@given(st.text(max_size=40), st.integers(1, 5))
def test_chunks_without_a_charset_are_utf_8(text: str, size: int) -> None:
    octets, decoder = text.encode("utf-8", "replace"), ChunkDecoder(None)
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    decoded = [decoder.decode(piece, final=False) for piece in pieces]
    assert "".join(decoded) + decoder.decode(b"", final=True) == octets.decode()


def test_a_chunk_without_a_charset_that_is_not_utf_8_loses_nothing() -> None:
    decoder = ChunkDecoder(None)
    assert decoder.decode(b"a\xc3", final=False) == "a"
    assert decoder.decode(b"b\xe4", final=False) == "Ãbä"
    assert decoder.decode("ä".encode(), final=True) == "Ã¤"
