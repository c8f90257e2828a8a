"""CONDSTORE (RFC 7162), ENABLE (RFC 5161), ID (RFC 2971)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from posthouse.framework.interfaces.storage import StorageBusy
from posthouse.testing.imap import ImapClient, ImapServer, parse
from posthouse.testing.storage import FakeStorage
from posthouse.testing.world import FakeWorld

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


async def fill(server: ImapServer, count: int) -> ImapClient:
    """A session that is told mod-sequences, in an INBOX with so many messages."""
    for _ in range(count):
        await server.add("ann", MESSAGE)
    client = await server.login("ann")
    assert (await client.run("SELECT INBOX (CONDSTORE)")).is_ok
    return client


async def highest(client: ImapClient) -> int:
    (line,) = (await client.run("STATUS INBOX (HIGHESTMODSEQ)")).untagged
    value: int = parse(line)[-1][-1]
    return value


async def modseqs(client: ImapClient, uids: str = "1:*") -> dict[int, int]:
    """By UID."""
    found = await client.fetch(f"UID FETCH {uids} (UID MODSEQ)")
    return {items[1]: items[3][0] for items in found.values()}


def told(lines: list[bytes]) -> "dict[int, dict[str, Any]]":
    """FETCH responses: what is told of each number."""
    found: dict[int, dict[str, Any]] = {}
    for line in lines:
        number, word, items = parse(line)
        assert word == "FETCH"
        found.setdefault(number, {}).update(zip(items[::2], items[1::2], strict=True))
    return found


# --- being enabled


async def test_select_always_tells_the_highest(server: ImapServer) -> None:
    client = await fill(server, 2)
    top = max((await modseqs(client)).values())
    for command in ("SELECT INBOX", "EXAMINE INBOX", "SELECT INBOX (condstore)"):
        reply = await client.run(command)
        assert reply.untagged[0] == b"OK [CLOSED] Previous mailbox closed"
        assert reply.untagged[-1] == b"OK [HIGHESTMODSEQ %d] Highest" % top
    assert (await client.run("SELECT INBOX (QRESYNC (1 2))")).tagged.startswith(b"BAD ")
    assert (await client.run("SELECT INBOX ()")).tagged.startswith(b"BAD ")


@pytest.mark.parametrize(
    "command",
    [
        "ENABLE CONDSTORE", "STATUS INBOX (HIGHESTMODSEQ)", "FETCH 1 (MODSEQ)", "UID FETCH 1 (FLAGS) (CHANGEDSINCE 1)",
        r"STORE 1 (UNCHANGEDSINCE 1) +FLAGS (x)", "FETCH 1:* FLAGS (changedsince 0)",
    ],
)  # fmt: skip
async def test_it_is_enabled_by_any_command_that_needs_it(server: ImapServer, command: str) -> None:
    await server.add("ann", MESSAGE)
    client = await server.login("ann", "INBOX")
    assert (await client.run("FETCH 1 FLAGS")).untagged == [rb"1 FETCH (FLAGS (\Recent))"]
    reply = await client.run(command)
    codes = [line for line in reply.untagged if line.startswith(b"OK [HIGHESTMODSEQ ")]
    assert len(codes) == 1
    assert "MODSEQ" in told((await client.run("FETCH 1 FLAGS")).untagged)[1]
    reply = await client.run(command)
    assert not [line for line in reply.untagged if line.startswith(b"OK ")]


async def test_enable_names_what_is_new(server: ImapServer) -> None:
    client = await server.login("ann")
    reply = await client.run("ENABLE X-NONE condstore QRESYNC")
    assert (reply.untagged, reply.tagged) == ([b"ENABLED CONDSTORE"], b"OK ENABLE completed")
    assert (await client.run("ENABLE CONDSTORE")).untagged == [b"ENABLED"]
    for command in ("ENABLE", "ENABLE ", "ENABLE (CONDSTORE)", "ENABLE a  b"):
        assert (await client.run(command)).tagged.startswith(b"BAD ")


# --- FETCH


async def test_fetch_of_mod_sequences(server: ImapServer) -> None:
    client = await fill(server, 3)
    before = await modseqs(client)
    assert list(before.values()) == sorted(before.values())
    assert max(before.values()) == await highest(client)
    await client.run(r"STORE 2 +FLAGS.SILENT (\Seen)")
    after = await modseqs(client)
    assert after[2] > before[3]
    assert {**after, 2: before[2]} == before
    for items in ("(MODSEQ ENVELOPE)", "(FLAGS MODSEQ UID)", "(BODY.PEEK[] MODSEQ)"):
        found = told((await client.run(f"FETCH 1:* {items}")).untagged)
        assert {number: values["MODSEQ"] for number, values in found.items()} == {
            uid: [value] for uid, value in after.items()
        }


async def test_fetch_of_what_changed(server: ImapServer) -> None:
    client = await fill(server, 5)
    since = await highest(client)
    assert (await client.run(f"FETCH 1:* (FLAGS) (CHANGEDSINCE {since})")).untagged == []
    await client.run(r"STORE 2,4 +FLAGS.SILENT (\Seen)")
    for items in ("FLAGS", "(UID FLAGS)", "(FLAGS ENVELOPE)", "(BODY.PEEK[] FLAGS)"):
        found = told((await client.run(f"FETCH 1:3,4 {items} (CHANGEDSINCE {since})")).untagged)
        assert [set(values["FLAGS"]) for values in found.values()] == [{"\\Seen", "\\Recent"}] * 2
        assert [values["MODSEQ"][0] > since for values in found.values()] == [True, True]
        assert list(found) == [2, 4]
    found = told((await client.run(f"UID FETCH 3:* FLAGS (CHANGEDSINCE {since})")).untagged)
    assert [values["UID"] for values in found.values()] == [4]
    assert (await client.run(f"FETCH 1:* FLAGS (CHANGEDSINCE {(1 << 63) - 1})")).untagged == []
    for wrong in (1 << 63, 10**30, "", "x", "-1"):
        assert (await client.run(f"FETCH 1:* FLAGS (CHANGEDSINCE {wrong})")).tagged.startswith(b"BAD ")


async def test_seen_by_fetch_is_told_with_its_mod_sequence(server: ImapServer) -> None:
    client = await fill(server, 1)
    before = await modseqs(client)
    found = told((await client.run("FETCH 1 BODY[TEXT]")).untagged)
    assert found[1]["MODSEQ"][0] > before[1]
    assert (await client.run("NOOP")).untagged == []


# --- STORE


async def test_store_tells_the_new_mod_sequence(server: ImapServer) -> None:
    client = await fill(server, 2)
    reply = await client.run(r"STORE 1 +FLAGS (\Seen)")
    one = (await modseqs(client))[1]
    assert reply.untagged == [rb"1 FETCH (FLAGS (\Seen \Recent) MODSEQ (%d))" % one]
    reply = await client.run(r"UID STORE 2 +FLAGS.SILENT (\Seen)")
    two = (await modseqs(client))[2]
    assert reply.untagged == [b"2 FETCH (UID 2 MODSEQ (%d))" % two]
    assert two > one


async def test_store_only_what_is_unchanged(server: ImapServer) -> None:
    client, other = await fill(server, 4), await fill(server, 0)
    since = await highest(client)
    await other.run(r"STORE 2,4 +FLAGS (\Flagged)")
    reply = await client.run(rf"STORE 1:4 (UNCHANGEDSINCE {since}) +FLAGS (\Deleted)")
    assert reply.tagged == b"OK [MODIFIED 2,4] Conditional STORE failed"
    found = told(reply.untagged)
    flags = {number: set(values["FLAGS"]) - {"\\Recent"} for number, values in found.items()}
    assert flags == {1: {"\\Deleted"}, 3: {"\\Deleted"}, 2: {"\\Flagged"}, 4: {"\\Flagged"}}
    now = await modseqs(client)
    assert {number: values["MODSEQ"] for number, values in found.items()} == {u: [m] for u, m in now.items()}
    top = max(now.values())
    reply = await client.run(rf"UID STORE 1:4 (UNCHANGEDSINCE {top}) +FLAGS.SILENT (\Seen)")
    assert reply.tagged == b"OK UID STORE completed"
    assert set(told(reply.untagged)[4]) == {"UID", "MODSEQ"}


async def test_unchanged_since_0_changes_nothing(server: ImapServer) -> None:
    client = await fill(server, 2)
    reply = await client.run(r"UID STORE 1:2 (UNCHANGEDSINCE 0) FLAGS (\Seen)")
    assert (reply.untagged, reply.tagged) == ([], b"OK [MODIFIED 1:2] Conditional STORE failed")
    for wrong in ("(UNCHANGEDSINCE)", "(UNCHANGEDSINCE 1", "(UNCHANGEDSINCE 9223372036854775808)", "(X 1)"):
        assert (await client.run(f"STORE 1 {wrong} FLAGS (x)")).tagged.startswith(b"BAD ")


async def test_a_store_after_one_of_another_knows_its_own_mod_sequence(server: ImapServer) -> None:
    """What is told lets the client go on: a STORE that depends on it succeeds."""
    client, other = await fill(server, 2), await fill(server, 0)
    for number in range(3):
        await other.run(rf"STORE 2 FLAGS (o{number})")
        reply = await client.run(rf"STORE 1 FLAGS (m{number})")
        (modseq,) = told(reply.untagged)[1]["MODSEQ"]
        assert modseq == (await modseqs(client))[1]
        reply = await client.run(rf"STORE 1 (UNCHANGEDSINCE {modseq}) +FLAGS (\Seen)")
        assert reply.tagged == b"OK STORE completed"


async def test_changes_of_others_are_told_with_their_mod_sequence(server: ImapServer) -> None:
    client = await fill(server, 3)
    other = await server.login("ann", "INBOX")
    await other.run(r"STORE 2 +FLAGS (\Seen)")
    await other.run(r"STORE 3 +FLAGS (work)")
    reply = await client.run("NOOP")
    now = await modseqs(client)
    assert reply.untagged == [
        rb"2 FETCH (FLAGS (\Seen \Recent) UID 2 MODSEQ (%d))" % now[2],
        rb"3 FETCH (FLAGS (\Recent work) UID 3 MODSEQ (%d))" % now[3],
    ]


async def test_expunge_raises_the_highest(server: ImapServer) -> None:
    client = await fill(server, 2)
    await client.run(r"STORE 1 +FLAGS.SILENT (\Deleted)")
    before = await highest(client)
    await client.run("EXPUNGE")
    assert await highest(client) > before


async def test_R_011_what_cannot_be_told_now_is_told_later(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    client, other = await fill(in_memory, 2), await in_memory.login("ann", "INBOX")
    memory.failing["modseqs"] = StorageBusy()
    await other.run(r"STORE 1 +FLAGS (\Seen)")
    assert (await client.run("NOOP")).untagged == []
    assert (await client.run("FETCH 1 FLAGS")).tagged.startswith(b"NO [INUSE] ")
    memory.failing.clear()
    assert list(told((await client.run("NOOP")).untagged)) == [1]


@pytest.mark.parametrize("command", ["SEARCH", "SORT (SIZE) UTF-8"])
async def test_a_search_tells_no_mod_sequence_beyond_what_the_client_knows(
    in_memory: ImapServer, memory: FakeStorage, command: str
) -> None:
    client = await fill(in_memory, 2)
    known = await highest(client)
    memory.held["columns"] = asyncio.Event()
    tag = await client.start(f"{command} MODSEQ 1")
    while "columns" not in memory.calls:
        await asyncio.sleep(0)
    account = memory.accounts["ann"]
    box = account.boxes["INBOX"]
    box.messages[1].flags, box.messages[1].modseq = 1, account.next_modseq(box)  # while it searches
    memory.held["columns"].set()
    reply = await client.finish(tag)
    assert reply.untagged[0].endswith(b" 1 2 (MODSEQ %d)" % known)
    assert (await client.run("NOOP")).is_ok
    assert await highest(client) == known + 1


async def test_own_changes_are_not_read_back(in_memory: ImapServer, memory: FakeStorage) -> None:
    """STORE 1:* costs one call of the storage; only what others did meanwhile makes it look again."""
    client, other = await in_memory.login("ann"), None
    for _ in range(3):
        await in_memory.add("ann", MESSAGE)
    await client.run("SELECT INBOX")
    box = memory.accounts["ann"].boxes["INBOX"]
    selected = next(iter(in_memory.endpoint._sessions)).selected
    assert selected is not None
    for command in (r"STORE 1:* +FLAGS (\Seen)", r"STORE 1:* FLAGS.SILENT (work)"):
        await client.run(command)
        assert selected.modseq == box.modseq
    other = await in_memory.login("ann", "INBOX")
    await other.run(r"STORE 1 +FLAGS (\Flagged)")
    known = selected.modseq
    reply = await client.run(r"STORE 2 +FLAGS.SILENT (\Flagged)")
    assert reply.untagged == [rb"1 FETCH (FLAGS (\Flagged \Recent work) UID 1)"]
    assert known < selected.modseq == box.modseq


# --- ID


async def test_id_in_any_state(server: ImapServer) -> None:
    client = await server.connect()
    await client.line()
    for command in ("ID NIL", 'ID ("name" "mutt" "version" NIL)', 'id ("os" {3+}\r\n"\\x)', "ID ()"):
        reply = await client.run(command)
        assert (reply.untagged, reply.tagged) == ([b'ID ("name" "Posthouse")'], b"OK ID completed")


@pytest.mark.parametrize(
    "arguments",
    ["", " ", " (", ' ("name")', " (name x)", ' ("name" x)', ' ("a" "b") c', " NILx", ' ("a" "%s")' % ("x" * 1025), ' ("%s" "b")' % ("x" * 31),
     " (%s)" % " ".join(f'"k{number}" "v"' for number in range(31))],
)  # fmt: skip
async def test_bad_arguments_of_id(in_memory: ImapServer, arguments: str) -> None:
    client = await in_memory.login("ann")
    assert (await client.run(f"ID{arguments}")).tagged.startswith(b"BAD ")


async def test_what_a_client_says_of_itself_is_in_the_debug_log_in_one_line(
    tmp_path: Path, memory: FakeStorage, fake: FakeWorld
) -> None:
    async with ImapServer(tmp_path, memory, fake=fake, debug=True) as server:
        client = await server.connect()
        await client.line()
        assert (await client.run(b'ID ("Name" {8+}\r\na\r\nb\xff"\\c)')).is_ok
    (line,) = [line for line in fake.log.lines if "client\t" in line]
    assert json.loads(line.partition("\t")[2])["id"] == 'name=a\r\nb\\xff"\\c'
