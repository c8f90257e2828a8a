"""STORE, EXPUNGE, APPEND, IDLE; and what several sessions see of each other's changes."""

import asyncio
import imaplib
import random
from pathlib import Path

import pytest

from posthouse.framework.interfaces.storage import KEYWORDS_MAX, NoSuchMailbox, StorageBusy
from posthouse.modules.endpoint.imap.service import Timeouts
from posthouse.testing.imap import PASSWORD, PATIENCE, ImapClient, ImapServer, parse
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld
from posthouse.wire.imap.flags import KEYWORD_MAX

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


async def fill(server: ImapServer, count: int) -> ImapClient:
    """A session in an INBOX with so many messages, none of them \\Recent any more."""
    for _ in range(count):
        await server.add("ann", MESSAGE)
    return await server.login("ann", "INBOX")


# --- STORE


async def test_store_tells_the_new_flags(server: ImapServer) -> None:
    client = await fill(server, 3)
    reply = await client.run(r"STORE 1:2 +FLAGS (\flagged Work)")
    assert reply.untagged == [
        rb"1 FETCH (FLAGS (\Flagged \Recent work))",
        rb"2 FETCH (FLAGS (\Flagged \Recent work))",
    ]
    assert reply.tagged == b"OK STORE completed"
    assert (await client.run(r"STORE 2 -FLAGS (\Flagged)")).untagged == [rb"2 FETCH (FLAGS (\Recent work))"]
    assert (await client.run(r"STORE 2 FLAGS \Seen")).untagged == [rb"2 FETCH (FLAGS (\Seen \Recent))"]
    assert (await client.run(r"STORE 2 FLAGS ()")).untagged == [rb"2 FETCH (FLAGS (\Recent))"]
    assert (await client.run(r"UID STORE 3 +FLAGS (\Draft)")).untagged == [
        rb"3 FETCH (FLAGS (\Draft \Recent) UID 3)"
    ]
    assert (await client.fetch("FETCH 1:3 FLAGS"))[1] == ["FLAGS", ["\\Flagged", "\\Recent", "work"]]


async def test_silent_store_says_nothing(server: ImapServer) -> None:
    client = await fill(server, 2)
    reply = await client.run(r"STORE 1:* +FLAGS.SILENT (\Seen $x)")
    assert (reply.untagged, reply.tagged) == ([], b"OK STORE completed")
    reply = await client.run(r"UID STORE 1:2 -FLAGS.SILENT ($x \Recent)")
    assert (reply.untagged, reply.tagged) == ([], b"OK UID STORE completed")
    assert await client.fetch("FETCH 1:* FLAGS") == {n: ["FLAGS", ["\\Seen", "\\Recent"]] for n in (1, 2)}


async def test_a_silent_store_tells_what_another_has_changed(server: ImapServer) -> None:
    client = await fill(server, 2)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 1 +FLAGS (\Answered)")
    reply = await client.run(r"STORE 1:2 +FLAGS.SILENT (\Seen)")
    assert reply.untagged == [rb"1 FETCH (FLAGS (\Seen \Answered \Recent) UID 1)"]


async def test_store_on_messages_that_are_not_there(server: ImapServer) -> None:
    client = await fill(server, 1)
    for command in (r"STORE 2:9 FLAGS (\Seen)", r"UID STORE 7 FLAGS (\Seen)"):
        reply = await client.run(command)
        assert (reply.untagged, reply.is_ok) == ([], True)


async def test_R_110_keywords_are_limited(server: ImapServer) -> None:
    client = await fill(server, 1)
    many = " ".join(f"k{number}" for number in range(10_000))
    assert (
        await client.run(f"STORE 1 FLAGS ({many})")
    ).tagged == b"NO [LIMIT] Too many keywords in this mailbox"
    assert (await client.run(f"STORE 1 FLAGS ({'k' * 60_000})")).tagged == b"NO [LIMIT] Keyword is too long"
    assert (await client.run(f"STORE 1 FLAGS ({'k' * 100_000})")).tagged == b"BAD Command line is too long"
    assert await client.fetch("FETCH 1 FLAGS") == {1: ["FLAGS", ["\\Recent"]]}
    longest = "k" * KEYWORD_MAX
    most = " ".join([longest, *(f"k{number}" for number in range(KEYWORDS_MAX - 1))])
    assert (await client.run(f"STORE 1 FLAGS ({most})")).is_ok
    assert (await client.run("STORE 1 +FLAGS (onemore)")).tagged.startswith(b"NO [LIMIT] ")
    assert len((await client.fetch("FETCH 1 FLAGS"))[1][1]) == KEYWORDS_MAX + 1


# --- EXPUNGE


async def test_expunge_tells_the_highest_number_first(server: ImapServer) -> None:
    client = await fill(server, 5)
    await client.run(r"STORE 1,3,5 +FLAGS.SILENT (\Deleted)")
    reply = await client.run("EXPUNGE")
    assert reply.untagged == [b"5 EXPUNGE", b"3 EXPUNGE", b"1 EXPUNGE"]
    assert reply.tagged == b"OK EXPUNGE completed"
    assert await client.fetch("FETCH 1:* UID") == {1: ["UID", 2], 2: ["UID", 4]}
    assert (await client.run("EXPUNGE")).untagged == []


async def test_expunge_takes_what_another_has_marked(server: ImapServer) -> None:
    client = await fill(server, 2)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 2 +FLAGS (\Deleted)")
    assert (await client.run("EXPUNGE")).untagged == [b"2 EXPUNGE"]
    assert (await other.run("NOOP")).untagged == [b"2 EXPUNGE"]


async def test_expunge_takes_what_the_client_was_not_told_of(server: ImapServer) -> None:
    """All that is \\Deleted goes (RFC 3501 §6.4.3); of a message that was never told nothing is said."""
    client = await fill(server, 1)
    for _ in range(2):
        await server.add("ann", MESSAGE, flags=8)
    await server.add("ann", MESSAGE)
    assert (await client.run("UID EXPUNGE 1:2")).untagged == [b"3 EXISTS", b"3 RECENT"]
    await server.add("ann", MESSAGE, flags=8)
    assert (await client.run("EXPUNGE")).untagged == [b"2 EXPUNGE"]
    assert await client.fetch("FETCH 1:* UID") == {1: ["UID", 1], 2: ["UID", 4]}


# --- APPEND


async def test_append(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    reply = await client.append("INBOX", MESSAGE, r'(\Seen $Work) " 1-Feb-2024 03:04:05 +0100" ')
    assert reply.untagged == [b"1 EXISTS", b"1 RECENT"]
    assert reply.tagged.endswith(b"] APPEND completed")
    found = await client.fetch("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
    assert found[1] == [
        "FLAGS", ["\\Seen", "\\Recent", "$work"], "INTERNALDATE", b" 1-Feb-2024 02:04:05 +0000", "BODY[]", MESSAGE
    ]  # fmt: skip


async def test_append_to_another_mailbox_without_waiting(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "Sent")
    client = await server.login("ann", "INBOX")
    reply = await client.run(b"APPEND Sent {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))
    assert (reply.untagged, reply.is_ok) == ([], True)
    assert (await client.run("STATUS Sent (MESSAGES)")).untagged == [b'STATUS "Sent" (MESSAGES 2)']


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_bare_lf_is_stored_as_crlf(server: ImapServer, size: int) -> None:
    client = await server.login("ann", "INBOX")
    message = b"Subject: x\n\r\na\r\nb\nc\rd\n"
    tag = await client.start(f"APPEND INBOX {{{len(message)}+}}")
    for at in range(0, len(message), size):
        client.send(message[at : at + size])
        await asyncio.sleep(0)
    client.send(b"\r\n")
    assert (await client.finish(tag)).is_ok
    found = await client.fetch("FETCH 1 BODY.PEEK[]")
    assert found[1][1] == b"Subject: x\r\n\r\na\r\nb\r\nc\rd\r\n"


async def test_append_to_a_mailbox_that_goes_meanwhile(in_memory: ImapServer, memory: FakeStorage) -> None:
    client = await in_memory.login("ann", "INBOX")
    memory.failing["append"] = NoSuchMailbox()
    assert (await client.append("INBOX", MESSAGE)).tagged == b"NO [TRYCREATE] No such mailbox"


async def test_changes_of_messages_that_are_not_known_yet(server: ImapServer) -> None:
    client = await fill(server, 1)
    other = await server.login("ann", "INBOX")
    await server.add("ann", MESSAGE)
    await other.run("NOOP")
    await client.run("FETCH 1 UID")
    await other.run(r"STORE 1:2 +FLAGS (\Flagged)")
    await server.add("ann", MESSAGE)
    untagged = (await client.run("NOOP")).untagged
    assert untagged[:3] == [
        rb"1 FETCH (FLAGS (\Flagged \Recent) UID 1)",
        rb"2 FETCH (FLAGS (\Flagged) UID 2)",
        b"3 EXISTS",
    ]


async def test_append_to_a_missing_mailbox_may_be_tried_again(server: ImapServer) -> None:
    client = await server.login("ann")
    refused = b"NO [TRYCREATE] No such mailbox"
    assert (await client.append("nowhere", MESSAGE)).tagged == refused  # before it was sent
    assert (await client.run(b"APPEND nowhere {%d+}\r\n%b" % (len(MESSAGE), MESSAGE))).tagged == refused
    assert (await client.run("NOOP")).is_ok


async def test_R_100_a_message_over_the_limit_is_refused(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    refused = b"NO [TOOBIG] Message size exceeding limit"
    for size in (1_048_577, 1 << 31, 1 << 32, 1 << 63, 10**39):
        assert (await client.run(f"APPEND INBOX {{{size}}}")).tagged == refused
    data = b"b LOGOUT\r\n" * 200_000
    assert (await client.run(b"APPEND INBOX {%d+}\r\n%b" % (len(data), data))).tagged == refused
    assert (await client.append("INBOX", b"A: b\r\n\r\n" + b"x" * 1_048_568)).is_ok
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 1)"]


async def test_R_101_an_endless_literal_ends_the_connection(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    client.send(b"a APPEND INBOX {4294967296+}\r\nb LOGOUT\r\n")
    assert await client.rest() == [
        b"a NO [TOOBIG] Message size exceeding limit",
        b"* BYE Literal is too large",
    ]


async def test_R_102_a_message_with_nul_is_refused(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    assert (await client.append("INBOX", b"A: b\r\n\r\nx\0y\r\n")).tagged == b"BAD NUL in a literal"
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 0)"]


async def test_a_large_message_waits_in_a_file_that_is_gone_afterwards(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    memory.append_limit = 1 << 24
    spool = in_memory.fake.paths.state / "buffer"
    client = await in_memory.login("ann", "INBOX")
    message = b"A: b\r\n\r\n" + b"0123456789abcdef\r\n" * 150_000
    tag = await client.start(f"APPEND INBOX {{{len(message)}}}")
    assert await client.line() == b"+ send literal"
    client.send(message[:2_000_000])
    await _until_spooled(spool)
    client.send(message[2_000_000:] + b"\r\n")
    assert (await client.finish(tag)).is_ok
    assert (await client.fetch("FETCH 1 BODY.PEEK[]"))[1][1] == message
    assert not list(spool.iterdir())


async def _until_spooled(spool: Path) -> None:
    """Wait until the client's octets have arrived, and are in a file."""
    async with asyncio.timeout(PATIENCE):
        while not list(spool.iterdir()):
            await asyncio.sleep(0)


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    memory.append_limit = 1 << 24
    spool = in_memory.fake.paths.state / "buffer"
    client = await in_memory.login("ann", "INBOX")
    client.send(b"a APPEND INBOX {9000000+}\r\n" + b"x" * 3_000_000)
    await _until_spooled(spool)
    client.close()
    await in_memory.endpoint._server.wait(20)
    assert not list(spool.iterdir())
    assert not memory.accounts["ann"].boxes["INBOX"].messages


async def test_R_008_a_full_spool_is_told_at_the_end(in_memory: ImapServer, memory: FakeStorage) -> None:
    memory.append_limit = 1 << 24
    spool = in_memory.fake.paths.state / "buffer"
    spool.rmdir()
    client = await in_memory.login("ann", "INBOX")
    message = b"A: b\r\n\r\n" + b"x" * 3_000_000
    assert (await client.append("INBOX", message)).tagged == b"NO [INUSE] No space left, try again later"
    assert not memory.accounts["ann"].boxes["INBOX"].messages
    spool.mkdir()
    assert (await client.append("INBOX", message)).is_ok


# --- what sessions see of each other


async def test_updates_come_in_their_order(server: ImapServer) -> None:
    client = await fill(server, 4)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 2,4 +FLAGS (\Flagged)")
    await other.run(r"STORE 1,3 +FLAGS (\Deleted)")
    await other.run("EXPUNGE")
    await server.add("ann", MESSAGE)
    await server.add("ann", MESSAGE)
    reply = await client.run("NOOP")
    assert reply.untagged == [
        rb"2 FETCH (FLAGS (\Flagged \Recent) UID 2)",
        rb"4 FETCH (FLAGS (\Flagged \Recent) UID 4)",
        b"3 EXPUNGE",
        b"1 EXPUNGE",
        b"4 EXISTS",
        b"4 RECENT",
    ]
    assert (await client.run("NOOP")).untagged == []


async def test_R_114_no_message_goes_while_numbers_are_in_use(server: ImapServer) -> None:
    client = await fill(server, 3)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    await other.run("EXPUNGE")
    await server.add("ann", MESSAGE)
    reply = await client.run("FETCH 3 UID")
    assert reply.untagged == [b"3 FETCH (UID 3)", b"4 EXISTS", b"4 RECENT"]
    reply = await client.run(r"STORE 2 +FLAGS (\Seen)")
    assert reply.untagged == [rb"2 FETCH (FLAGS (\Seen \Recent))"]
    assert list(await client.fetch("FETCH 1:4 ENVELOPE")) == [2, 3, 4]  # what is gone is left out
    reply = await client.run("UID FETCH 3 FLAGS")
    assert reply.untagged == [rb"3 FETCH (FLAGS (\Recent) UID 3)", b"1 EXPUNGE"]
    assert await client.fetch("FETCH 1:3 UID") == {1: ["UID", 2], 2: ["UID", 3], 3: ["UID", 4]}


async def test_of_commands_that_come_together_the_first_that_may_tells(server: ImapServer) -> None:
    client = await fill(server, 3)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 1 +FLAGS (\Deleted)")
    await other.run("EXPUNGE")
    await server.add("ann", MESSAGE)
    client.send(b"x1 FETCH 2 UID\r\nx2 FETCH 2 UID\r\nx3 NOOP\r\nx4 NOOP\r\n")
    assert [await client.line() for _ in range(8)] == [
        b"* 2 FETCH (UID 2)",
        b"* 4 EXISTS",
        b"* 4 RECENT",
        b"x1 OK FETCH completed",
        b"* 2 FETCH (UID 2)",
        b"x2 OK FETCH completed",
        b"* 1 EXPUNGE",
        b"x3 OK NOOP completed",
    ]
    assert await client.line() == b"x4 OK NOOP completed"


async def test_what_comes_and_goes_unseen_is_never_told(server: ImapServer) -> None:
    client = await fill(server, 1)
    other = await server.login("ann", "INBOX")
    await server.add("ann", MESSAGE)
    await other.run("NOOP")
    await other.run(r"STORE 2 +FLAGS (\Deleted)")
    assert (await other.run("EXPUNGE")).untagged == [b"2 EXPUNGE"]
    await server.add("ann", MESSAGE)
    assert (await client.run("NOOP")).untagged[:1] == [b"2 EXISTS"]
    assert await client.fetch("FETCH 2 UID") == {2: ["UID", 3]}


async def test_one_session_gets_recent(server: ImapServer) -> None:
    clients = [await server.login("ann", "INBOX") for _ in range(3)]
    await server.add("ann", MESSAGE)
    replies = [(await client.run("NOOP")).untagged for client in clients]
    assert replies == [[b"1 EXISTS", b"1 RECENT"], [b"1 EXISTS"], [b"1 EXISTS"]]
    flags = [(await client.fetch("FETCH 1 FLAGS"))[1] for client in clients]
    assert flags == [["FLAGS", ["\\Recent"]], ["FLAGS", []], ["FLAGS", []]]
    later = await server.login("ann")
    assert b"0 RECENT" in (await later.run("SELECT INBOX")).untagged


async def test_news_are_told_also_when_recent_cannot_be_taken(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    client = await in_memory.login("ann", "INBOX")
    memory.failing["claim_recent"] = StorageBusy()
    await in_memory.add("ann", MESSAGE)
    assert (await client.run("NOOP")).untagged == [b"1 EXISTS"]
    assert await client.fetch("FETCH 1 FLAGS") == {1: ["FLAGS", []]}


async def test_sticky_recent_is_shown_to_all(server: ImapServer) -> None:
    await server.add("ann", MESSAGE)
    for command in ("SELECT", "EXAMINE", "SELECT"):
        client = await server.login("ann")
        assert b"1 RECENT" in (await client.run(f"{command} INBOX")).untagged


async def test_recent_is_taken_by_select_unless_it_is_sticky(tmp_path: Path, fake: FakeWorld) -> None:
    storage = FakeStorage(disable_recent=False)
    async with ImapServer(tmp_path, storage, fake=fake) as server:
        await server.add("ann", MESSAGE)
        seen = []
        for command in ("EXAMINE", "SELECT", "SELECT"):
            client = await server.login("ann")
            seen.append(b"1 RECENT" in (await client.run(f"{command} INBOX")).untagged)
        assert seen == [True, True, False]


async def test_R_114_50_sessions_never_lose_count(in_memory: ImapServer) -> None:
    """Each keeps its own list by what it is told; at the end all lists are the mailbox's."""
    for _ in range(60):
        await in_memory.add("ann", MESSAGE)
    clients = [await in_memory.login("ann", "INBOX") for _ in range(50)]
    views = await asyncio.gather(*(_play(client, number) for number, client in enumerate(clients)))
    fresh = await in_memory.login("ann", "INBOX")
    uids = [items[1] for items in (await fresh.fetch("FETCH 1:* UID")).values()]
    assert uids != list(range(1, 61))
    views = await asyncio.gather(
        *(_settle(client, view) for client, view in zip(clients, views, strict=True))
    )
    assert all(view == uids for view in views)


async def _play(client: ImapClient, seed: int) -> list[int]:
    chance = random.Random(seed)
    view = await _settle(client, [])
    for _ in range(12):
        at = chance.randint(1, max(len(view), 1))
        command = chance.choice(
            [
                f"FETCH {at} UID", f"FETCH {at} (UID ENVELOPE)", f"UID FETCH {max(view[at - 1 : at], default=0) or 1} FLAGS", "NOOP",
                f"STORE {at} +FLAGS (\\Deleted)", f"STORE {at} FLAGS.SILENT (k{seed})", "EXPUNGE", "APPEND",
            ]
        )  # fmt: skip
        before = list(view)
        reply = await client.append("INBOX", MESSAGE) if command == "APPEND" else await client.run(command)
        assert reply.is_ok, reply.tagged
        _follow(view, reply.untagged)
        if command.startswith(("FETCH", "STORE")):
            assert not any(line.endswith(b" EXPUNGE") for line in reply.untagged)
        if command == f"FETCH {at} UID" and before:
            number, _, items = parse(reply.untagged[0])
            assert number == at
            assert before[at - 1] in (0, items[1])
    return view


def _follow(view: list[int], untagged: list[bytes]) -> None:
    """Do to the list what the server tells; 0 stands for a UID that is not known yet."""
    for line in untagged:
        values = parse(line)
        if values[1:2] == ["EXPUNGE"]:
            del view[values[0] - 1]
        elif values[1:2] == ["EXISTS"]:
            assert values[0] >= len(view)
            view += [0] * (values[0] - len(view))
        elif values[1:2] == ["FETCH"] and "UID" in values[2]:
            uid = values[2][values[2].index("UID") + 1]
            assert view[values[0] - 1] in (0, uid)
            view[values[0] - 1] = uid


async def _settle(client: ImapClient, view: list[int]) -> list[int]:
    """Look twice: the second time nothing changes under the numbers."""
    if not view:
        found = await client.fetch("UID FETCH 1:* UID")
        return [items[1] for items in found.values()]
    _follow(view, (await client.run("NOOP")).untagged)
    _follow(view, (await client.run("FETCH 1:* UID")).untagged)
    return view


# --- IDLE


async def test_idle_tells_at_once(server: ImapServer) -> None:
    client = await fill(server, 2)
    other = await server.login("ann", "INBOX")
    tag = await client.start("IDLE")
    assert await client.line() == b"+ idling"
    await server.add("ann", MESSAGE)
    assert [await client.line(), await client.line()] == [b"* 3 EXISTS", b"* 3 RECENT"]
    await other.run(r"STORE 1 +FLAGS (\Deleted)")
    assert await client.line() == rb"* 1 FETCH (FLAGS (\Deleted \Recent) UID 1)"
    await other.run("EXPUNGE")
    assert await client.line() == b"* 1 EXPUNGE"
    client.send(b"done\r\n")
    reply = await client.finish(tag)
    assert (reply.untagged, reply.tagged) == ([], b"OK IDLE completed")


async def test_idle_tells_first_what_happened_before(server: ImapServer) -> None:
    client = await fill(server, 1)
    await server.add("ann", MESSAGE)
    await client.start("IDLE")
    assert [await client.line() for _ in range(3)] == [b"+ idling", b"* 2 EXISTS", b"* 2 RECENT"]


async def test_idle_without_a_mailbox(server: ImapServer) -> None:
    client = await server.login("ann")
    tag = await client.start("IDLE")
    assert await client.line() == b"+ idling"
    client.send(b"DONE\r\n")
    assert (await client.finish(tag)).tagged == b"OK IDLE completed"


async def test_R_111_done_may_come_in_pieces(server: ImapServer) -> None:
    client = await fill(server, 1)
    tag = await client.start("IDLE")
    await client.line()
    for octet in b"DONE\r":
        client.send(bytes([octet]))
        await server.add("ann", MESSAGE)
        assert (await client.line()).endswith(b" EXISTS")
        assert (await client.line()).endswith(b" RECENT")
    client.send(b"\n")
    assert (await client.finish(tag)).is_ok
    assert (await client.run("NOOP")).is_ok


async def test_anything_but_done_ends_idle_too(server: ImapServer) -> None:
    client = await fill(server, 1)
    tag = await client.start("IDLE")
    await client.line()
    client.send(b"a LOGOUT\r\n")
    assert (await client.finish(tag)).tagged == b"BAD Expected DONE"
    assert (await client.run("NOOP")).is_ok


async def test_R_111_a_dead_peer_in_idle_is_dropped_whatever_happens(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, timeouts=Timeouts(idle=0.1)) as server:
        account = memory.add_account("ann")
        client = await server.connect()
        client.send(b"a LOGIN ann secret\r\nb SELECT INBOX\r\nc IDLE\r\n")
        lines = [await client.line()]
        while lines[-1] != b"+ idling":
            lines.append(await client.line())
        while lines[-1]:
            account.add("INBOX", MESSAGE)
            lines.append(await client.line())
        assert lines[-2] == b"* BYE Idle for too long"


async def test_R_111_a_client_that_stops_reading_is_dropped_and_others_are_not(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, timeouts=Timeouts(write=0.1)) as server:
        memory.append_limit = 1 << 24
        await server.add("ann", b"A: b\r\n\r\n" + b"x" * 4_000_000)
        deaf, other = await server.login("ann", "INBOX"), await server.login("ann", "INBOX")
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's transports have it
        deaf.send(b"".join(b"a%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(50)))
        while len(server.endpoint._sessions) == 2:
            assert (await other.run("NOOP")).is_ok
        assert (await other.run("FETCH 1 RFC822.SIZE")).untagged == [b"1 FETCH (RFC822.SIZE 4000008)"]


# --- imaplib


async def test_imaplib_finds_its_way(server: ImapServer) -> None:
    await asyncio.to_thread(_with_imaplib, server.port)


def _with_imaplib(port: int) -> None:
    with imaplib.IMAP4("127.0.0.1", port) as client:
        assert client.login("ann", PASSWORD)[0] == "OK"
        assert (
            client.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(1_700_000_000), MESSAGE)[0] == "OK"
        )
        assert client.select("INBOX") == ("OK", [b"1"])
        status, found = client.fetch("1", "(UID FLAGS RFC822)")
        assert status == "OK"
        assert found[0][1] == MESSAGE  # type: ignore[index]  # a pair, for a literal
        assert client.store("1", "+FLAGS", r"\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        assert client.list()[1] == [rb'(\HasNoChildren) "." INBOX']
        assert client.status("INBOX", "(MESSAGES)") == ("OK", [b"INBOX (MESSAGES 0)"])
        assert client.noop()[0] == "OK"
        assert client.close()[0] == "OK"
