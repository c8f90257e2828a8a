"""ENVELOPE: every answer is read by a strict reader of IMAP."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.structure import scan
from posthouse.message.structure.fields import _WANTED

Read = Callable[[bytes], Any]
ANN = [None, None, b"ann", b"example.org"]
BOB = [b"Bob", None, b"bob", b"example.org"]


@pytest.fixture(scope="session")
def envelope_of(read_envelope: Read) -> Read:
    return lambda header: read_envelope(scan(header + b"\r\n").envelope)


def test_the_example_of_rfc_3501(envelope_of: Read) -> None:
    header = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.edu\r\n"
        b"Cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
    )
    gray = [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]]
    assert envelope_of(header) == [
        b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
        b"IMAP4rev1 WG mtg summary and minutes",
        gray,
        gray,
        gray,
        [[None, None, b"imap", b"cac.washington.edu"]],
        [
            [None, None, b"minutes", b"CNRI.Reston.VA.US"],
            [b"John Klensin", None, b"KLENSIN", b"MIT.EDU"],
        ],
        None,
        None,
        b"<B27397-0100000@cac.washington.edu>",
    ]


def test_what_is_missing_or_empty_is_nil(envelope_of: Read) -> None:
    assert envelope_of(b"") == [None] * 10
    assert envelope_of(b"Subject:\r\nTo: \r\nDate:\r\n \r\n") == [None] * 10


def test_sender_and_reply_to_are_from_where_they_are_missing_or_empty(envelope_of: Read) -> None:
    assert envelope_of(b"From: ann@example.org\r\nSender: ,\r\n")[2:5] == [[ANN]] * 3
    assert envelope_of(b"From: ann@example.org\r\nSender: Bob <bob@example.org>\r\n")[2:5] == [
        [ANN],
        [BOB],
        [ANN],
    ]


def test_the_topmost_text_counts_and_the_addresses_of_all_fields(envelope_of: Read) -> None:
    header = b"To: ann@example.org\r\nsubject: 1\r\nTO: Bob <bob@example.org>\r\nSubject: 2\r\n"
    envelope = envelope_of(header)
    assert (envelope[1], envelope[5]) == (b"1", [ANN, BOB])


def test_groups_have_marks(envelope_of: Read) -> None:
    assert envelope_of(b"To: g: ann@example.org;, :;\r\n")[5] == [
        [None, None, b"g", None],
        ANN,
        [None] * 4,
        [None, None, b"", None],
        [None] * 4,
    ]


def test_encoded_words_stay_as_they_are(envelope_of: Read) -> None:
    assert envelope_of(b"Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n")[1] == b"=?utf-8?q?a?= =?utf-8?q?b?="


def test_fields_may_have_blanks_before_the_colon_and_lines_may_be_none(envelope_of: Read) -> None:
    header = (
        b"From ann Mon Jan 2\r\nno field\r\n To: x@y\r\nSubject \t: a\r\n: b\r\nFrom: ann@example.org\r\n"
    )
    assert envelope_of(header)[1:3] == [b"a", [ANN]]


@pytest.mark.parametrize(
    ("subject", "value"),
    [
        pytest.param(b'a "b" \\c', b'a "b" \\c', id="quotes and backslash"),
        pytest.param(b'" NIL NIL)', b'" NIL NIL)', id="forged end"),
        pytest.param(b"{5}", b"{5}", id="like a literal"),
        pytest.param(b"{3}\r\n abc", b"{3} abc", id="like a literal, folded"),
        pytest.param(b"a\rb\r\r\n c", b"a\rb\r c", id="bare CR"),
        pytest.param("ä\U0001f600".encode(), "ä\U0001f600".encode(), id="UTF-8"),
        pytest.param(b"\xff", b"\xff", id="8 bit"),
        pytest.param(b"a\0b", "a\ufffdb".encode(), id="NUL"),
        pytest.param(b"\x01\x1b\x7f", b"\x01\x1b\x7f", id="control characters"),
        pytest.param(b"x" * 1_000_000, b"x" * 1_000_000, id="1 MB"),
    ],
)
@pytest.mark.parametrize("name", [b"Subject", b"From", b"Message-ID", b"Date"])
def test_R_109_no_value_breaks_the_syntax(
    name: bytes, subject: bytes, value: bytes, envelope_of: Read
) -> None:
    envelope = envelope_of(name + b": " + subject + b"\r\n")
    if name == b"Subject":
        assert envelope[1] == value


FIELD = st.tuples(
    st.sampled_from(sorted(_WANTED)), st.binary(max_size=60) | st.text('"\\(),:;<>@ \r\n{}ä').map(str.encode)
)


@given(
    header=st.lists(FIELD, max_size=8).map(lambda fields: b"".join(b"%b: %b\r\n" % field for field in fields))
)
def test_R_109_every_envelope_is_read_back(header: bytes, envelope_of: Read) -> None:
    envelope_of(header)
