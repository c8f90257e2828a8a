"""R-060, R-061: whatever a stranger writes as recipient, nothing leaves by us, runs or is written."""

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from posthouse.testing.server import SMALL, Server

LOCAL, FOREIGN = "example.test", "victim.example"
EVERYTHING = "POSTHOUSE_RELAY_EVERYTHING" in os.environ  # each form with each sender and each trick

# As they stand behind `RCPT TO:`. `ann@example.test` is a user, and 127.0.0.1 is where we listen.
FORMS = {
    "plain": "<v@victim.example>",
    "no brackets": "v@victim.example",
    "quoted whole": '<"v@victim.example">',
    "quoted local": '<"v"@victim.example>',
    "%-hack bare": "<v%victim.example>",
    "%-hack at local": "<v%victim.example@example.test>",
    "%-hack at literal": "<v%victim.example@[127.0.0.1]>",
    "%-hack double": "<v%victim.example%example.test@example.test>",
    "%-hack quoted": '<"v%victim.example"@example.test>',
    "quoted @ at local": '<"v@victim.example"@example.test>',
    "quoted @ at literal": '<"v@victim.example"@[127.0.0.1]>',
    "two @, local last": "<v@victim.example@example.test>",
    "two @, literal last": "<v@victim.example@[127.0.0.1]>",
    "two @, foreign last": "<ann@example.test@victim.example>",
    "source route by name": "<@example.test:v@victim.example>",
    "source route by literal": "<@[127.0.0.1]:v@victim.example>",
    "source route, two hops": "<@example.test,@victim.example:v@victim.example>",
    "bang path bare": "<victim.example!v>",
    "bang path at local": "<victim.example!v@example.test>",
    "bang path at literal": "<victim.example!v@[127.0.0.1]>",
    "bang path via local": "<example.test!victim.example!v>",
    "bang path with %": "<victim.example!v%example.test@example.test>",
    "trailing dot": "<v@victim.example.>",
    "upper case": "<V@VICTIM.EXAMPLE>",
    "comma list, local first": "<ann@example.test,v@victim.example>",
    "comma list, local last": "<v@victim.example,ann@example.test>",
    "semicolon": "<ann@example.test;v@victim.example>",
    "space": "<ann@example.test v@victim.example>",
    "two paths": "<ann@example.test> <v@victim.example>",
    "NUL cut": "<v@victim.example\0@example.test>",
    "backslash @": "<v\\@victim.example@example.test>",
    "comment": "<v@victim.example(@example.test)>",
    "sub-domain": "<v@sub.example.test>",
    "local as suffix": "<v@victimexample.test>",
    "local as prefix": "<v@example.test.victim.example>",
    "IPv4 literal": "<v@[192.0.2.1]>",
    "IPv6 literal": "<v@[IPv6:2001:db8::1]>",
    "decimal literal": "<v@[3221225985]>",
    "pipe": "<|/bin/sh -c id>",
    "pipe with domain": '<"|/bin/touch PATH"@example.test>',
    "file": "</PATH>",
    "file with domain": "</PATH@example.test>",
    "include": "<:include:/PATH>",
    "include with domain": '<":include:/PATH"@example.test>',
    "full-width @": "<v＠victim.example>",
    "empty local part": "<@victim.example>",
    "bare word": "<v>",
    "unknown user": "<nobody@example.test>",
    "template": '<"${run{/bin/touch PATH}}"@example.test>',
}
SENDERS = (
    "<>",
    "<stranger@elsewhere.example>",
    "<ann@example.test>",
    "<nobody@example.test>",
    "<postmaster@example.test>",
    "<root@[127.0.0.1]>",
    "<v@victim.example>",
    '<"ann@example.test"@victim.example>',
)
STRANGER = f"MAIL FROM:{SENDERS[1]}"
HELLO = "EHLO client.example"
# What is said before the recipients; the sender is `{}`.
TRICKS: dict[str, Sequence[str]] = {
    "none": (HELLO, "MAIL FROM:{}"),
    "our own name": ("EHLO mx.example.test", "MAIL FROM:{}"),
    "our own domain, HELO": ("HELO example.test", "MAIL FROM:{}"),
    "our own address": ("EHLO [127.0.0.1]", "MAIL FROM:{}"),
    "localhost": ("EHLO localhost", "MAIL FROM:{}"),
    "somebody has sent it before": (HELLO, "MAIL FROM:{} AUTH=ann@example.test"),
    "a login that failed": (HELLO, "AUTH PLAIN AGFubgB3cm9uZw==", "MAIL FROM:{}"),
    "XCLIENT": (HELLO, "XCLIENT ADDR=127.0.0.1 LOGIN=ann@example.test", "MAIL FROM:{}"),
    "a good recipient first": (HELLO, "MAIL FROM:{}", "RCPT TO:<ann@example.test>"),
    "a transaction before": (HELLO, "MAIL FROM:<>", "RCPT TO:<ann@example.test>", "RSET", "MAIL FROM:{}"),
    "a second sender": (HELLO, "MAIL FROM:<ann@example.test>", "MAIL FROM:{}"),
}
COMBINATIONS = (
    [(trick, sender) for trick in TRICKS for sender in SENDERS]
    if EVERYTHING
    else [("none", sender) for sender in SENDERS] + [(trick, SENDERS[1]) for trick in TRICKS]
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("relay"), SMALL)
    assert server.command("imap-acct", "create", "ann@example.test").returncode == 0
    with server:
        yield server


class Stranger:
    """A client that says what it likes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._lines = self._socket.makefile("rb")
        self.hear()

    def say(self, line: str) -> str:
        self._socket.sendall(line.encode() + b"\r\n")
        return self.hear()

    def hear(self) -> str:
        while True:
            line = self._lines.readline().decode()
            assert line, "the server has gone"
            if line[3:4] == " ":
                return line

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


def test_there_are_as_many_as_the_catalogue_has() -> None:
    assert (len(FORMS), len(SENDERS), len(TRICKS)) == (49, 8, 11)


@pytest.mark.parametrize(("trick", "sender"), COMBINATIONS)
def test_R_060_no_form_of_an_address_makes_us_a_relay(
    server: Server, trick: str, sender: str, tmp_path: Path
) -> None:
    stranger, written = Stranger(server.ports["smtp"]), tmp_path / "written"
    try:
        replies = [stranger.say(line.format(sender)) for line in TRICKS[trick]]
        assert replies[-1].startswith("250 "), replies
        for name, form in FORMS.items():
            reply = stranger.say(f"RCPT TO:{form.replace('PATH', str(written).removeprefix('/'))}")
            assert reply[0] in "45", f"{name}: {reply}"
        if trick != "a good recipient first":
            assert stranger.say("DATA").startswith("502 ")
    finally:
        stranger.close()
    assert not written.exists()


def test_R_062_a_message_that_came_around_too_often_is_a_loop(server: Server) -> None:
    for count, code in ((50, "250 "), (51, "554 5.4.6 Too many Received header fields (51)")):
        client = Stranger(server.ports["smtp"])
        for line in (HELLO, STRANGER, "RCPT TO:<ann@example.test>", "DATA"):
            client.say(line)
        assert client.say("Received: from a by b; now\r\n" * count + "\r\n.").startswith(code)
        client.close()
