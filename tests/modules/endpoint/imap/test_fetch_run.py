"""FETCHes that come together are answered as if they had come one by one."""

import asyncio
import random

import pytest

from posthouse.framework.interfaces.storage import SEEN, StorageError
from posthouse.testing.imap import PATIENCE, ImapClient, ImapServer
from posthouse.testing.storage import FakeStorage

MESSAGES = 40
ITEMS = (
    "BODY.PEEK[]",
    "BODY[]",
    "(UID BODY.PEEK[TEXT] FLAGS)",
    "RFC822",
    "(BODY[HEADER] RFC822.SIZE)",
    "FLAGS",
    "BODY[9]",
)
OTHERS = (
    "NOOP",
    "NONSENSE",
    "FETCH 0 BODY[]",
    "STORE 3 -FLAGS (\\Seen)",
    "FETCH 2:4,1 BODY[]",
    "SEARCH UNSEEN",
)


async def filled(server: ImapServer, user: str) -> None:
    for number in range(1, MESSAGES + 1):
        await server.add(user, b"Subject: %d\r\n\r\n%b" % (number, b"text\r\n" * number))


async def opened(server: ImapServer, user: str) -> ImapClient:
    """INBOX with messages 7 and 8 gone: UIDs are not sequence numbers."""
    client = await server.login(user, "INBOX")
    assert (await client.run("STORE 7:8 +FLAGS (\\Deleted)")).is_ok
    assert (await client.run("EXPUNGE")).is_ok
    return client


async def transcript(client: ImapClient, commands: list[str], at_once: int) -> list[bytes]:
    """What the server says when so many commands are sent before its answers are read."""
    said: list[bytes] = []
    for start in range(0, len(commands), at_once):
        some = range(start, min(start + at_once, len(commands)))
        client.send(b"".join(b"c%d %b\r\n" % (number, commands[number].encode()) for number in some))
        while not said or not said[-1].startswith(b"c%d " % some[-1]):
            said.append(await client.line())
    return said


def random_commands(seed: int) -> list[str]:
    rng = random.Random(seed)
    commands: list[str] = []
    while len(commands) < 60:
        verb, item, number = rng.choice(("FETCH", "UID FETCH")), rng.choice(ITEMS), rng.randrange(1, MESSAGES)
        for _ in range(rng.choice((1, 5, 40))):
            commands.append(f"{verb} {number} {item}")
            number += rng.choice((1, 1, 1, 2, -1))
            number = max(number, 1)
        commands += rng.choices(OTHERS, k=rng.randrange(2))
    return commands


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_said_does_not_depend_on_what_comes_together(server: ImapServer, seed: int) -> None:
    commands = random_commands(seed)
    said = []
    for user, at_once in (("ann", 1), ("bob", 7), ("cec", 1000)):
        await filled(server, user)
        said.append(await transcript(await opened(server, user), commands, at_once))
    assert said[0] == said[1] == said[2]


async def test_R_025_a_damaged_message_is_refused_to_the_command_that_asks_for_it(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    await filled(in_memory, "ann")
    memory.accounts["ann"].boxes["INBOX"].messages[3].is_broken = True
    client = await in_memory.login("ann", "INBOX")
    said = await transcript(client, [f"FETCH {number} BODY[TEXT]" for number in range(1, 6)], 5)
    assert [line for line in said if line.startswith(b"c")] == [
        b"c0 OK FETCH completed",
        b"c1 OK FETCH completed",
        b"c2 NO Message is damaged",
        b"c3 OK FETCH completed",
        b"c4 OK FETCH completed",
    ]
    flags = await client.fetch("FETCH 1:6 FLAGS")
    assert ["\\Seen" in items[1] for items in flags.values()] == [True, True, False, True, True, False]


async def test_each_command_hears_that_the_storage_failed(in_memory: ImapServer, memory: FakeStorage) -> None:
    await filled(in_memory, "ann")
    client = await in_memory.login("ann", "INBOX")
    memory.failing["whole_rows"] = StorageError("Try again later")
    said = await transcript(client, [f"FETCH {number} BODY.PEEK[]" for number in range(1, 4)], 3)
    assert said == [b"c%d NO Try again later" % number for number in range(3)]
    del memory.failing["whole_rows"]
    assert (await client.run("FETCH 1 BODY.PEEK[]")).is_ok


async def test_a_message_that_was_sent_is_not_refused_when_the_storage_fails_behind_it(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    await filled(in_memory, "ann")
    memory.accounts["ann"].boxes["INBOX"].messages[1].flags |= SEEN
    client = await in_memory.login("ann", "INBOX")
    storing = memory.held["store"] = asyncio.Event()
    client.send(b"a FETCH 1 BODY[TEXT]\r\nb FETCH 3 BODY[TEXT]\r\nc LOGOUT\r\n")
    async with asyncio.timeout(PATIENCE):
        while memory.calls[-1] != "store":
            await asyncio.sleep(0)
    memory.failing["whole_rows"] = StorageError("Try again later")
    storing.set()
    assert [line for line in await client.rest() if line[:1] in b"abc"] == [
        b"a OK FETCH completed",
        b"b NO Try again later",
        b"c OK LOGOUT completed",
    ]


async def test_what_stands_behind_a_run_is_done_after_it(server: ImapServer) -> None:
    await filled(server, "ann")
    client = await server.login("ann", "INBOX")
    client.send(b"a FETCH 1 BODY.PEEK[TEXT]\r\nb FETCH 2 BODY.PEEK[TEXT]\r\nc IDLE\r\nDONE\r\nd LOGOUT\r\n")
    said = [line for line in await client.rest() if not line.startswith(b"*")]
    assert said == [
        b"a OK FETCH completed",
        b"b OK FETCH completed",
        b"+ idling",
        b"c OK IDLE completed",
        b"d OK LOGOUT completed",
    ]


async def test_messages_that_go_meanwhile_are_told_behind_the_run(server: ImapServer) -> None:
    await filled(server, "ann")
    client, other = await server.login("ann", "INBOX"), await server.login("ann", "INBOX")
    assert (await client.run("UID FETCH 1 BODY.PEEK[]<0.1>")).is_ok  # the next are known by its look
    assert (await other.run("STORE 2 +FLAGS.SILENT (\\Deleted)")).is_ok
    assert (await other.run("EXPUNGE")).is_ok
    said = await transcript(client, [f"UID FETCH {uid} BODY.PEEK[]<0.1>" for uid in (1, 2, 3)], 3)
    assert [line.split(b"BODY")[0] for line in said] == [
        b"* 1 FETCH (",
        b"c0 OK UID FETCH completed",
        b"c1 OK UID FETCH completed",
        b"* 3 FETCH (",
        b"* 2 EXPUNGE",
        b"c2 OK UID FETCH completed",
    ]
