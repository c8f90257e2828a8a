from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.sasl.base64 import ENCODED_MAX, InvalidBase64, decode_initial, decode_response


@given(st.binary(max_size=600))
def test_what_is_encoded_decodes(data: bytes) -> None:
    assert decode_response(b64encode(data)) == data


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"=", id="only padding"),
        pytest.param(b"QQ", id="no padding"),
        pytest.param(b"QQ=", id="half of the padding"),
        pytest.param(b"QQ==QQ==", id="data behind the padding"),
        pytest.param(b"Q Q==", id="a blank"),
        pytest.param(b"QQ==\r", id="a CR"),
        pytest.param(b"QUFB\n", id="a LF"),
        pytest.param(b"Q\xc3\x84==", id="8 bits"),
        pytest.param(b"QUFB_-==", id="another alphabet"),
        pytest.param(b"\0\0\0\0", id="NUL"),
    ],
)
def test_R_047_anything_but_plain_base64_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidBase64):
        decode_response(line)


def test_R_046_a_response_of_100_000_octets_is_refused() -> None:
    with pytest.raises(InvalidBase64, match="too long"):
        decode_response(b"A" * 100_000)
    assert len(decode_response(b"A" * ENCODED_MAX)) == ENCODED_MAX // 4 * 3


def test_an_equals_sign_is_an_empty_initial_response() -> None:
    assert decode_initial(b"=") == b""
    assert decode_initial(b"AGE=") == b"\0a"


@given(st.binary(max_size=100))
def test_R_142_any_octets_decode_or_are_refused(line: bytes) -> None:
    with suppress(InvalidBase64):
        decode_response(line)
