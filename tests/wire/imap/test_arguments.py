"""Arguments of the smaller commands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.append import Append, LineEnds, parse_append
from posthouse.wire.imap.authenticate import Authenticate, parse_authenticate
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.errors import LimitExceeded, ParseError
from posthouse.wire.imap.flags import KEYWORD_MAX, Flags, parse_flag_list, parse_flags
from posthouse.wire.imap.login import Login, parse_login
from posthouse.wire.imap.response import Condition, Status, bye
from posthouse.wire.imap.select import Select, parse_examine, parse_select
from posthouse.wire.imap.sequence import SequenceSet
from posthouse.wire.imap.status import Status as StatusCommand
from posthouse.wire.imap.status import parse_status, status_line
from posthouse.wire.imap.store import Store, parse_store, parse_uid_store


def test_select_and_examine() -> None:
    assert parse_select(Cursor(b" inbox")) == Select("INBOX", read_only=False)
    assert parse_examine(Cursor(b' "a b"')) == Select("a b", read_only=True)
    with pytest.raises(ParseError):
        parse_select(Cursor(b" a b"))


def test_login_takes_any_octets() -> None:
    assert parse_login(Cursor(b' ann "p\xff\\""')) == Login(b"ann", b'p\xff"')


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Login(b"ann", b"secret"))
    assert "secret" not in repr(Authenticate("PLAIN", b"secret"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(b" PLAIN", Authenticate("PLAIN", None), id="without"),
        pytest.param(b" plain AGEAYg==", Authenticate("plain", b"AGEAYg=="), id="with"),
        pytest.param(b" PLAIN =", Authenticate("PLAIN", b"="), id="empty"),
    ],
)
def test_authenticate_takes_an_initial_response(arguments: bytes, expected: Authenticate) -> None:
    assert parse_authenticate(Cursor(arguments)) == expected


@pytest.mark.parametrize(
    "arguments", [b"", b" ", b" PLAIN ", b" PLAIN !", b" PLAIN AA==x", b' "PLAIN"', b" PLAIN A A"]
)
def test_bad_arguments_of_authenticate(arguments: bytes) -> None:
    with pytest.raises(ParseError):
        parse_authenticate(Cursor(arguments))


def test_status_items_come_back_in_order() -> None:
    asked = parse_status(Cursor(b" inbox (unseen MESSAGES APPENDLIMIT UNSEEN)"))
    assert asked == StatusCommand("INBOX", ("UNSEEN", "MESSAGES", "APPENDLIMIT"))
    assert status_line("a b", {"UNSEEN": 1, "MESSAGES": 2}) == b'* STATUS "a b" (UNSEEN 1 MESSAGES 2)\r\n'


@pytest.mark.parametrize(
    "arguments", [b" x", b" x ()", b" x (SIZE)", b" x (UNSEEN", b" x UNSEEN", b" x (UNSEEN) y"]
)
def test_bad_arguments_of_status(arguments: bytes) -> None:
    with pytest.raises(ParseError):
        parse_status(Cursor(arguments))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(b" 1 FLAGS ()", Store(SequenceSet(((1, 1),)), "FLAGS", False, Flags()), id="none"),
        pytest.param(
            b" 1:* +flags.silent (\\seen \\DELETED)",
            Store(SequenceSet(((1, 0),)), "+FLAGS", True, Flags(("\\Seen", "\\Deleted"))),
            id="silent",
        ),
        pytest.param(
            b" 2 -FLAGS $Junk \\Flagged junk",
            Store(SequenceSet(((2, 2),)), "-FLAGS", False, Flags(("\\Flagged",), ("$junk", "junk"))),
            id="without parentheses",
        ),
    ],
)
def test_store(arguments: bytes, expected: Store) -> None:
    assert parse_store(Cursor(arguments)) == expected
    assert parse_uid_store(Cursor(arguments)).by_uid


@pytest.mark.parametrize(
    "arguments",
    [b" 1 FLAGS", b" 1 FLAGS ", b" 1 FLAGSX ()", b" 1 *FLAGS ()", b" 1 FLAGS (a", b" 1 FLAGS (a  b)", b" 1 FLAGS () x",
     b" 1 FLAGS \\", b" 1 FLAGS (\\*)", b" 1 FLAGS (\\Unknown)", b" 1 FLAGS.QUIET ()", b' 1 FLAGS ("a")', b" 1 FLAGS (a\xff)"],
)  # fmt: skip
def test_bad_arguments_of_store(arguments: bytes) -> None:
    with pytest.raises(ParseError):
        parse_store(Cursor(arguments))


def test_flags_have_one_spelling() -> None:
    assert parse_flags(Cursor(b"(\\SEEN \\seen Work work \\recent)")) == Flags(("\\Seen",), ("work",))


def test_R_110_a_keyword_of_100_kB_is_too_long() -> None:
    with pytest.raises(LimitExceeded):
        parse_flag_list(Cursor(b"(%b)" % (b"k" * 100_000)))
    assert parse_flag_list(Cursor(b"(%b)" % (b"k" * KEYWORD_MAX))).keywords == ("k" * KEYWORD_MAX,)


def test_append_up_to_its_message() -> None:
    head = b' "a b" (\\Seen k) " 1-Feb-2024 03:04:05 +0100" {12}\r\n'
    assert parse_append(Cursor(head), 12) == Append("a b", Flags(("\\Seen",), ("k",)), 1706753045, 12)
    assert parse_append(Cursor(b" x {12+}\r\n"), 12) == Append("x", Flags(), None, 12)
    assert parse_append(Cursor(b" {12}\r\n"), 12) is None


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        pytest.param(b"a\r\nb\r\n", b"a\r\nb\r\n", id="CRLF"),
        pytest.param(b"a\nb\n", b"a\r\nb\r\n", id="LF"),
        pytest.param(b"\na\r\n\nb", b"\r\na\r\n\r\nb", id="mixed"),
        pytest.param(b"a\rb\r\r\n", b"a\rb\r\r\n", id="bare CR stays"),
        pytest.param(b"", b"", id="empty"),
    ],
)
def test_a_bare_lf_becomes_crlf_however_it_arrives(text: bytes, stored: bytes) -> None:
    for size in (1, 2, 3, 100):
        ends = LineEnds()
        assert b"".join(ends.convert(text[at : at + size]) for at in range(0, len(text), size)) == stored


@given(st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\r\n", b""]), max_size=30))
def test_no_bare_lf_is_left(pieces: list[bytes]) -> None:
    ends = LineEnds()
    stored = b"".join(map(ends.convert, pieces))
    assert stored.count(b"\n") == stored.count(b"\r\n")
    assert stored.replace(b"\r\n", b"\n") == b"".join(pieces).replace(b"\r\n", b"\n")


def test_status_responses() -> None:
    assert Status(Condition.OK, "NOOP completed", tag=b"a").to_bytes() == b"a OK NOOP completed\r\n"
    assert (
        Status(Condition.NO, "No such mailbox", "TRYCREATE", b"a").to_bytes()
        == b"a NO [TRYCREATE] No such mailbox\r\n"
    )
    assert bye("Closing connection").to_bytes() == b"* BYE Closing connection\r\n"


@pytest.mark.parametrize("text", ["a\r\nb", "a\nb", "a/b", "\0"])
def test_R_109_a_status_cannot_be_forged(text: str) -> None:
    with pytest.raises(ValueError):
        Status(Condition.OK, text)
