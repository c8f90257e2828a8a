"""Arguments of commands that change mailboxes, or take messages from one to another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.imap.commands import COMMANDS, Request
from posthouse.wire.imap.copy import Copy
from posthouse.wire.imap.create import Create
from posthouse.wire.imap.cursor import Cursor
from posthouse.wire.imap.delete import Delete
from posthouse.wire.imap.errors import ParseError
from posthouse.wire.imap.expunge import Expunge
from posthouse.wire.imap.lsub import Lsub
from posthouse.wire.imap.move import Move
from posthouse.wire.imap.rename import Rename
from posthouse.wire.imap.sequence import SequenceSet, format_set, parse_set
from posthouse.wire.imap.subscribe import Subscribe

ONE_AND_LAST = SequenceSet(((1, 1), (0, 0)))


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("CREATE", b" a.b", Create("a.b")),
        ("CREATE", b" x (USE (\\sent))", Create("x", ("\\Sent",))),
        ("CREATE", b" x (use (\\Sent \\SENT \\Junk))", Create("x", ("\\Sent", "\\Junk"))),
        ("CREATE", b" x (USE ())", Create("x")),
        ("DELETE", b' "a b"', Delete("a b")),
        ("RENAME", b" inbox {3}\r\na b", Rename("INBOX", "a b")),
        ("SUBSCRIBE", b" Gr&APwA3w-e", Subscribe("Grüße", True)),
        ("UNSUBSCRIBE", b" x", Subscribe("x", False)),
        ("LSUB", b' "" a*', Lsub("", "a*")),
        ("COPY", b" 1,* x", Copy(ONE_AND_LAST, "x")),
        ("UID COPY", b" 1,* Inbox", Copy(ONE_AND_LAST, "INBOX", by_uid=True)),
        ("MOVE", b" 1,* x", Move(ONE_AND_LAST, "x")),
        ("UID MOVE", b" 1,* x", Move(ONE_AND_LAST, "x", by_uid=True)),
        ("EXPUNGE", b"", Expunge()),
        ("UID EXPUNGE", b" 1,*", Expunge(ONE_AND_LAST)),
    ],
)
def test_arguments(command: str, arguments: bytes, expected: Request) -> None:
    assert COMMANDS[command].parse(Cursor(arguments)) == expected


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        *[("CREATE", text) for text in (b"", b" ", b" x y", b" x (", b" x ()", b" x (USE \\Sent)", b" x (USE (Sent))", b" x (USE (\\Sent)",
            b" x (USE (\\Sent  \\Junk))", b" x (USE (\\Sent)) y", b" x (USE (\\%b))" % (b"a" * 33))],
        ("DELETE", b" x y"), ("RENAME", b" x"), ("RENAME", b" x y z"), ("SUBSCRIBE", b""), ("LSUB", b" x"),
        ("COPY", b" x"), ("COPY", b" 1"), ("COPY", b" 0 x"), ("UID COPY", b" 1 x y"), ("MOVE", b" 1  x"), ("UID MOVE", b" x 1"),
        ("EXPUNGE", b" 1"), ("UID EXPUNGE", b" 1 2"), ("NAMESPACE", b" x"), ("UNSELECT", b" "), ("CHECK", b" x"),
    ],
)  # fmt: skip
def test_bad_arguments(command: str, arguments: bytes) -> None:
    with pytest.raises(ParseError):
        COMMANDS[command].parse(Cursor(arguments))


def test_sets_are_written_in_their_order() -> None:
    assert format_set([1, 3, 4, 5, 9, 2, 3]) == "1,3:5,9,2:3"
    assert format_set([]) == ""


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40, unique=True).map(sorted))
def test_a_set_that_was_written_reads_the_same(numbers: list[int]) -> None:
    ranges = parse_set(Cursor(format_set(numbers).encode())).resolve(1000)
    assert [number for low, high in ranges for number in range(low, high + 1)] == numbers
