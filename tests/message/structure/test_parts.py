"""Sections of a message, found in its table of parts (RFC 3501 §6.4.5)."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.structure import parts_of, scan
from posthouse.message.structure.parts import LEAF, MESSAGE, MULTIPART, Part, pack_parts, with_longer_header

INNER = b"Subject: inner\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n--i\r\n\r\n4.2.1\r\n--i\r\nX: 4.2.2\r\n\r\n4.2.2\r\n--i--\r\n"
NESTED = (
    b"Content-Type: multipart/mixed; boundary=n\r\n\r\n--n\r\nX: 4.1\r\n\r\n4.1\r\n--n\r\nContent-Type: message/rfc822\r\n\r\n%b\r\n--n--"
    % INNER
)
MESSAGE_IN_3 = b"Subject: three\r\n\r\n3.1\r\n"
WHOLE = (
    b"Subject: whole\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\npreamble\r\n"
    b"--w\r\nX: 1\r\n\r\n1\r\n"
    b"--w\r\n\r\n2\r\n"
    b"--w\r\nContent-Type: message/rfc822\r\nX: 3\r\n\r\n%b\r\n"
    b"--w\r\n%b\r\n"
    b"--w--\r\nepilogue\r\n" % (MESSAGE_IN_3, NESTED)
)


def section(message: bytes, numbers: Sequence[int], text: bytes = b"", head: bytes = b"") -> bytes | None:
    found = parts_of(scan(message, head).parts).section(numbers, text)
    return None if found is None else (head + message)[found[0] : found[0] + found[1]]


HEADER, BODY = WHOLE[: WHOLE.index(b"preamble")], WHOLE[WHOLE.index(b"preamble") :]


@pytest.mark.parametrize(
    ("numbers", "text", "octets"),
    [
        ((), b"", WHOLE),
        ((), b"HEADER", HEADER),
        ((), b"TEXT", BODY),
        ((), b"MIME", None),
        ((1,), b"", b"1"),
        ((1,), b"MIME", b"X: 1\r\n\r\n"),
        ((1,), b"HEADER", None),
        ((1,), b"TEXT", None),
        ((1, 1), b"", None),
        ((2,), b"", b"2"),
        ((2,), b"MIME", b"\r\n"),
        ((3,), b"", MESSAGE_IN_3),
        ((3,), b"MIME", b"Content-Type: message/rfc822\r\nX: 3\r\n\r\n"),
        ((3,), b"HEADER", b"Subject: three\r\n\r\n"),
        ((3,), b"TEXT", b"3.1\r\n"),
        ((3, 1), b"", b"3.1\r\n"),
        ((3, 1), b"MIME", b"Subject: three\r\n\r\n"),
        ((3, 2), b"", None),
        ((3, 1, 1), b"", None),
        ((4,), b"", NESTED[NESTED.index(b"--n") :]),
        ((4, 1), b"", b"4.1"),
        ((4, 2), b"", INNER),
        ((4, 2), b"HEADER", INNER[: INNER.index(b"--i")]),
        ((4, 2), b"TEXT", INNER[INNER.index(b"--i") :]),
        ((4, 2, 1), b"", b"4.2.1"),
        ((4, 2, 2), b"MIME", b"X: 4.2.2\r\n\r\n"),
        ((4, 2, 3), b"", None),
        ((4, 3), b"", None),
        ((5,), b"", None),
        ((0,), b"", None),
        ((1,) * 10_000, b"", None),
        ((10**30,), b"", None),
    ],
)
def test_sections_are_slices(numbers: Sequence[int], text: bytes, octets: bytes | None) -> None:
    assert section(WHOLE, numbers, text) == octets
    assert section(BODY, numbers, text, head=HEADER) == octets


@pytest.mark.parametrize(
    ("numbers", "text", "octets"),
    [
        ((), b"", b"A: b\r\n\r\ntext"),
        ((), b"HEADER", b"A: b\r\n\r\n"),
        ((), b"TEXT", b"text"),
        ((1,), b"", b"text"),
        ((1,), b"MIME", b"A: b\r\n\r\n"),
        ((1,), b"HEADER", None),
        ((1, 1), b"", None),
        ((2,), b"", None),
    ],
)
def test_what_is_no_multipart_has_its_body_as_part_1(
    numbers: Sequence[int], text: bytes, octets: bytes | None
) -> None:
    assert section(b"A: b\r\n\r\ntext", numbers, text) == octets


def test_a_message_may_be_a_message() -> None:
    message = b"Content-Type: message/rfc822\r\n\r\n" + WHOLE
    assert section(message, (1,)) == WHOLE
    assert section(message, (1,), b"HEADER") == HEADER
    assert section(message, (1, 4, 2, 1)) == b"4.2.1"


@pytest.mark.parametrize("message", [b"", b"\r\n", b"A: b", b"A: b\r\n", b"no field"])
def test_messages_without_a_body_have_an_empty_one(message: bytes) -> None:
    assert section(message, ()) == message
    assert section(message, (), b"HEADER") == message
    assert section(message, (), b"TEXT") == section(message, (1,)) == b""


@pytest.mark.parametrize("message", [WHOLE, b"A: b\r\n\r\ntext", b"\r\ntext", b""])
def test_a_message_with_more_fields_on_top_needs_no_scan(message: bytes) -> None:
    prefix = b"Delivered-To: ann\r\nReturn-Path: <>\r\n"
    assert with_longer_header(scan(message).parts, len(prefix)) == scan(prefix + message).parts


TREE = [
    Part(0, 5, 90, 3, MULTIPART),
    Part(6, 7, 8, 0, LEAF),
    Part(9, 10, 80, 1, MESSAGE),
    Part(10, 11, 80, 0, LEAF),
]


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\1", id="no part"),
        pytest.param(pack_parts(TREE)[:-1], id="cut"),
        pytest.param(b"\2" + pack_parts(TREE)[1:], id="other version"),
        pytest.param(pack_parts(TREE[:2]), id="parts missing"),
        pytest.param(pack_parts([Part(0, 1, 2, 0, MESSAGE)]), id="a message without its part"),
    ],
)
def test_a_damaged_table_is_refused(table: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        parts_of(table)


@given(
    st.binary(max_size=120)
    | st.binary(max_size=120).map(lambda table: (b"\1" + table)[: 1 + len(table) // 29 * 29])
)
def test_R_142_any_octets_are_a_table_or_refused(table: bytes) -> None:
    try:
        parts = parts_of(table)
    except ValueError:
        return
    for numbers in ((), (1,), (1, 1), (2, 1, 1)):
        for text in (b"", b"HEADER", b"TEXT", b"MIME"):
            parts.section(numbers, text)
