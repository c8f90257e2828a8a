"""The strict reader of tests is strict."""

import pytest

from posthouse.testing.imap import BadResponse, parse


def test_what_is_read() -> None:
    assert parse(rb'1 FETCH (FLAGS (\Seen $x) BODY[HEADER.FIELDS (A "b c")]<0> "q\"\\" X NIL)') == [
        1,
        "FETCH",
        ["FLAGS", ["\\Seen", "$x"], 'BODY[HEADER.FIELDS (A "b c")]<0>', b'q"\\', "X", None],
    ]
    assert parse(b"1 FETCH (BODY[] {3}\r\n)(\n ENVELOPE ((NIL NIL)(NIL NIL)))")[2][1] == b")(\n"


@pytest.mark.parametrize(
    "response",
    [b"(", b")", b"(a", b"a)", b"a  b", b" a", b"a ", b'"a', b'"a"b', b"{3}\r\nab", b"{2}\r\na\0", b'"\r\n"', b"\xff", b"(a)b", b'a"b"'],
)  # fmt: skip
def test_what_is_not(response: bytes) -> None:
    with pytest.raises(BadResponse):
        parse(response)
