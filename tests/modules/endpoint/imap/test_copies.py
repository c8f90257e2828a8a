"""COPY, MOVE, UID EXPUNGE, and the codes of UIDPLUS."""

import re

import pytest

from posthouse.framework.interfaces.storage import KEYWORDS_MAX, StorageBusy
from posthouse.testing.imap import ImapClient, ImapServer, parse
from posthouse.testing.storage import FakeStorage

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


async def fill(server: ImapServer, count: int) -> ImapClient:
    """A session in an INBOX with so many messages, beside an empty mailbox `box`."""
    for number in range(count):
        await server.add("ann", b"Subject: %d\r\n\r\n" % (number + 1))
    client = await server.login("ann", "INBOX")
    assert (await client.run("CREATE box")).is_ok
    return client


async def uidvalidity(client: ImapClient, name: str) -> int:
    (line,) = (await client.run(f"STATUS {name} (UIDVALIDITY)")).untagged
    value: int = parse(line)[-1][-1]
    return value


async def contents(server: ImapServer, name: str) -> dict[int, bytes]:
    """UID and octets of each message."""
    client = await server.login("ann", name)
    found = (await client.fetch("UID FETCH 1:* (UID BODY.PEEK[])")).values()
    return {items[1]: items[3] for items in found}


def subjects(*numbers: int) -> list[bytes]:
    return [b"Subject: %d\r\n\r\n" % number for number in numbers]


# --- COPY


async def test_copy_tells_where_the_copies_are(server: ImapServer) -> None:
    client = await fill(server, 5)
    validity = await uidvalidity(client, "box")
    reply = await client.run("COPY 1,3:4 box")
    assert reply.untagged == []
    assert reply.tagged == b"OK [COPYUID %d 1,3:4 1:3] COPY completed" % validity
    assert (await client.run("UID COPY 5 box")).tagged == b"OK [COPYUID %d 5 4] UID COPY completed" % validity
    assert list((await contents(server, "box")).values()) == subjects(1, 3, 4, 5)
    assert len(await contents(server, "INBOX")) == 5


async def test_a_copy_keeps_flags_and_date_and_is_recent(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, flags=1 | 4, keywords=["$other"], received=1_000_000_000)
    await server.add("ann", MESSAGE, flags=2, keywords=["work", "$other"], received=1_100_000_000)
    client = await server.login("ann", "INBOX")
    assert (await client.run("CREATE box")).is_ok
    assert (await client.run("COPY 2 box")).is_ok
    assert (await client.run("SELECT box")).is_ok
    found = await client.fetch("FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)")
    assert set(found[1][1]) == {"\\Answered", "\\Recent", "work", "$other"}
    assert found[1][2:] == ["INTERNALDATE", b" 9-Nov-2004 11:33:20 +0000", "RFC822.SIZE", len(MESSAGE)]


async def test_copy_into_the_same_mailbox(server: ImapServer) -> None:
    client = await fill(server, 2)
    reply = await client.run("COPY 1:2 INBOX")
    assert reply.untagged == [b"4 EXISTS", b"4 RECENT"]
    assert b" 1:2 3:4] " in reply.tagged
    assert list((await contents(server, "INBOX")).values()) == subjects(1, 2, 1, 2)


@pytest.mark.parametrize("command", ["COPY 1", "UID COPY 1", "MOVE 1", "UID MOVE 1", "UID COPY 99"])
async def test_a_missing_destination_may_be_created(server: ImapServer, command: str) -> None:
    client = await fill(server, 1)
    assert (await client.run(f"{command} nowhere")).tagged == b"NO [TRYCREATE] No such mailbox"
    assert len(await contents(server, "INBOX")) == 1


@pytest.mark.parametrize("command", ["COPY", "MOVE"])
async def test_messages_that_are_not_there_are_left_out(server: ImapServer, command: str) -> None:
    client = await fill(server, 2)
    for arguments in ("7:9 box", "4294967295 box"):
        reply = await client.run(f"{command} {arguments}")
        assert (reply.untagged, reply.tagged) == ([], b"OK %b completed" % command.encode())
        reply = await client.run(f"UID {command} {arguments}")
        assert (reply.untagged, reply.tagged) == ([], b"OK UID %b completed" % command.encode())
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 1 FLAGS.SILENT (\Deleted)")
    await other.run("EXPUNGE")
    reply = await client.run(f"{command} 1:2 box")
    assert b"1 EXPUNGE" in reply.untagged
    assert list((await contents(server, "box")).values()) == subjects(2)


async def test_copy_from_a_mailbox_that_is_only_read(server: ImapServer) -> None:
    client = await fill(server, 1)
    await client.run("EXAMINE INBOX")
    assert (await client.run("COPY 1 box")).is_ok
    for command in ("MOVE 1 box", "UID MOVE 1 box", "UID EXPUNGE 1"):
        assert (await client.run(command)).tagged == b"NO Mailbox opened in read-only mode"


async def test_R_110_a_copy_with_too_many_keywords_copies_nothing(server: ImapServer) -> None:
    most = [f"k{number}" for number in range(KEYWORDS_MAX)]
    await server.add("ann", MESSAGE, "box", keywords=most)
    await server.add("ann", MESSAGE)
    await server.add("ann", MESSAGE, keywords=["another"])
    client = await server.login("ann", "INBOX")
    for command in ("COPY", "MOVE"):
        assert (await client.run(f"{command} 1:2 box")).tagged.startswith(b"NO [LIMIT] ")
        assert len(await contents(server, "box")) == 1
        assert len(await contents(server, "INBOX")) == 2


# --- MOVE


async def test_move_tells_where_the_messages_are_and_then_what_is_gone(server: ImapServer) -> None:
    client = await fill(server, 5)
    validity = await uidvalidity(client, "box")
    reply = await client.run("MOVE 2,4:5 box")
    assert reply.untagged == [
        b"OK [COPYUID %d 2,4:5 1:3] Moved" % validity,
        b"5 EXPUNGE",
        b"4 EXPUNGE",
        b"2 EXPUNGE",
    ]
    assert reply.tagged == b"OK MOVE completed"
    reply = await client.run("UID MOVE 1:3 box")
    assert reply.untagged == [b"OK [COPYUID %d 1,3 4:5] Moved" % validity, b"2 EXPUNGE", b"1 EXPUNGE"]
    assert reply.tagged == b"OK UID MOVE completed"
    assert await contents(server, "INBOX") == {}
    assert list((await contents(server, "box")).values()) == subjects(2, 4, 5, 1, 3)


async def test_move_into_the_same_mailbox_gives_new_uids(server: ImapServer) -> None:
    client = await fill(server, 3)
    reply = await client.run("MOVE 1 INBOX")
    assert re.sub(rb"COPYUID \d+", b"COPYUID n", b"|".join(reply.untagged)) == (
        b"OK [COPYUID n 1 4] Moved|1 EXPUNGE|3 EXISTS|3 RECENT"
    )
    assert await contents(server, "INBOX") == dict(zip((2, 3, 4), subjects(2, 3, 1), strict=True))


async def test_others_hear_of_a_move(server: ImapServer) -> None:
    client = await fill(server, 3)
    here, there = await server.login("ann", "INBOX"), await server.login("ann", "box")
    assert (await client.run("MOVE 1:2 box")).is_ok
    assert (await here.run("NOOP")).untagged == [b"2 EXPUNGE", b"1 EXPUNGE"]
    assert (await there.run("NOOP")).untagged == [b"2 EXISTS", b"2 RECENT"]


async def test_a_move_that_the_storage_refuses_moves_nothing(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    client = await fill(in_memory, 2)
    memory.failing["move"] = memory.failing["copy"] = StorageBusy()
    for command in ("MOVE", "COPY"):
        assert (
            await client.run(f"{command} 1:2 box")
        ).tagged == b"NO [INUSE] Mailbox is busy, try again later"
    assert len(await contents(in_memory, "INBOX")) == 2


# --- UID EXPUNGE, APPENDUID


@pytest.mark.parametrize("storage", ["imapsql"], indirect=True)
async def test_R_021_a_move_that_fails_on_its_way_tells_where_the_first_messages_are(
    server: ImapServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.modules.storage.imapsql.mailbox.UNIT_ROWS_MAX", 2)
    client = await fill(server, 6)
    await server.add("ann", MESSAGE, "box", keywords=[f"k{number}" for number in range(KEYWORDS_MAX)])
    assert (await client.run("STORE 5 +FLAGS.SILENT (other)")).is_ok
    validity = await uidvalidity(client, "box")
    reply = await client.run("UID MOVE 1:6 box")
    expunged = [b"%d EXPUNGE" % number for number in (4, 3, 2, 1)]
    assert reply.untagged == [b"OK [COPYUID %d 1:4 2:5] Moved" % validity, *expunged]
    assert reply.tagged == b"NO [LIMIT] Too many keywords in this mailbox"
    assert list((await contents(server, "INBOX")).values()) == subjects(5, 6)
    assert list((await contents(server, "box")).values()) == [MESSAGE, *subjects(1, 2, 3, 4)]


async def test_uid_expunge_takes_only_what_it_names(server: ImapServer) -> None:
    client = await fill(server, 5)
    await client.run(r"STORE 1,2,4,5 +FLAGS.SILENT (\Deleted)")
    reply = await client.run("UID EXPUNGE 2:4,99")
    assert reply.untagged == [b"4 EXPUNGE", b"2 EXPUNGE"]
    assert reply.tagged == b"OK UID EXPUNGE completed"
    assert list(await contents(server, "INBOX")) == [1, 3, 5]
    assert (await client.run("UID EXPUNGE 3")).untagged == []
    assert (await client.run("UID EXPUNGE")).tagged.startswith(b"BAD ")
    assert (await client.run("UID EXPUNGE *")).untagged == [b"3 EXPUNGE"]


async def test_append_tells_the_uid(server: ImapServer) -> None:
    client = await fill(server, 2)
    for name, uid in (("INBOX", 3), ("box", 1), ("box", 2)):
        reply = await client.append(name, MESSAGE)
        validity = await uidvalidity(client, name)
        assert reply.tagged == b"OK [APPENDUID %d %d] APPEND completed" % (validity, uid)


# --- the reliability catalogue


@pytest.mark.parametrize("numbers", ["*:*", "4294967295:1", "1,1,2:1,*", ",".join(["1:*"] * 5000)])
async def test_R_107_odd_sets_copy_each_message_once(server: ImapServer, numbers: str) -> None:
    client = await fill(server, 2)
    whole = [2] if numbers == "*:*" else [1, 2]
    assert (await client.run(f"UID COPY {numbers} box")).is_ok
    assert list((await contents(server, "box")).values()) == subjects(*whole)
    assert (await client.run(f"MOVE {numbers} box")).is_ok
    assert list((await contents(server, "box")).values()) == subjects(*whole, *whole)


@pytest.mark.parametrize("numbers", ["0", "4294967296", "1:", "a", "1,,2", "-1", "$"])
async def test_R_107_what_is_no_set_is_refused(in_memory: ImapServer, numbers: str) -> None:
    client = await fill(in_memory, 1)
    for command in ("COPY {} box", "UID COPY {} box", "MOVE {} box", "UID MOVE {} box", "UID EXPUNGE {}"):
        assert (await client.run(command.format(numbers))).tagged.startswith(b"BAD ")
