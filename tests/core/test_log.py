"""Log lines are maddy's, one line each, whatever a peer puts in them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.errors import MailError
from posthouse.core.log import LINE_MAX, Logger, format_line
from posthouse.wire.smtp.reply import Reply


class Lines(list[bytes]):
    def __call__(self, line: bytes, debug: bool) -> None:
        self.append(line)


def test_a_line_is_name_message_tab_and_sorted_json() -> None:
    line = format_line("smtp", "RCPT ok", {"rcpt": "b@example.org", "msg_id": "1234abcd"})
    assert line == b'smtp: RCPT ok\t{"msg_id":"1234abcd","rcpt":"b@example.org"}'


def test_the_tab_is_there_without_fields_and_without_a_name() -> None:
    assert format_line("", "server stopping...", {}) == b"server stopping...\t"


def test_a_debug_line_says_so_before_its_name() -> None:
    assert format_line("imap", "hello", {}, debug=True) == b"[debug] imap: hello\t"


def test_html_and_line_separators_are_escaped_and_other_text_is_raw() -> None:
    line = format_line("", "x", {"a": "<&>\u2028\u2029é\x7f"})
    assert line.decode() == 'x\t{"a":"\\u003c\\u0026\\u003e\\u2028\\u2029é\\u007f"}'


def test_values_without_json_form_are_their_text() -> None:
    line = format_line("", "x", {"code": Reply(550, (5, 7, 1), "no"), "octets": b"\xff"})
    assert json.loads(line.split(b"\t")[1])["octets"] == "\ufffd"


def test_names_of_children_are_joined_by_a_slash() -> None:
    lines = Lines()
    Logger(lines, "smtp").child("sasl").info("authentication failed", reason="x")
    assert lines == [b'smtp/sasl: authentication failed\t{"reason":"x"}']


def test_debug_lines_are_only_written_where_debug_is_on() -> None:
    lines = Lines()
    Logger(lines, "a").debug("one")
    Logger(lines, "b", debug=True).debug("two")
    assert lines == [b"[debug] b: two\t"]


def test_an_error_is_logged_with_the_fields_of_its_chain_outer_ones_winning() -> None:
    lines = Lines()
    inner = MailError(Reply(452, (4, 3, 1), "full"), module="target.imapsql", path="/x", which="inner")
    outer = MailError(Reply(451, (4, 3, 0), "failed"), which="outer")
    outer.__cause__ = inner
    Logger(lines, "smtp").error("DATA error", outer, msg_id="1")
    fields = json.loads(lines[0].split(b"\t")[1])
    assert fields == {
        "msg_id": "1",
        "path": "/x",
        "reason": "full",
        "smtp_code": 451,
        "smtp_enchcode": "4.3.0",
        "smtp_msg": "failed",
        "target": "target.imapsql",
        "which": "outer",
    }


def test_an_error_without_text_is_named_by_its_type() -> None:
    lines = Lines()
    Logger(lines).error("failed", KeyError())
    assert lines == [b'failed\t{"reason":"KeyError"}']


@pytest.mark.parametrize("size", [LINE_MAX, 10 * LINE_MAX])
def test_a_line_is_never_longer_than_readers_can_take(size: int) -> None:
    assert len(format_line("smtp", "x", {"hello": '"' * size, "b": "y" * size})) <= LINE_MAX


@given(st.text(), st.dictionaries(st.text(), st.text() | st.binary() | st.integers(-(2**60), 2**60)))
def test_whatever_a_peer_says_is_one_line_of_valid_json(message: str, fields: dict[str, object]) -> None:
    line = format_line("smtp", message, fields)
    assert line.splitlines() == [line]
    head, _, body = line.partition(b"\t")
    assert b"\x1b" not in head
    if fields:
        json.loads(body)
