from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.mailboxes import MailboxError, parse_mailbox, parse_mailboxes


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"", []),
        (b"ann@example.org", [b"ann@example.org"]),
        (b" Ann Example <ann@example.org> ", [b"ann@example.org"]),
        (b'"Example, Ann" <ann@example.org>, bob@example.net', [b"ann@example.org", b"bob@example.net"]),
        (b"John Q. Public <j.q.public@example.org>", [b"j.q.public@example.org"]),
        (b'"a b"@example.org', [b'"a b"@example.org']),
        (b"ann@[192.0.2.1]", [b"ann@[192.0.2.1]"]),
        (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?= <ann@example.org>", [b"ann@example.org"]),
        ("Grüße <grüße@bücher.example>".encode(), ["grüße@bücher.example".encode()]),
        (
            b"ann@example.org (Ann (of Example)), (nobody) bob@example.net",
            [b"ann@example.org", b"bob@example.net"],
        ),
        (
            b"friends: ann@example.org, <bob@example.net>;, eve@example.com",
            [b"ann@example.org", b"bob@example.net", b"eve@example.com"],
        ),
        (b"undisclosed-recipients:;", []),
        (b"a@b, , c@d,", [b"a@b", b"c@d"]),
        (b"<ann@example.org>", [b"ann@example.org"]),
        (b'"(no comment)" <a@b>', [b"a@b"]),
    ],
)
def test_lists_of_addresses(value: bytes, found: list[bytes]) -> None:
    assert parse_mailboxes(value) == found


@pytest.mark.parametrize(
    "value",
    [
        b"ann",
        b"ann@",
        b"@example.org",
        b"<>",
        b"<ann>",
        b"ann@example.org eve@example.net",
        b"ann@example.org <eve@example.net",
        b"ann@example.org <eve@example.net>",
        b"<ann@example.org> <eve@example.net>",
        b"<ann@example.org> eve",
        b"ann@example.org@example.net",
        b"ann.@example.org",
        b"a..b@example.org",
        b"ann@example..org",
        b"ann@example.org;",
        b"friends: ann@example.org",
        b"friends: more: ann@example.org;;",
        b": ann@example.org;",
        b"friends:; ann@example.org",
        b'"ann <ann@example.org>',
        b"ann@example.org (comment",
        b"ann@example.org )",
        b"<@relay.example:ann@example.org>",
        b"Ann <ann@example.org\0>",
        b"ann@[192.0.2.1",
        b"=?utf-8?b?YW5uQGV4YW1wbGUub3Jn?=",
    ],
)
def test_R_070_what_two_readers_could_read_differently_is_refused(value: bytes) -> None:
    with pytest.raises(MailboxError):
        parse_mailboxes(value)


def test_a_mailbox_is_one_and_no_group() -> None:
    assert parse_mailbox(b"Ann <ann@example.org> (that is me)") == b"ann@example.org"
    for value in (b"", b"a@b, c@d", b"a@b,", b"friends: a@b;", b"friends:;"):
        with pytest.raises(MailboxError):
            parse_mailbox(value)


@given(st.text(alphabet='ab@.,:;<>()[]" \\\té').map(str.encode))
def test_any_octets_are_a_list_or_none(value: bytes) -> None:
    try:
        found = parse_mailboxes(value)
    except MailboxError:
        return
    assert all(b"@" in address for address in found)
    assert parse_mailboxes(b", ".join(found)) == found


@pytest.mark.parametrize(
    "piece", [b"a ", b'"', b"(", b"a@b,", b"a:", b"\\", b'"a"', b"[", b"a.", b"<", b"((", b'"\\']
)
def test_R_134_a_megabyte_takes_linear_time(piece: bytes) -> None:
    value = piece * (1_000_000 // len(piece))
    with suppress(MailboxError):
        parse_mailboxes(value)
