"""ENVELOPE read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.address_list import GROUP_END, Address, parse_address_list
from posthouse.message.envelope import (
    Envelope,
    addresses_in,
    addresses_text,
    split_envelope,
    string_in,
    text_in,
)
from posthouse.message.structure import scan

HEADER = (
    b'Date: Mon, 02 Jan 2006 15:04:05 +0000\r\nSubject: a "quoted" \\ subject {3} (x)\r\n'
    b'From: "Example, Ann" <ann@example.org>, Bob <bob@example.net>\r\nTo: friends: carol@example.org;\r\n'
    b"In-Reply-To: <1@example.org>\r\nMessage-ID: <2@example.org>\r\n\r\n"
)
FIELDS = st.lists(
    st.sampled_from(
        [
            b"From: ",
            b"Subject: ",
            b"To: ",
            b"Cc: ",
            b"Message-ID: ",
            b"a@b",
            b"<c@d>",
            b'"e',
            b'"',
            b"\\",
            b"{",
            b"}",
        ]
        + [b"g:", b";", b",", b"\r\n", b"\xc3\xa9", b"\0", b"(", b")", b" ", b"NIL"]
    ),
    max_size=40,
).map(b"".join)


def test_an_envelope_is_read_back() -> None:
    envelope = split_envelope(scan(HEADER).envelope)
    assert string_in(envelope.date) == b"Mon, 02 Jan 2006 15:04:05 +0000"
    assert string_in(envelope.subject) == b'a "quoted" \\ subject {3} (x)'
    assert addresses_in(envelope.author) == [
        Address(b"Example, Ann", b"", b"ann", b"example.org"),
        Address(b"Bob", b"", b"bob", b"example.net"),
    ]
    assert envelope.author == envelope.sender == envelope.reply_to
    assert addresses_in(envelope.to) == [
        Address(b"", b"", b"friends", None),
        Address(b"", b"", b"carol", b"example.org"),
        GROUP_END,
    ]
    assert addresses_in(envelope.cc) == addresses_in(envelope.bcc) == []
    assert string_in(envelope.in_reply_to) == b"<1@example.org>"
    assert string_in(envelope.message_id) == b"<2@example.org>"


def test_a_subject_is_read_as_it_is_shown() -> None:
    envelope = split_envelope(scan(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\tfrom home\r\n\r\n").envelope)
    assert text_in(envelope.subject) == "Grüße from home"
    assert text_in(envelope.message_id) == ""


def test_literals_are_read_back() -> None:
    header = "Subject: Grüße\r\nFrom: Jürgen <j@example.org>, <ö@example.org>\r\nTo: Ann\r\n\r\n".encode()
    envelope = split_envelope(scan(header).envelope)
    assert string_in(envelope.subject) == "Grüße".encode()
    assert addresses_in(envelope.author) == [
        Address("Jürgen".encode(), b"", b"j", b"example.org"),
        Address(b"", b"", "ö".encode(), b"example.org"),
    ]
    assert string_in(envelope.message_id) == b""


@given(st.one_of(FIELDS, st.binary(max_size=200)))
def test_every_envelope_is_read_back(header: bytes) -> None:
    envelope = split_envelope(scan(header).envelope)
    for field in envelope[2:8]:
        assert isinstance(addresses_text(addresses_in(field)), str)
    for field in (*envelope[:2], *envelope[8:]):
        assert b"\n" not in string_in(field)


@given(FIELDS)
def test_addresses_are_those_of_the_header(value: bytes) -> None:
    value = value.replace(b"\r\n", b"").replace(b"\0", b"")
    envelope = split_envelope(scan(b"Cc: x@y\r\nTo: %b\r\n\r\n" % value).envelope)
    assert addresses_in(envelope.to) == parse_address_list(value)


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"NIL",
        b"(",
        b"()",
        b"(NIL NIL)",
        b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL {10}\r\nabc)",
        b'(NIL "abc)',
        b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)",
        b"(a b c d e f g h i j)",
    ],
)
def test_damage_is_an_error(envelope: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        split_envelope(envelope)


@given(
    st.lists(st.sampled_from([b"(", b")", b" ", b"NIL", b'"a"', b"{1}\r\n", b'"', b"{9"]), max_size=20).map(
        b"".join
    )
)
def test_damage_is_no_other_error(octets: bytes) -> None:
    for read in (split_envelope, addresses_in):
        try:
            read(octets)
        except ValueError as error:
            assert "damaged" in str(error)  # noqa: PT017 - some of them are not damaged


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"ann@example.org", "ann@example.org"),
        (b'"Example, Ann" <ann@example.org>', "Example, Ann <ann@example.org>"),
        (b"=?utf-8?q?J=C3=BCrgen?= <j@example.org>, b@c", "Jürgen <j@example.org>, b@c"),
        (b"friends: a@b, c@d;", "friends:, a@b, c@d, ;"),
        (b"ann", "ann"),
        (b"Ann <ann@>", "Ann <ann>"),
        (b"", ""),
    ],
)
def test_addresses_are_shown(value: bytes, expected: str) -> None:
    assert addresses_text(parse_address_list(value)) == expected


def test_there_are_ten_fields() -> None:
    assert len(Envelope._fields) == 10


def test_R_137_long_envelopes_take_linear_time() -> None:
    for subject in (b'"' * 100_000, b"\\" * 100_000, "é".encode() * 100_000, b"{9}" * 50_000):
        header = b"Subject: %b\r\nTo: %b\r\n\r\n" % (subject, b"a@b," * 10_000)
        envelope = split_envelope(scan(header).envelope)
        assert string_in(envelope.subject) == subject
        assert len(addresses_in(envelope.to)) == 10_000
