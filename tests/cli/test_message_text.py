"""What `imap-msgs list` prints of a message."""

import pytest

from posthouse.cli.message_text import in_full, in_short
from posthouse.framework.interfaces.storage import MessageRow
from posthouse.message.structure import scan

RECEIVED = 1_700_000_000  # Tue, 14 Nov 2023 22:13:20 +0000


def row(message: bytes) -> MessageRow:
    found = scan(message)
    return MessageRow(7, 0, 1, RECEIVED, len(message), found.envelope, found.structure, 1)


def test_the_short_form_has_three_lines() -> None:
    message = b"From: Ann <ann@example.org>\r\nDate: Tue, 2 Jan 2024 03:04:05 +0100\r\nSubject: Hi\r\n\r\n"
    assert in_short(row(message), r"\Seen work") == (
        "UID 7: Ann <ann@example.org> - Hi\n  [\\Seen work] Tue, 02 Jan 2024 02:04:05 +0000\n\n"
    )


def test_what_a_message_does_not_have_is_empty_and_its_date_is_when_it_came_in() -> None:
    assert in_short(row(b"\r\n"), "") == "UID 7:  - \n  [] Tue, 14 Nov 2023 22:13:20 +0000\n\n"


def test_the_full_form_has_a_line_for_each_thing() -> None:
    message = (
        b"Date: Tue, 2 Jan 2024 03:04:05 +0100 (CET)\r\nFrom: Ann <ann@example.org>\r\nSender: bob@example.org\r\n"
        b"To: friends: carl@example.org, dora@example.org;\r\nCc: eve@example.org\r\nSubject: Hi\r\n there\r\n"
        b"In-Reply-To: <1@example.org>\r\nMessage-Id: <2@example.org>\r\n\r\nbody"
    )
    assert in_full(row(message), 3, r"\Draft").splitlines() == [
        "UID: 7",
        "Sequence number: 3",
        "Flags: [\\Draft]",
        f"Size: {len(message)} octets",
        "Internal date: Tue, 14 Nov 2023 22:13:20 +0000",
        "Date: Tue, 2 Jan 2024 03:04:05 +0100 (CET)",
        "From: Ann <ann@example.org>",
        "Sender: bob@example.org",
        "To: friends:, carl@example.org, dora@example.org, ;",
        "Cc: eve@example.org",
        "Subject: Hi there",
        "In-Reply-To: <1@example.org>",
        "Message-Id: <2@example.org>",
        "",
    ]


def test_encoded_words_are_decoded() -> None:
    message = b"From: =?iso-8859-1?q?J=F6rg?= <j@example.org>\r\nSubject: =?utf-8?b?w6TDtsO8?=\r\n\r\n"
    assert in_short(row(message), "").startswith("UID 7: Jörg <j@example.org> - äöü\n")


@pytest.mark.parametrize(
    "subject",
    [
        pytest.param(b"a\x1b[2Jb", id="escape sequence"),
        pytest.param(b"=?utf-8?q?a=1B[2Jb?=", id="encoded escape sequence"),
        pytest.param(b"=?utf-8?q?a=C2=9B2Jb?=", id="C1 control"),
        pytest.param(b"=?utf-8?q?a=E2=80=AEb?=", id="right-to-left override"),
        pytest.param(b"=?utf-8?q?a=0Ab?=", id="line end"),
    ],
)
def test_nobody_who_writes_to_us_controls_the_terminal(subject: bytes) -> None:
    from_field = b"From: " + subject + b" <x@example.org>\r\n"
    message = from_field + b"Subject: " + subject + b"\r\nMessage-Id: " + subject + b"\r\n\r\n"
    for text in (in_short(row(message), ""), in_full(row(message), 1, "")):
        lines = text.split("\n")
        assert all(line.isprintable() for line in lines)
        assert len(lines) in (4, 10)
