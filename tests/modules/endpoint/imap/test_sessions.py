"""What holds for sessions whatever they do: stopping, crashing, back pressure, limits."""

import asyncio
from pathlib import Path

import pytest

from posthouse.framework.interfaces.storage import StorageError
from posthouse.modules.endpoint.imap.output import PIECE
from posthouse.modules.endpoint.imap.session import ERRORS_MAX
from posthouse.net.connection import WRITE_BUFFER
from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"
BYE = b"* BYE Server shutting down"


async def test_stopping_says_bye_to_all_at_once(tmp_path: Path, memory: FakeStorage, fake: FakeWorld) -> None:
    async with ImapServer(tmp_path, memory, fake=fake) as server:
        stranger = await server.connect()
        await stranger.line()
        user, idler = await server.login("ann", "INBOX"), await server.login("ann", "INBOX")
        await idler.start("IDLE")
        await idler.line()
        appending = await server.login("ann")
        await appending.start("APPEND INBOX {9}")
        await appending.line()
        asking = await server.login("ann")
        await asking.start("AUTHENTICATE PLAIN")
        await asking.line()
        await server.endpoint.stop()
        for client in (stranger, user, idler, appending, asking):
            assert await client.rest() == [BYE]
        assert server.endpoint._server.session_count == 0
        with pytest.raises(ConnectionRefusedError):
            await server.connect()


async def test_stopping_does_not_speak_inside_of_a_literal(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    memory.append_limit = 1 << 24
    message = b"A: b\r\n\r\n" + b"x" * 8_000_000
    async with ImapServer(tmp_path, memory, fake=fake) as server:
        await server.add("ann", message)
        client = await server.login("ann", "INBOX")
        await client.start("FETCH 1 BODY.PEEK[]")
        head = await client.reader.readline()
        assert head == b"* 1 FETCH (BODY[] {%d}\r\n" % len(message)
        await server.endpoint.stop()
        assert message.startswith(await client.reader.read())


async def test_a_crash_ends_only_its_session(in_memory: ImapServer, memory: FakeStorage) -> None:
    await in_memory.add("ann", MESSAGE)
    unlucky, other = await in_memory.login("ann", "INBOX"), await in_memory.login("ann", "INBOX")
    memory.failure = RuntimeError("boom")
    await unlucky.start("STATUS INBOX (MESSAGES)")
    assert await unlucky.rest() == [b"* BYE Internal server error, closing connection."]
    (fields,) = in_memory.fake.log.fields_of("imap", "session failed")
    assert fields["reason"] == "boom"
    assert "status.py" in str(fields["trace"])
    memory.failure = None
    assert (await other.run("STATUS INBOX (MESSAGES)")).is_ok


async def test_a_failure_is_told_in_words_that_break_nothing(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    client = await in_memory.login("ann")
    memory.failure = StorageError("/var/lib/x\r\n* 9 EXISTS")
    assert (await client.run("STATUS INBOX (MESSAGES)")).tagged == b"NO  var lib x  * 9 EXISTS"


async def test_a_long_answer_waits_for_its_reader(in_memory: ImapServer, memory: FakeStorage) -> None:
    memory.append_limit = 1 << 24
    await in_memory.add("ann", b"A: b\r\n\r\n" + b"x" * 8_000_000)
    for _ in range(2000):
        memory.accounts["ann"].add("INBOX", MESSAGE)
    client, other = await in_memory.login("ann", "INBOX"), await in_memory.login("ann", "INBOX")
    (session,) = [one for one in in_memory.endpoint._sessions if one.remote.endswith(str(_port(client)))]
    most = 0
    for command in (
        "FETCH 1 BODY.PEEK[]",
        "FETCH 1:* BODY.PEEK[HEADER]",
        "FETCH 1:* (ENVELOPE BODYSTRUCTURE)",
    ):
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's transports have it
        tag = await client.start(command)
        for _ in range(50):
            assert (await other.run("NOOP")).is_ok
            most = max(most, session.stream._transport.get_write_buffer_size())
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await client.finish(tag)).is_ok
    assert 0 < most <= WRITE_BUFFER + 2 * PIECE + 100_000


def _port(client: object) -> int:
    port: int = client.writer.get_extra_info("sockname")[1]  # type: ignore[attr-defined]  # an ImapClient
    return port


async def test_5000_commands_at_once_are_answered_in_order(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann", "INBOX")
    other = await in_memory.login("ann", "INBOX")
    client.send(b"".join(b"n%d NOOP\r\n" % number for number in range(5000)))
    assert (await other.run("NOOP")).is_ok
    for number in range(5000):
        assert await client.line() == b"n%d OK NOOP completed" % number


@pytest.mark.parametrize(
    ("messages", "numbers"),
    [
        pytest.param("1:4294967295", [1, 2, 3], id="up to the largest"),
        pytest.param("4294967295:1", [1, 2, 3], id="backwards"),
        pytest.param("*:*", [3], id="last"),
        pytest.param("*:1", [1, 2, 3], id="from the last"),
        pytest.param("4294967295:*", [3], id="behind the last"),
        pytest.param(",".join(["1:*"] * 10_000), [1, 2, 3], id="10,000 times all"),
        pytest.param(",".join(str(n) for n in range(9000, 0, -1)), [1, 2, 3], id="9,000 numbers"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "UID "])
async def test_R_107_odd_sets(in_memory: ImapServer, prefix: str, messages: str, numbers: list[int]) -> None:
    for _ in range(3):
        await in_memory.add("ann", MESSAGE)
    client = await in_memory.login("ann", "INBOX")
    assert list(await client.fetch(f"{prefix}FETCH {messages} (UID RFC822.SIZE)")) == numbers


@pytest.mark.parametrize("messages", ["0", "0:1", "1:0", "4294967296", "*:0", "-1", "1.5", "0x1"])
async def test_R_107_numbers_that_are_none(in_memory: ImapServer, messages: str) -> None:
    client = await in_memory.login("ann", "INBOX")
    for prefix in ("", "UID "):
        for command in (f"FETCH {messages} FLAGS", f"STORE {messages} FLAGS ()"):
            assert (await client.run(prefix + command)).tagged.startswith(b"BAD ")
    assert (await client.run("FETCH 1:* FLAGS")).is_ok


async def test_R_107_an_empty_mailbox_has_no_last_message(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann", "INBOX")
    for messages in ("*", "1:*", "*:*", "5"):
        for prefix in ("", "UID "):
            reply = await client.run(f"{prefix}FETCH {messages} FLAGS")
            assert (reply.untagged, reply.is_ok) == ([], True)


async def test_R_103_R_104_before_login_nothing_is_gathered(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    await client.line()
    assert (await client.run("(" * 100_000)).tagged.startswith(b"BAD ")
    assert (await client.run("LOGIN " + "(" * 60_000)).tagged.startswith(b"BAD ")
    client.send(b"x" * 16_000_000)
    assert await client.line() == b"* BYE Line is too long"
    again = await in_memory.login("ann", "INBOX")
    assert (await again.run("NOOP")).is_ok


async def test_a_stranger_that_talks_nonsense_is_sent_away(in_memory: ImapServer) -> None:
    client = await in_memory.connect()
    await client.line()
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"\r\n" * 30)
    lines = await client.rest()
    assert lines[:2] == [b"GET BAD Unknown command", b"Host: BAD Unknown command"]
    assert lines[-1] == b"* BYE Too many errors"
    assert len(lines) == ERRORS_MAX + 1
    user = await in_memory.login("ann")
    for _ in range(ERRORS_MAX + 1):
        assert (await user.run("NONSENSE")).tagged == b"BAD Unknown command"


async def test_many_sessions_end_without_a_trace(in_memory: ImapServer) -> None:
    clients = await asyncio.gather(*(in_memory.login(f"user{n % 7}", "INBOX") for n in range(100)))
    await asyncio.gather(*(client.run("LOGOUT") for client in clients))
    await in_memory.endpoint._server.wait(20)
    assert not in_memory.endpoint._sessions
    assert in_memory.endpoint._server.session_count == 0
