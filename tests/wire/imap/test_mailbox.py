import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.list import parse_list
from posthouse.wire.imap.mailbox import NAME_MAX, decode_mailbox, encode_mailbox, parse_mailbox, to_utf7

NAMES = [
    pytest.param("Sent", b'"Sent"', id="ASCII"),
    pytest.param("INBOX", b"INBOX", id="inbox"),
    pytest.param("a&b", b'"a&-b"', id="ampersand"),
    pytest.param("&&", b'"&-&-"', id="two ampersands"),
    pytest.param("é&é", b'"&AOk-&-&AOk-"', id="ampersand between"),
    pytest.param("~peter/mail/台北/日本語", b'"~peter/mail/&U,BTFw-/&ZeVnLIqe-"', id="RFC 3501 5.1.3"),
    pytest.param("📫", b'"&2D3c6w-"', id="surrogate pair"),
    pytest.param('a"b\\c', b'"a\\"b\\\\c"', id="to be escaped"),
    pytest.param("", b'""', id="empty"),
]


@pytest.mark.parametrize(("name", "written"), NAMES)
def test_names_are_modified_utf_7_on_the_wire(name: str, written: bytes) -> None:
    assert encode_mailbox(name) == written
    assert parse_mailbox(Cursor(written)) == name


@pytest.mark.parametrize("octets", [b"inbox", b"Inbox", b"INBOX", b'"iNbOx"', b"{5+}\r\ninbox"])
def test_the_inbox_has_no_case(octets: bytes) -> None:
    assert parse_mailbox(Cursor(octets)) == "INBOX"


def test_letters_that_only_look_like_the_inbox_are_others() -> None:
    assert decode_mailbox(to_utf7("ınbox")) == "ınbox"  # its upper case is INBOX


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"&", id="open shift"),
        pytest.param(b"&AOk", id="shift without end"),
        pytest.param(b"&AO*-", id="no base64"),
        pytest.param(b"&AO-", id="half a character"),
        pytest.param(b"&AOkA-", id="odd octets"),
        pytest.param(b"&AOl-", id="padding bits"),
        pytest.param(b"&AOk=-", id="padding"),
        pytest.param(b"&2D0-", id="half a pair"),
        pytest.param(b"&AC4-", id="a dot, encoded"),
        pytest.param(b"&AC8-", id="a slash, encoded"),
        pytest.param(b"&ACY-", id="an ampersand, encoded"),
        pytest.param(b"&AOk-&AOk-", id="two shifts in a row"),
        pytest.param(b"&AAA-", id="NUL, encoded"),
        pytest.param(b"&AAo-", id="LF, encoded"),
        pytest.param(b"a\nb", id="LF"),
        pytest.param(b"a\r\nb", id="CRLF"),
        pytest.param(b"a\x7f", id="DEL"),
        pytest.param(b"\xc3\xa9", id="UTF-8"),
        pytest.param(b"x" * (NAME_MAX + 1), id="too long"),
    ],
)
def test_R_105_names_that_none_can_have_are_refused(octets: bytes) -> None:
    with pytest.raises(ParseError):
        decode_mailbox(octets)


@pytest.mark.parametrize(
    "name", ["..", "/etc/passwd", "~root", "a..b", "nul", "%s%n", "'; DROP TABLE", "a*%b", "#user"]
)
def test_R_105_odd_names_are_only_names(name: str) -> None:
    assert decode_mailbox(name.encode()) == name


@pytest.mark.parametrize("text", ["éa", "&", "é&", "x", "日", "📫a", "📫&"])
def test_every_name_that_a_storage_may_have_can_be_said(text: str) -> None:
    name = text * (1000 // len(text.encode()))
    assert decode_mailbox(to_utf7(name)) == name
    assert parse_list(Cursor(b' "" ' + encode_mailbox(name))).pattern == name


@given(st.text(max_size=60))
def test_every_name_reads_back_or_is_refused_for_its_controls(name: str) -> None:
    try:
        found = decode_mailbox(to_utf7(name))
    except ParseError:
        assert not name.isprintable()
    else:
        assert found in (name, "INBOX")


@given(st.binary(max_size=40) | st.text(alphabet="&-AOk,+/=2D3cyw", max_size=12).map(str.encode))
def test_any_octets_are_a_name_or_refused(octets: bytes) -> None:
    try:
        name = decode_mailbox(octets)
    except ParseError:
        return
    assert to_utf7(name) == octets or name == "INBOX"
