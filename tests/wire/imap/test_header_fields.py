import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.header_fields import select_fields

HEADER = b"From: a\r\n\tb\r\nno field\r\nTo : c\r\nfrom: d\r\nX-From: e\r\n\r\n"


@pytest.mark.parametrize(
    ("names", "chosen", "others"),
    [
        pytest.param(
            {b"from"},
            b"From: a\r\n\tb\r\nfrom: d\r\n\r\n",
            b"no field\r\nTo : c\r\nX-From: e\r\n\r\n",
            id="folded",
        ),
        pytest.param(
            {b"to"},
            b"To : c\r\n\r\n",
            b"From: a\r\n\tb\r\nno field\r\nfrom: d\r\nX-From: e\r\n\r\n",
            id="blank",
        ),
        pytest.param({b"bcc"}, b"\r\n", HEADER, id="none"),
        pytest.param({b"no field"}, b"\r\n", HEADER, id="what is no field is never chosen"),
    ],
)
def test_fields_are_chosen_by_name(names: set[bytes], chosen: bytes, others: bytes) -> None:
    assert select_fields(HEADER, names, exclude=False) == chosen
    assert select_fields(HEADER, names, exclude=True) == others


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b"\r\n", b"\r\n", id="blank line"),
        pytest.param(b"A: b", b"A: b", id="no end of line"),
        pytest.param(b"A: b\r\n", b"A: b\r\n", id="no blank line"),
        pytest.param(b"A: b\r\n c", b"A: b\r\n c", id="folded to the end"),
        pytest.param(b"A: b\n\n", b"A: b\n\r\n", id="bare LF"),
    ],
)
def test_the_blank_line_is_there_if_the_header_has_one(header: bytes, chosen: bytes) -> None:
    assert select_fields(header, {b"a"}, exclude=False) == chosen


@given(st.lists(st.sampled_from([b"A", b"B", b":", b" ", b"\r\n", b"\n", b"\t", b"\xff", b"x"]), max_size=40))
def test_choosing_and_leaving_out_share_the_header(pieces: list[bytes]) -> None:
    header = b"".join(pieces)
    others = select_fields(header, {b"a"}, exclude=True)
    chosen = select_fields(header, {b"a"}, exclude=False)
    assert len(others) <= len(header)
    assert select_fields(others, {b"b"}, exclude=True).count(b"A:") <= others.count(b"A:")
    assert len(chosen) + len(others) in (len(header), len(header) + 2)


def test_R_055_long_headers_take_linear_time() -> None:
    header = (
        b"".join(b"N%d: x\r\n" % number for number in range(50_000))
        + b"A: b\r\n"
        + b" c\r\n" * 50_000
        + b"\r\n"
    )
    assert select_fields(header, {b"a"}, exclude=False) == b"A: b\r\n" + b" c\r\n" * 50_000 + b"\r\n"
    assert select_fields(b"A" * 1_000_000, {b"a"}, exclude=False) == b""
