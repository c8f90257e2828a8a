"""check.command: what a program is told, and what becomes of what it says."""

import asyncio
import os
import select
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.framework.buffer import Body, FileBody, MemoryBody
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.check import PASS, Check, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header
from posthouse.modules.check import command
from posthouse.modules.check.command import Command
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

HEADER = b"From: ann@example.org\r\nSubject: hello\r\n"


def program(fake: FakeWorld, script: str, name: str = "filter") -> Path:
    """A program in the directory of helper programs."""
    path = fake.paths.libexec / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


async def look(check: Check, envelope: Envelope, body: Body | None = None) -> Verdict:
    """The verdict on a message after all stages that the check wants."""
    state = check.start_check(envelope)
    verdict = PASS
    if Stage.CONNECTION in check.stages:
        verdict = await state.check_connection()
    if Stage.SENDER in check.stages:
        verdict = await state.check_sender("bob@example.net")
    if Stage.RECIPIENT in check.stages:
        for recipient in ("ann@example.org", "eve@example.org"):
            verdict = await state.check_recipient(recipient)
    if Stage.BODY in check.stages:
        verdict = await state.check_body(Header.parse(HEADER), body or MemoryBody(b"A body.\r\n"))
    await state.close()
    return verdict


def reply_of(verdict: Verdict) -> Reply:
    assert verdict.reason is not None
    assert verdict.reason.fields["check"] == "command"
    return verdict.reason.reply


@pytest.mark.parametrize("spooled", [False, True])
async def test_the_message_is_on_standard_input(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, tmp_path: Path, spooled: bool
) -> None:
    program(fake, "cat > seen")
    text = b"A body.\r\n" * 50_000
    body: Body = MemoryBody(text)
    if spooled:
        (tmp_path / "spooled").write_bytes(text)
        body = FileBody(tmp_path / "spooled", len(text))
    assert await look(configured("command filter"), envelope_of(), body) == PASS
    assert (fake.paths.state / "seen").read_bytes() == HEADER + b"\r\n" + text


WORDS = "{auth_user} {source_ip} {source_host} {source_rdns} {msg_id} {sender} {rcpts} {address} {other} x{msg_id}y {}"


@pytest.mark.parametrize(
    ("stage", "sender", "rcpts", "address"),
    [
        ("conn", "", "", ""),
        ("sender", "bob@example.net", "", "bob@example.net"),
        ("rcpt", "bob@example.net", "ann@example.org\neve@example.org", "eve@example.org"),
        ("body", "bob@example.net", "ann@example.org\neve@example.org", ""),
    ],
)
async def test_placeholders_say_what_is_known_at_each_stage(
    fake: FakeWorld,
    configured: Configure,
    envelope_of: MakeEnvelope,
    stage: str,
    sender: str,
    rcpts: str,
    address: str,
) -> None:
    program(fake, 'for word; do printf "%s\\0" "$word"; done > words')
    check = configured(f"command filter {WORDS} {{\nrun_on {stage}\n}}")
    assert await look(check, envelope_of(user="bob", rdns="rdns.example.net")) == PASS
    known = ["bob", "192.0.2.7", "client.example.net", "rdns.example.net", "0a1b2c3d"]
    expected = [*known, sender, rcpts, address, "{other}", "x0a1b2c3dy", "{}", ""]
    assert (fake.paths.state / "words").read_text().split("\0") == expected


async def test_what_is_not_known_is_empty(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    program(fake, 'printf "[%s]" "$@" > words')
    for envelope in (envelope_of(is_local=True), envelope_of(ip="", hello="")):
        check = configured("command filter {auth_user} {source_ip} {source_host} {source_rdns}")
        assert await look(check, envelope) == PASS
        assert (fake.paths.state / "words").read_text() == "[][][][]"


async def test_values_are_words_and_nothing_else(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    program(fake, 'printf "[%s]" "$@" > words')
    hello = "$(touch x); `touch x` | {msg_id} 'a' \"b\" *"
    assert await look(configured("command filter {source_host} z"), envelope_of(hello=hello)) == PASS
    assert (fake.paths.state / "words").read_text() == f"[{hello}][z]"
    assert not (fake.paths.state / "x").exists()


async def test_only_the_stages_that_tell_something_are_asked_for(
    fake: FakeWorld, configured: Configure
) -> None:
    program(fake, "")
    assert configured("command filter").stages == {Stage.BODY}
    assert configured("command filter {sender}").stages == {Stage.SENDER, Stage.BODY}
    assert configured("command filter {rcpts} {sender}").stages == {Stage.SENDER, Stage.RECIPIENT, Stage.BODY}
    assert configured("command filter {sender} {rcpts} {\nrun_on conn\n}").stages == {Stage.CONNECTION}


@pytest.mark.parametrize(
    ("status", "directives", "flags", "reply"),
    [
        (1, "", (True, False), command.REFUSED),
        (2, "", (False, True), command.REFUSED),
        (3, "", (True, False), command.FAILED),
        (77, "code 77 ignore", (False, False), command.REFUSED),
        (1, "code 1 quarantine", (False, True), command.REFUSED),
        (5, 'code 5 reject 451 4.7.1 "Not now"', (True, False), Reply(451, (4, 7, 1), "Not now")),
        (6, "code 6 reject\ncode 6 ignore", (False, False), command.REFUSED),
    ],
)
async def test_the_exit_status_says_what_is_done(
    fake: FakeWorld,
    configured: Configure,
    envelope_of: MakeEnvelope,
    status: int,
    directives: str,
    flags: tuple[bool, bool],
    reply: Reply,
) -> None:
    program(fake, f"echo 'X-Seen: yes'; exit {status}")
    verdict = await look(configured(f"command filter {{\n{directives}\n}}"), envelope_of())
    assert (verdict.reject, verdict.quarantine) == flags
    assert reply_of(verdict) == reply
    assert verdict.reason is not None
    assert verdict.reason.fields["exit_code"] == status
    assert verdict.fields == (() if reply == command.FAILED else (b"X-Seen: yes\r\n",))


@pytest.mark.parametrize(
    ("printed", "fields"),
    [
        pytest.param("", (), id="nothing"),
        pytest.param(
            "A: 1\\nB: 2\\n  folded\\nC: 3", (b"A: 1\r\n", b"B: 2\r\n  folded\r\n", b"C: 3\r\n"), id="LF"
        ),
        pytest.param("A: 1\\r\\nB: 2\\r\\n\\r\\n", (b"A: 1\r\n", b"B: 2\r\n"), id="CRLF"),
        pytest.param("A: 1\\n\\nno field\\n", (b"A: 1\r\n",), id="body"),
        pytest.param("\\nno field\\n", (), id="only a body"),
    ],
)
async def test_printed_fields_are_added_in_their_order(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, printed: str, fields: tuple[bytes, ...]
) -> None:
    program(fake, f"printf '{printed}'")
    assert await look(configured("command filter"), envelope_of()) == Verdict(fields=fields)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        pytest.param("echo no field", "line 1 of the header is no field", id="no field"),
        pytest.param("printf ' A: 1'", "line 1 of the header is no field", id="blank first"),
        pytest.param("printf 'A: 1\\rB: 2\\n'", "NUL or CR in a header field", id="CR"),
        pytest.param("printf 'A: 1\\0\\n'", "NUL or CR in a header field", id="NUL"),
        pytest.param("yes A:", f"more than {command.OUTPUT_MAX} octets of output", id="megabytes"),
        pytest.param("sleep 1000", "no end after 0.25 seconds", id="no end"),
    ],
)
async def test_a_program_that_misbehaves_is_a_transient_failure(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope, script: str, why: str
) -> None:
    program(fake, script)
    timeout = "timeout 250ms" if script.startswith("sleep") else ""
    check = configured(f"command filter word {{\n{timeout}\ncode 1 ignore\n}}")
    verdict = await look(check, envelope_of())
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == Reply(450, (4, 0, 0), "Internal server error")
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["reason"] == why
    assert str(verdict.reason.log_fields()["cmd"]).endswith("libexec/filter word")


async def test_a_program_that_is_gone_is_a_transient_failure(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    path = program(fake, "")
    check = configured("command filter")
    path.unlink()
    verdict = await look(check, envelope_of())
    assert (verdict.reject, reply_of(verdict).code) == (True, 450)


async def test_the_program_is_killed_when_its_message_ends(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    os.mkfifo(fake.paths.state / "pid")
    pipe = os.open(fake.paths.state / "pid", os.O_RDWR)  # so that nobody waits for the other end
    program(fake, "echo $$ > pid; sleep 1000")
    looking = asyncio.create_task(look(configured("command filter"), envelope_of()))
    assert (await asyncio.to_thread(select.select, [pipe], [], [], 20))[0], "the program says nothing"
    pid = os.read(pipe, 100).decode().strip()
    os.close(pipe)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert not Path(f"/proc/{pid}").exists()


async def test_only_so_many_programs_run_at_once(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    """As if all places but one were taken: the second waits for the first."""
    program(fake, "mkdir here || exit 1; rmdir here")
    check = configured("command filter")
    assert isinstance(check, Command)
    for _ in range(command.RUNNING_MAX - 1):
        await check.free.acquire()
    assert await asyncio.gather(*(look(check, envelope_of()) for _ in range(5))) == [PASS] * 5
    await check.free.acquire()
    check.timeout = 0.01
    assert reply_of(await look(check, envelope_of())) == command.FAILED


async def test_standard_error_is_logged(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    program(fake, "echo 'no database' >&2")
    assert await look(configured("command filter"), envelope_of()) == PASS
    assert fake.log.fields_of("command", "the command wrote to standard error") == [
        {"text": "no database", "msg_id": "0a1b2c3d"}
    ]


async def test_programs_are_found_in_libexec_then_in_path_or_where_they_are_said_to_be(
    fake: FakeWorld, configured: Configure
) -> None:
    own = program(fake, "", name="cat")
    found = configured("command cat")
    assert isinstance(found, Command)
    assert found.words == (str(own),)
    own.unlink()
    elsewhere = configured("command cat")
    assert isinstance(elsewhere, Command)
    assert elsewhere.words[0].endswith("bin/cat")
    assert isinstance(configured("command /bin/cat"), Command)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("command", "at least 1 argument expected"),
        ("command no-such-program", "no-such-program: there is no such program in"),
        ("command /etc/passwd", "/etc/passwd: there is no such program"),
        ("command cat {\nrun_on data\n}", "valid values are: \\[conn sender rcpt body\\]"),
        ("command cat {\ncode\n}", "expected at least one argument"),
        ("command cat {\ncode 0 reject\n}", "invalid exit status: 0: it is a number from 1 to 255"),
        ("command cat {\ncode x reject\n}", "invalid exit status: x"),
        ("command cat {\ncode 3\n}", "expected at least one argument: ignore, quarantine or reject"),
        ("command cat {\ncode 3 rejct\n}", "invalid action: rejct"),
    ],
)
def test_mistakes_are_told_at_configuration(configured: Configure, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        configured(text)
