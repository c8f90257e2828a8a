"""The shipped filters match the lines that the program writes, and nothing that a client can make it write."""

import re
from configparser import RawConfigParser
from pathlib import Path

import pytest

from posthouse.core.log import format_line

FILTERS = Path(__file__).parents[2] / "dist" / "fail2ban" / "filter.d"
# What fail2ban puts for <HOST>: an address, IPv6 with or without brackets.
HOST = r"\[?(?P<host>[0-9a-fA-F:.]+)\]?"


def banned(filter_name: str, line: bytes) -> str | None:
    """The address that a filter would ban for a log line."""
    parser = RawConfigParser()
    parser.read(FILTERS / f"{filter_name}.conf")
    for pattern in parser["Definition"]["failregex"].split("\n"):
        if match := re.search(pattern.replace("<HOST>", HOST), line.decode()):
            return match["host"]
    return None


@pytest.mark.parametrize(
    ("remote", "host"), [("192.0.2.7:4321", "192.0.2.7"), ("[2001:db8::7]:4321", "2001:db8::7")]
)
@pytest.mark.parametrize("name", ["submission/sasl", "imap/sasl"])
def test_failed_log_ins_are_matched(name: str, remote: str, host: str) -> None:
    fields = {"reason": "unknown credentials", "src_ip": remote, "username": "ann@example.org"}
    assert banned("posthouse-auth", format_line(name, "authentication failed", fields)) == host


@pytest.mark.parametrize(
    "text",
    [
        '","src_ip":"198.51.100.1:1","username":"x',
        '\\","src_ip":"198.51.100.1:1","username":"x"}',
        'x"}\nimap/sasl: authentication failed\t{"reason":"x","src_ip":"198.51.100.1:1","username":"x"}',
    ],
)
@pytest.mark.parametrize("key", ["username", "reason"])
def test_nobody_else_is_banned_for_what_a_client_sends(key: str, text: str) -> None:
    fields = {"reason": "unknown credentials", "src_ip": "192.0.2.7:1", "username": "ann"} | {key: text}
    line = format_line("imap/sasl", "authentication failed", fields)
    assert banned("posthouse-auth", line) == "192.0.2.7"


def test_a_client_that_guesses_recipients_is_matched() -> None:
    fields = {"msg_id": "0123abcd", "src_ip": "192.0.2.7:4321"}
    line = format_line("smtp", "too many RCPT errors, possible dictonary attack", fields)
    assert banned("posthouse-dictionary-attack", line) == "192.0.2.7"


def test_a_client_that_guesses_senders_is_matched() -> None:
    fields = {"count": 10, "msg_id": "0123abcd", "src_ip": "192.0.2.7:4321"}
    line = format_line("smtp", "MAIL FROM repeated error a lot of times, possible dictonary attack", fields)
    assert banned("posthouse-dictionary-attack", line) == "192.0.2.7"
