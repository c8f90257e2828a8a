"""CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, LSUB, NAMESPACE, UNSELECT, CHECK."""

import pytest

from posthouse.framework.interfaces.storage import StorageBusy
from posthouse.testing.imap import ImapClient, ImapServer, parse
from posthouse.testing.storage import FakeStorage

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"


async def run(client: ImapClient, *commands: str) -> None:
    for command in commands:
        reply = await client.run(command)
        assert reply.is_ok, (command, reply.tagged)


async def listed(client: ImapClient, command: str = 'LIST "" *') -> dict[str, list[str]]:
    """Names and attributes."""
    found = [parse(line) for line in (await client.run(command)).untagged]
    return {name if isinstance(name, str) else name.decode(): words for _, words, _, name in found}


async def uidvalidity(client: ImapClient, name: str) -> int:
    (line,) = (await client.run(f"STATUS {name} (UIDVALIDITY)")).untagged
    value: int = parse(line)[-1][-1]
    return value


# --- CREATE


async def test_create_makes_missing_parents(server: ImapServer) -> None:
    client = await server.login("ann")
    reply = await client.run("CREATE a.b.c")
    assert (reply.untagged, reply.tagged) == ([], b"OK CREATE completed")
    assert await listed(client) == {
        "INBOX": ["\\HasNoChildren"],
        "a": ["\\HasChildren"],
        "a.b": ["\\HasChildren"],
        "a.b.c": ["\\HasNoChildren"],
    }
    assert (await client.run("SELECT a.b")).is_ok


async def test_a_delimiter_at_the_end_is_ignored(server: ImapServer) -> None:
    client = await server.login("ann")
    await run(client, "CREATE box.", "RENAME box other.")
    assert list(await listed(client)) == ["INBOX", "other"]


@pytest.mark.parametrize("name", ["INBOX", "inbox", "box", "box."])
async def test_what_is_there_is_not_created_again(server: ImapServer, name: str) -> None:
    client = await server.login("ann")
    await run(client, "CREATE box")
    assert (await client.run(f"CREATE {name}")).tagged == b"NO Mailbox already exists"


async def test_create_with_a_special_use(server: ImapServer) -> None:
    client = await server.login("ann")
    await run(client, r"CREATE Gesendet (USE (\SENT))", "CREATE plain (USE ())")
    assert await listed(client) == {
        "INBOX": ["\\HasNoChildren"],
        "Gesendet": ["\\Sent", "\\HasNoChildren"],
        "plain": ["\\HasNoChildren"],
    }
    for uses in (r"\All", r"\Flagged", r"\Noselect", r"\Sent \Trash"):
        assert (await client.run(f"CREATE x (USE ({uses}))")).tagged.startswith(b"NO [USEATTR] ")
    assert (await client.run("CREATE x (ACL (a))")).tagged == b"BAD Expected USE"
    assert "x" not in await listed(client)


async def test_R_116_a_mailbox_that_is_made_again_is_another(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "box")
    client = await server.login("ann")
    validities = [await uidvalidity(client, "box")]
    for _ in range(3):
        await run(client, "DELETE box", "CREATE box")
        validities.append(await uidvalidity(client, "box"))
    assert sorted(set(validities)) == validities
    assert b"0 EXISTS" in (await client.run("SELECT box")).untagged
    await run(client, "RENAME box elsewhere", "CREATE box")
    assert await uidvalidity(client, "box") > validities[-1]
    assert await uidvalidity(client, "elsewhere") == validities[-1]


# --- DELETE


async def test_delete(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "box")
    client = await server.login("ann")
    assert (await client.run("DELETE box")).tagged == b"OK DELETE completed"
    assert (await client.run("DELETE box")).tagged == b"NO No such mailbox"
    assert (await client.run("DELETE Inbox")).tagged.startswith(b"NO [CANNOT] ")
    assert list(await listed(client)) == ["INBOX"]


async def test_a_deleted_parent_stays_as_a_level_while_it_has_children(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "a.b.c")
    client = await server.login("ann")
    await run(client, "DELETE a", "DELETE a.b")
    noselect = ["\\Noselect", "\\HasChildren"]
    assert await listed(client) == {
        "INBOX": ["\\HasNoChildren"],
        "a": noselect,
        "a.b": noselect,
        "a.b.c": ["\\HasNoChildren"],
    }
    assert await listed(client, 'LIST "" %') == {"INBOX": ["\\HasNoChildren"], "a": noselect}
    assert (await client.run("SELECT a.b")).tagged == b"NO No such mailbox"
    assert (await client.run("DELETE a.b")).tagged == b"NO No such mailbox"
    assert b"1 EXISTS" in (await client.run("SELECT a.b.c")).untagged
    await run(client, "CREATE a")
    assert (await listed(client))["a"] == ["\\HasChildren"]
    await run(client, "DELETE a", "DELETE a.b.c")
    assert list(await listed(client)) == ["INBOX"]


# --- RENAME


async def test_rename_takes_children_along(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "a.b")
    client = await server.login("ann")
    await run(client, "CREATE ab", "RENAME a x.y")
    assert set(await listed(client)) == {"INBOX", "ab", "x", "x.y", "x.y.b"}
    assert b"1 EXISTS" in (await client.run("SELECT x.y.b")).untagged


async def test_renames_that_cannot_be(server: ImapServer) -> None:
    client = await server.login("ann")
    await run(client, "CREATE a.b", "CREATE c")
    before = await listed(client)
    for names, answer in {
        "nowhere x": b"NO No such mailbox",
        "a c": b"NO Mailbox already exists",
        "a inbox": b"NO Mailbox already exists",
        "a a": b"NO Mailbox already exists",
    }.items():
        assert (await client.run(f"RENAME {names}")).tagged == answer
    for names in ("a a.b.x", "a x..y", "a .", 'a ""'):
        assert (await client.run(f"RENAME {names}")).tagged.startswith(b"NO ")
    assert await listed(client) == before


async def test_rename_of_the_inbox_leaves_it_empty(server: ImapServer) -> None:
    for _ in range(3):
        await server.add("ann", MESSAGE, flags=1, keywords=["work"])
    client = await server.login("ann")
    before = await uidvalidity(client, "INBOX")
    await run(client, "CREATE INBOX.child", "RENAME inbox old.mail")
    assert set(await listed(client)) == {"INBOX", "INBOX.child", "old", "old.mail"}
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 0)"]
    await run(client, "SELECT old.mail")
    flags = (await client.fetch("FETCH 1:* FLAGS")).values()
    assert [set(value) - {"\\Recent"} for _, value in flags] == [{"\\Seen", "work"}] * 3
    await server.add("ann", MESSAGE)
    assert b"1 EXISTS" in (await client.run("SELECT INBOX")).untagged
    assert list(await client.fetch("UID FETCH 1:* UID")) == [1]
    assert await uidvalidity(client, "INBOX") == before
    assert await uidvalidity(client, "old.mail") > before
    assert (await client.run("STATUS INBOX (UIDNEXT)")).untagged == [b"STATUS INBOX (UIDNEXT 5)"]


async def test_rename_of_the_inbox_onto_something_moves_nothing(server: ImapServer) -> None:
    await server.add("ann", MESSAGE)
    client = await server.login("ann", "INBOX")
    await run(client, "CREATE box")
    for name in ("box", "inbox"):
        reply = await client.run(f"RENAME INBOX {name}")
        assert (reply.untagged, reply.tagged) == ([], b"NO Mailbox already exists")
    assert not (await client.run("RENAME INBOX x..y")).is_ok
    assert set(await listed(client)) == {"INBOX", "box"}


async def test_R_115_sessions_in_the_inbox_see_it_emptied_by_rename(server: ImapServer) -> None:
    """And stay in it, with their numbers."""
    for _ in range(3):
        await server.add("ann", MESSAGE)
    client, other = await server.login("ann", "INBOX"), await server.login("ann", "INBOX")
    gone = [b"3 EXPUNGE", b"2 EXPUNGE", b"1 EXPUNGE"]
    reply = await client.run("RENAME INBOX INBOX.old")
    assert (reply.untagged, reply.tagged) == (gone, b"OK RENAME completed")
    await server.add("ann", MESSAGE)
    reply = await other.run("FETCH 1:3 FLAGS")  # no number changes its meaning
    assert (reply.untagged[3:], reply.is_ok) == ([b"4 EXISTS", b"4 RECENT"], True)
    assert (await other.run("NOOP")).untagged == gone
    for session in (client, other):
        await run(session, "NOOP")
        assert await session.fetch("FETCH 1:* UID") == {1: ["UID", 4]}


# --- subscriptions


async def test_subscriptions(server: ImapServer) -> None:
    client = await server.login("ann")
    await run(client, "CREATE a.b", r"CREATE Sent (USE (\Sent))")
    assert await listed(client, 'LSUB "" *') == await listed(client)
    assert (await client.run("UNSUBSCRIBE a")).tagged == b"OK UNSUBSCRIBE completed"
    await run(client, "UNSUBSCRIBE a", "UNSUBSCRIBE INBOX")
    assert await listed(client, 'LSUB "" *') == {
        "a.b": ["\\HasNoChildren"],
        "Sent": ["\\Sent", "\\HasNoChildren"],
    }
    assert (await client.run("SUBSCRIBE inbox")).tagged == b"OK SUBSCRIBE completed"
    assert set(await listed(client, 'LSUB "" *')) == {"INBOX", "a.b", "Sent"}
    assert (await client.run("SUBSCRIBE nowhere")).tagged == b"NO No such mailbox"


async def test_a_subscription_outlives_its_mailbox(server: ImapServer) -> None:
    client = await server.login("ann")
    await run(client, "CREATE a.b", "CREATE x", "DELETE a.b", "RENAME x y")
    gone = ["\\Noselect", "\\HasNoChildren"]
    expected = {"INBOX": ["\\HasNoChildren"], "a": ["\\HasChildren"], "y": ["\\HasNoChildren"], "a.b": gone}
    assert await listed(client, 'LSUB "" *') == expected
    assert (await client.run("SUBSCRIBE a.b")).tagged == b"NO No such mailbox"
    await run(client, "DELETE a")
    assert (await listed(client, 'LSUB "" %'))["a"] == ["\\Noselect", "\\HasChildren"]
    await run(client, "UNSUBSCRIBE a", "UNSUBSCRIBE a.b", "UNSUBSCRIBE a.b", "UNSUBSCRIBE nowhere")
    assert set(await listed(client, 'LSUB "" *')) == {"INBOX", "y"}
    await run(client, "CREATE a.b")
    assert set(await listed(client, 'LSUB "" *')) == {"INBOX", "y", "a", "a.b"}


async def test_lsub_shows_a_level_above_a_subscribed_mailbox_to_percent_only(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann")
    await run(client, "CREATE a.b.c", "UNSUBSCRIBE a", "UNSUBSCRIBE a.b")
    noselect = ["\\Noselect", "\\HasChildren"]
    assert await listed(client, 'LSUB "" %') == {"INBOX": ["\\HasNoChildren"], "a": noselect}
    assert await listed(client, 'LSUB a. "%"') == {"a.b": noselect}
    assert await listed(client, 'LSUB "" a*') == {"a.b.c": ["\\HasNoChildren"]}
    assert (await client.run('LSUB "" ""')).untagged == [rb'LSUB (\Noselect) "." "."']


# --- the small ones


async def test_namespace(server: ImapServer) -> None:
    client = await server.login("ann")
    reply = await client.run("NAMESPACE")
    assert reply.untagged == [b'NAMESPACE (("" ".")) NIL NIL']
    assert reply.tagged == b"OK NAMESPACE completed"


async def test_unselect_removes_nothing(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, flags=8)
    client = await server.login("ann", "INBOX")
    reply = await client.run("UNSELECT")
    assert (reply.untagged, reply.tagged) == ([], b"OK UNSELECT completed")
    assert (await client.run("UNSELECT")).tagged == b"NO No mailbox selected"
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 1)"]


async def test_check_tells_the_news(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    await server.add("ann", MESSAGE)
    reply = await client.run("CHECK")
    assert (reply.untagged, reply.tagged) == ([b"1 EXISTS", b"1 RECENT"], b"OK CHECK completed")


# --- the reliability catalogue


ODD_NAMES = [
    b"..", b"/etc/passwd", b"~root", b"a..b", b".", b"{1+}\r\n\n", b"{3+}\r\na\r\n", b"&AAA-", b"&", b"&AC4-", b"&AC8-", b'"%s%n"',
    b'"*"', b'"%"', b"x" * 300, b"x" * 1025, b".".join([b"a"] * 500), b".".join([b"a"] * 1000), b'"INBOX "', b'"\'; DROP TABLE mailbox; --"',
    b"nul", b"con", b'"$(id)"', b"#user/bob", b"user.bob.INBOX", b"../bob/INBOX", b"shared/x", b'""', b".a", b'"a\\"b\\\\"', b"&2D0-",
]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES, ids=range(len(ODD_NAMES)))
async def test_R_105_odd_names_are_refused_or_stay_in_the_account(server: ImapServer, name: bytes) -> None:
    await server.add("bob", MESSAGE, "Secret")
    client = await server.login("ann")
    before = await listed(client)
    reply = await client.run(b"CREATE %b" % name)
    if reply.is_ok:
        assert (await client.run(b"SELECT %b" % name)).is_ok
        made = set(await listed(client)) - before.keys()
        assert made
        await run(client, "UNSELECT")
        assert (await client.run(b"RENAME %b plain" % name)).is_ok
        assert (await client.run("DELETE plain")).is_ok
    else:
        assert reply.tagged.startswith((b"NO ", b"BAD "))
        assert await listed(client) == before
    await run(client, "CREATE plain")
    reply = await client.run(b"RENAME plain %b" % name)
    assert reply.is_ok or reply.tagged.startswith((b"NO ", b"BAD "))
    for command in (b"SUBSCRIBE %b", b"UNSUBSCRIBE %b", b"DELETE %b"):
        assert (await client.run(command % name)).tagged[:3] in (b"OK ", b"NO ", b"BAD")
    other = await server.login("bob")
    assert list(await listed(other)) == ["INBOX", "Secret"]
    assert (await other.run("STATUS Secret (MESSAGES)")).untagged == [b'STATUS "Secret" (MESSAGES 1)']


async def test_R_106_nothing_reaches_other_users(server: ImapServer) -> None:
    await server.add("bob", MESSAGE, "Secret")
    await server.add("ann", MESSAGE)
    client = await server.login("ann", "INBOX")
    for name in ("Secret", "bob.Secret", "#user.bob.Secret", "../bob/Secret", "shared/Secret", "/bob/Secret"):
        for command in (f"DELETE {name}", f"RENAME {name} mine", f"SUBSCRIBE {name}"):
            assert (await client.run(command)).tagged == b"NO No such mailbox"
        for command in (f"COPY 1 {name}", f"UID MOVE 1 {name}"):
            assert (await client.run(command)).tagged == b"NO [TRYCREATE] No such mailbox"
    other = await server.login("bob", "Secret")
    assert list(await other.fetch("FETCH 1:* UID")) == [1]


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made again"])
async def test_R_115_a_mailbox_that_another_deletes(server: ImapServer, again: bool) -> None:
    await server.add("ann", MESSAGE, "box")
    client = await server.login("ann", "box")
    other = await server.login("ann")
    await run(other, "DELETE box")
    if again:
        await server.add("ann", b"Subject: another\r\n\r\nsecret\r\n", "box")
        await server.add("ann", MESSAGE, "box")
    await run(other, "CREATE target")
    for command in (
        "FETCH 1 ENVELOPE", "FETCH 1 FLAGS", "UID FETCH 1:* UID", "UID FETCH 1:* BODY[]", "STORE 1 FLAGS ()", "EXPUNGE", "UID EXPUNGE 1:*", "COPY 1 target", "MOVE 1 target"
    ):  # fmt: skip
        reply = await client.run(command)
        assert (reply.untagged, reply.tagged) == ([], b"NO No such mailbox")
    for command in ("NOOP", "CHECK"):
        reply = await client.run(command)
        assert (reply.untagged, reply.is_ok) == ([], True)
    assert (await client.run("CLOSE")).is_ok
    assert (await client.run("CLOSE")).tagged == b"NO No mailbox selected"


async def test_R_115_a_mailbox_that_another_renames(server: ImapServer) -> None:
    """The session keeps its messages; the name leads to others."""
    await server.add("ann", b"Subject: one\r\n\r\n", "box")
    client = await server.login("ann", "box")
    other = await server.login("ann")
    await run(other, "RENAME box kept")
    await server.add("ann", b"Subject: two\r\n\r\n", "box")
    assert (await client.run("NOOP")).untagged == []
    assert (await client.fetch("FETCH 1:* BODY.PEEK[]"))[1][1] == b"Subject: one\r\n\r\n"
    await run(client, r"STORE 1:* FLAGS.SILENT (\Deleted)", "EXPUNGE")
    assert (await other.run("STATUS kept (MESSAGES)")).untagged == [b'STATUS "kept" (MESSAGES 0)']
    assert (await other.run("STATUS box (MESSAGES)")).untagged == [b'STATUS "box" (MESSAGES 1)']


async def test_R_011_a_busy_storage_is_said(in_memory: ImapServer, memory: FakeStorage) -> None:
    client = await in_memory.login("ann")
    memory.failure = StorageBusy()
    for command in ("CREATE x", "DELETE x", "RENAME x y", "SUBSCRIBE x", 'LSUB "" *'):
        assert (await client.run(command)).tagged == b"NO [INUSE] Mailbox is busy, try again later"
    memory.failure = None
    await run(client, "CREATE x")


async def test_R_105_only_one_delimiter_at_the_end_says_nothing(server: ImapServer) -> None:
    client = await server.login("ann")
    assert (await client.run("CREATE a.")).is_ok
    assert (await client.run("RENAME a b.")).is_ok
    for command in ("CREATE c..", "RENAME b c.."):
        assert (await client.run(command)).tagged.startswith(b"NO [CANNOT]")
    assert len((await client.run('LIST "" *')).untagged) == 2
