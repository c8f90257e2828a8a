"""Header fields as text (RFC 2047)."""

import base64
import re
from email.header import Header, decode_header, make_header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.text.words import decode_words, header_text

WORDS = st.lists(
    st.sampled_from(
        [b"=?", b"?=", b"utf-8", b"?q?", b"?B?", b"?", b"=", b" ", b"\r\n ", b"=0A", b"a", b"QUJD", b"\xc3"]
    )
).map(b"".join)


@pytest.mark.parametrize(
    ("value", "expected"),
    [  # RFC 2047 §8, without its parentheses
        (b"=?ISO-8859-1?Q?a?=", "a"),
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
        (b"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>", "Keld Jørn Simonsen <keld@dkuug.dk>"),
        (
            b"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
            "If you can read this you understand the example.",
        ),
    ],
)
def test_the_examples_of_the_rfc(value: bytes, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"plain text", "plain text", id="no word"),
        pytest.param(b"", "", id="nothing"),
        pytest.param("Grüße".encode(), "Grüße", id="raw UTF-8"),
        pytest.param("Grüße".encode("latin-1"), "Grüße", id="raw Latin-1"),
        pytest.param(b"folded\r\n\tvalue", "folded value", id="a fold is a blank"),
        pytest.param(b"=?utf-8*en-GB?q?a?=", "a", id="with a language"),
        pytest.param(b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü", id="a character cut in two"),
        pytest.param(b"=?utf-8?q?a?==?utf-8?q?b?=", "ab", id="no blank between"),
        pytest.param(b"x=?utf-8?q?a?=y", "xay", id="inside of a word"),
        pytest.param(b"=?utf-8?q??=", "", id="an empty word"),
        pytest.param(b"=?utf-8?q?two words?=", "two words", id="a raw blank"),
        pytest.param(b"=?utf-8?x?a?=", "=?utf-8?x?a?=", id="no such encoding"),
        pytest.param(b"=?utf-8?q?a", "=?utf-8?q?a", id="no end"),
        pytest.param(b"=?utf-8?q?=?=", "", id="a sign at the end"),
        pytest.param(b"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "日本", id="Japanese"),
    ],
)
def test_forms_in_use_are_read(value: bytes, expected: str) -> None:
    assert decode_words(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"=?utf-8?q?a=0D=0ABcc:_b?=", "a  Bcc: b", id="CR LF"),
        pytest.param(b"=?utf-8?b?YQAKYg==?=", "a  b", id="NUL and LF"),
        pytest.param(b"=?utf-8?q?a=2C_b?= <c@d>", "a, b <c@d>", id="a comma"),
        pytest.param(b"=?x-unknown?q?Gr=C3=BC=C3=9Fe?=", "Grüße", id="unknown charset"),
        pytest.param(b"=?utf-8/../x?q?a?=", "a", id="charset with a slash"),
        pytest.param(b"=?utf-7?q?+AGEAPA-?=", "+AGEAPA-", id="utf-7"),
        pytest.param(b"=?rot13?q?uryyb?=", "uryyb", id="no charset"),
        pytest.param(b"=?utf-8?b?Y W!Jj?=", "abc", id="base64 with junk"),
        pytest.param(b"=?utf-8?b?YWI?=", "ab", id="base64 without padding"),
        pytest.param(b"=?utf-8?q?=ff=zz=4?=", "\ufffd=zz=4", id="broken codes"),
    ],
)
def test_R_135_what_is_malformed_does_no_harm(value: bytes, expected: str) -> None:
    assert decode_words(value) == expected


@given(st.one_of(st.binary(max_size=200), WORDS))
def test_R_135_any_octets_are_text_without_line_ends(value: bytes) -> None:
    text = decode_words(re.sub(rb"[\r\n\0]", b" ", value))
    assert not set(text) & set("\r\n\0")
    assert isinstance(decode_words(value), str)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=100))
def test_words_of_the_standard_library_are_read(text: str) -> None:
    for charset in ("utf-8", "gb18030"):
        written = Header(text, charset).encode()
        assert decode_words(written.encode()) == str(make_header(decode_header(written)))
        assert "=?" not in written or decode_words(written.encode()) == text


def test_a_header_keeps_its_lines() -> None:
    block = b"Subject: =?utf-8?q?one?=\r\n =?utf-8?q?two?=\r\nTo: =?utf-8?q?=0AX:_y?=\r\n\tz\r\n\r\n"
    assert header_text(block) == "Subject: onetwo\r\nTo:  X: y z\r\n\r\n"


def test_a_field_in_another_charset_spoils_no_other() -> None:
    block = b"Subject: %b\r\nTo: %b\r\n" % ("Grüße".encode(), "Jürgen".encode("latin-1"))
    assert header_text(block) == "Subject: Grüße\r\nTo: Jürgen\r\n"


@pytest.mark.parametrize(
    "part",
    [
        b"=?",
        b"=?a?q?",
        b"=?utf-8?q?a?=",
        b"=?utf-8?q?a?= ",
        b"=?utf-8?b?",
        b"\r\n ",
        b"=?a?b?" + b"x" * 99,
        b"?",
    ],
)
def test_R_137_words_take_linear_time(part: bytes) -> None:
    assert len(decode_words(part * 100_000)) <= len(part) * 100_000


def test_a_long_text_in_many_words_is_read() -> None:
    octets = ("Съешь ещё этих мягких булок " * 2_000).encode()
    pieces = [base64.b64encode(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    assert decode_words(b"\r\n ".join([b"=?utf-8?b?%b?=" % piece for piece in pieces])) == octets.decode()
