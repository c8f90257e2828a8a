"""Base64 and quoted-printable, as they come."""

import base64
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.text.transfer import (
    LINE_MAX,
    Base64Decoder,
    Decoder,
    QuotedPrintableDecoder,
    decode_base64,
    decode_q,
    decode_quoted_printable,
)

BASE64_LIKE = st.lists(st.sampled_from([b"QUJD", b"QQ", b"Q", b"=", b"==", b"\r\n", b"!-", b"\xff\0"])).map(
    b"".join
)
QUOTED_LIKE = st.lists(
    st.sampled_from(
        [b"=41", b"=e9", b"=", b"==", b"=4", b"\r\n", b"\n", b"\r", b" ", b"\t", b"a", b"=\r\n", b"=zz"]
    )
).map(b"".join)


def in_chunks(decoder: Decoder, octets: bytes, size: int) -> bytes:
    chunks = [octets[at : at + size] for at in range(0, len(octets), size)]
    decoded = [decoder.decode(chunk, final=False) for chunk in chunks]
    return b"".join(decoded) + decoder.decode(b"", final=True)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        pytest.param(b"SGVsbG8=", b"Hello", id="as it should be"),
        pytest.param(b"SGVs\r\nbG8=\r\n", b"Hello", id="on two lines"),
        pytest.param(b"SGVsbG8", b"Hello", id="without padding"),
        pytest.param(b"SG Vs!bG-8=\xff", b"Hello", id="with junk"),
        pytest.param(b"SGVsbG8=d29ybGQ=", b"Helloworld", id="put together"),
        pytest.param(b"SGVsbG8====", b"Hello", id="too much padding"),
        pytest.param(b"SGVsb", b"Hel", id="cut short"),
        pytest.param(b"====", b"", id="padding alone"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"\0\r\n\xff", b"", id="junk alone"),
    ],
)
def test_R_135_base64_is_read_as_far_as_it_goes(encoded: bytes, expected: bytes) -> None:
    assert decode_base64(encoded) == expected


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        pytest.param(b"Gr=C3=BC=c3=9fe", "Grüße".encode(), id="both cases"),
        pytest.param(b"one =\r\nline", b"one line", id="soft line break"),
        pytest.param(b"one =\nline", b"one line", id="bare LF"),
        pytest.param(b"one = \t\r\nline", b"one line", id="blanks after the sign"),
        pytest.param(b"two \t\r\nlines", b"two\r\nlines", id="blanks before a line end"),
        pytest.param(b"two=20\r\nlines", b"two \r\nlines", id="an encoded blank"),
        pytest.param(b"end=", b"end", id="a sign at the end"),
        pytest.param(b"a=zb=4", b"a=zb=4", id="no code"),
        pytest.param(b"a == b", b"a == b", id="two signs"),
        pytest.param(b"a==41", b"a=A", id="a sign and a code"),
        pytest.param(b"a=\rhidden\r\nb", b"a=\rhidden\r\nb", id="CR alone"),
        pytest.param(b"=00=0D=0A", b"\0\r\n", id="controls"),
        pytest.param(b"=4=\r\n1", b"=41", id="a code is not put together"),
    ],
)
def test_R_135_quoted_printable_hides_nothing(encoded: bytes, expected: bytes) -> None:
    assert decode_quoted_printable(encoded) == expected


def test_q_keeps_blanks_at_the_end_and_signs_without_codes() -> None:
    assert decode_q(b"_a_=20b=_==") == b" a  b= ="


@given(st.binary(max_size=300), st.integers(1, 20))
def test_base64_of_others_is_read(octets: bytes, every: int) -> None:
    encoded = base64.encodebytes(octets)
    assert decode_base64(encoded) == octets
    with_junk = b"\xff".join([encoded[at : at + every] for at in range(0, len(encoded), every)])
    assert decode_base64(with_junk) == octets
    assert decode_base64(encoded.replace(b"=", b"")) == octets


@given(st.binary(max_size=300))
def test_quoted_printable_of_others_is_read(octets: bytes) -> None:
    lines = octets.replace(b"\r", b"").replace(b"\n", b"\r\n")
    encoded = quopri.encodestring(lines.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    assert decode_quoted_printable(encoded) == lines


@given(QUOTED_LIKE)
def test_quoted_printable_is_read_as_the_standard_library_does(octets: bytes) -> None:
    """But where that drops a sign that begins no code, or a bare CR and what follows."""
    lines = octets.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
    if b"==" not in lines:
        expected = quopri.decodestring(b"\r\n".join([line.rstrip() for line in lines.split(b"\r\n")]))
        assert decode_quoted_printable(lines) == expected


@given(st.one_of(st.binary(max_size=100), BASE64_LIKE), st.integers(1, 7))
def test_base64_in_chunks_is_the_same(octets: bytes, size: int) -> None:
    assert in_chunks(Base64Decoder(), octets, size) == decode_base64(octets)


@given(st.one_of(st.binary(max_size=100), QUOTED_LIKE), st.integers(1, 7))
def test_quoted_printable_in_chunks_is_the_same(octets: bytes, size: int) -> None:
    assert in_chunks(QuotedPrintableDecoder(), octets, size) == decode_quoted_printable(octets)


def test_lines_over_the_limit_are_not_held_back() -> None:
    decoder, line = QuotedPrintableDecoder(), b"=C3=BC" * LINE_MAX
    sizes = [len(decoder.decode(line[at : at + 1000], final=False)) for at in range(0, len(line), 1000)]
    assert max(sizes) <= LINE_MAX + 1000
    assert sum(sizes) + len(decoder.decode(b"", final=True)) == 2 * LINE_MAX


@pytest.mark.parametrize(
    "octets",
    [b"=", b"= ", b" ", b"\t\r", b"=\r", b"=4", b"==", b"Q", b"Q=", b"\n", b" \n", b"=\n", b"A" * 50 + b"="],
)
def test_R_137_decoding_takes_linear_time(octets: bytes) -> None:
    for decode in (decode_base64, decode_quoted_printable, decode_q):
        assert len(decode(octets * 300_000)) <= 2 * len(octets) * 300_000
