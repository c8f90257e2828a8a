"""LIST, SELECT, EXAMINE, STATUS, CLOSE: what mailboxes there are, and what is in them."""

import re

import pytest

from posthouse.framework.interfaces.storage import Storage, StorageBusy
from posthouse.testing.imap import ImapServer, parse
from posthouse.testing.storage import FakeStorage

MESSAGE = b"Subject: hello\r\n\r\nHi!\r\n"
LINES = [
    rb"FLAGS (\Seen \Answered \Flagged \Deleted \Draft)",
    rb"OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft \*)] Flags permitted.",
]


async def mailboxes(storage: Storage, *names: str) -> None:
    account = await storage.create_account("ann")
    for name in names:
        await account.create_mailbox(name, "\\" + name if name in ("Sent", "Junk") else "")


async def test_list(server: ImapServer) -> None:
    await mailboxes(server.storage, "Sent", "a.b.c", "Grüße", 'q"\\', "Junk")
    client = await server.login("ann")
    reply = await client.run('LIST "" "*"')
    assert reply.untagged == [
        rb'LIST (\HasNoChildren) "." INBOX',
        rb'LIST (\Sent \HasNoChildren) "." "Sent"',
        rb'LIST (\HasChildren) "." "a"',
        rb'LIST (\HasChildren) "." "a.b"',
        rb'LIST (\HasNoChildren) "." "a.b.c"',
        rb'LIST (\HasNoChildren) "." "Gr&APwA3w-e"',
        rb'LIST (\HasNoChildren) "." "q\"\\"',
        rb'LIST (\Junk \HasNoChildren) "." "Junk"',
    ]
    assert reply.tagged == b"OK LIST completed"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ('"" %', ["INBOX", "a", "x"]),
        ('"" a.%', ["a.b"]),
        ("a. *", ["a.b", "a.b.c"]),
        ('"" inbox', ["INBOX"]),
        ('"" %.%', ["a.b", "x.y"]),
        ('"" *y', ["x.y"]),
        ('"" nothing', []),
    ],
)
async def test_list_with_patterns(in_memory: ImapServer, arguments: str, names: list[str]) -> None:
    await mailboxes(in_memory.storage, "a.b.c", "x.y")
    client = await in_memory.login("ann")
    found = [parse(line)[-1] for line in (await client.run(f"LIST {arguments}")).untagged]
    assert [name if isinstance(name, str) else name.decode() for name in found] == names


async def test_an_empty_pattern_asks_for_the_delimiter(in_memory: ImapServer) -> None:
    client = await in_memory.login("ann")
    for reference in ('""', "INBOX", "x.y"):
        assert (await client.run(f'LIST {reference} ""')).untagged == [rb'LIST (\Noselect) "." "."']


async def test_select(server: ImapServer) -> None:
    client = await server.login("ann")
    reply = await client.run("SELECT inbox")
    validity, highest = reply.untagged[-2:]
    assert reply.untagged == [
        *LINES,
        b"0 EXISTS",
        b"0 RECENT",
        b"OK [UIDNEXT 1] Predicted next UID",
        validity,
        highest,
    ]
    assert re.fullmatch(rb"OK \[HIGHESTMODSEQ [1-9][0-9]*\] Highest", highest)
    assert validity.startswith(b"OK [UIDVALIDITY ")
    assert validity.endswith(b"] UIDs valid")
    assert reply.tagged == b"OK [READ-WRITE] SELECT completed"


async def test_select_of_a_mailbox_with_messages(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, flags=1)
    await server.add("ann", MESSAGE, flags=1, keywords=["$work"])
    await server.add("ann", MESSAGE)
    client = await server.login("ann")
    reply = await client.run("SELECT INBOX")
    assert reply.untagged[:6] == [
        rb"FLAGS (\Seen \Answered \Flagged \Deleted \Draft $work)",
        rb"OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Deleted \Draft $work \*)] Flags permitted.",
        b"OK [UNSEEN 3] Message 3 is first unseen",
        b"3 EXISTS",
        b"3 RECENT",
        b"OK [UIDNEXT 4] Predicted next UID",
    ]
    assert len(reply.untagged) == 8


async def test_examine(server: ImapServer) -> None:
    await server.add("ann", MESSAGE)
    client = await server.login("ann")
    reply = await client.run("EXAMINE INBOX")
    assert reply.untagged[1] == b"OK [PERMANENTFLAGS ()] No permanent flags permitted."
    assert reply.tagged == b"OK [READ-ONLY] EXAMINE completed"
    for command in (r"STORE 1 FLAGS (\Deleted)", r"UID STORE 1 +FLAGS.SILENT (x)", "EXPUNGE"):
        assert (await client.run(command)).tagged == b"NO Mailbox opened in read-only mode"
    assert (await client.run("CLOSE")).tagged == b"OK CLOSE completed"
    assert (await client.run("FETCH 1 FLAGS")).tagged == b"NO No mailbox selected"


async def test_a_failing_select_leaves_no_mailbox_selected(server: ImapServer) -> None:
    client = await server.login("ann", "INBOX")
    assert (await client.run("SELECT nowhere")).tagged == b"NO No such mailbox"
    assert (await client.run("FETCH 1 FLAGS")).tagged == b"NO No mailbox selected"
    assert (await client.run("SELECT INBOX")).is_ok
    assert (await client.run("SELECT (")).tagged.startswith(b"BAD ")
    assert (await client.run("FETCH 1 FLAGS")).is_ok


async def test_status(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, "a.b", flags=1)
    await server.add("ann", MESSAGE, "a.b")
    client = await server.login("ann")
    reply = await client.run("STATUS a.b (UNSEEN MESSAGES RECENT UIDNEXT APPENDLIMIT)")
    assert reply.untagged == [b'STATUS "a.b" (UNSEEN 1 MESSAGES 2 RECENT 2 UIDNEXT 3 APPENDLIMIT 1048576)']
    assert reply.tagged == b"OK STATUS completed"
    (validity,) = (await client.run("STATUS a.b (UIDVALIDITY)")).untagged
    assert b"[UIDVALIDITY %d]" % parse(validity)[-1][-1] in b"".join(
        (await client.run("SELECT a.b")).untagged
    )
    assert (await client.run("STATUS b (UNSEEN)")).tagged == b"NO No such mailbox"


async def test_close_removes_without_a_word(server: ImapServer) -> None:
    for _ in range(3):
        await server.add("ann", MESSAGE)
    client = await server.login("ann", "INBOX")
    await client.run(r"STORE 1,3 +FLAGS.SILENT (\Deleted)")
    reply = await client.run("CLOSE")
    assert (reply.untagged, reply.tagged) == ([], b"OK CLOSE completed")
    assert (await client.run("EXPUNGE")).tagged == b"NO No mailbox selected"
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 1)"]


async def test_close_after_examine_removes_nothing(server: ImapServer) -> None:
    await server.add("ann", MESSAGE, flags=8)
    client = await server.login("ann")
    await client.run("EXAMINE INBOX")
    await client.run("CLOSE")
    assert (await client.run("STATUS INBOX (MESSAGES)")).untagged == [b"STATUS INBOX (MESSAGES 1)"]


async def test_other_names_than_that_of_the_inbox_have_case(server: ImapServer) -> None:
    await mailboxes(server.storage, "Work")
    client = await server.login("ann")
    assert (await client.run("SELECT iNbOx")).is_ok
    assert (await client.run("SELECT WORK")).tagged == b"NO No such mailbox"


# --- the reliability catalogue


async def test_R_011_a_busy_storage_is_said_and_the_session_goes_on(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    await in_memory.add("ann", MESSAGE)
    client = await in_memory.login("ann", "INBOX")
    memory.failure = StorageBusy()
    busy = b"NO [INUSE] Mailbox is busy, try again later"
    for command in ("FETCH 1 ENVELOPE", "STORE 1 FLAGS ()", "STATUS INBOX (UNSEEN)", 'LIST "" *', "EXPUNGE"):
        assert (await client.run(command)).tagged == busy
    assert (await client.append("INBOX", MESSAGE)).tagged == busy
    assert (await client.run("FETCH 1 FLAGS")).untagged == [rb"1 FETCH (FLAGS (\Recent))"]
    assert (await client.run("NOOP")).is_ok
    assert (await client.run("SELECT INBOX")).tagged == busy
    other = await in_memory.connect()
    await other.line()
    assert (await other.run("LOGIN bob secret")).tagged == busy
    memory.failure = None
    assert (await client.run("SELECT INBOX")).is_ok
    assert (await other.run("LOGIN bob secret")).is_ok


@pytest.mark.parametrize(
    "name",
    [
        b"..", b"/etc/passwd", b"~root", b"a..b", b".", b"{1+}\r\n\n", b"{3+}\r\na\r\n", b"&AAA-", b"&", b"&AC4-", b'"%s%n"',
        b'"*"', b"%b" % (b"x" * 300), b".".join([b"a"] * 500), b'"INBOX "', b"INBOX.", b'"\'; DROP TABLE mailbox; --"', b"nul",
        b"#user/bob", b"user.bob.INBOX", b"../bob/INBOX", b"shared/x",
    ],
)  # fmt: skip
async def test_R_105_odd_names_are_refused_and_harm_nothing(server: ImapServer, name: bytes) -> None:
    await server.add("bob", MESSAGE)
    client = await server.login("ann")
    for command in (b"SELECT %b", b"EXAMINE %b", b"STATUS %b (MESSAGES)"):
        reply = await client.run(command % name)
        assert reply.tagged == b"NO No such mailbox" or reply.tagged.startswith(b"BAD ")
        assert reply.untagged == []
    reply = await client.run(b"APPEND %b {%d+}\r\n%b" % (name, len(MESSAGE), MESSAGE))
    assert reply.tagged == b"NO [TRYCREATE] No such mailbox" or reply.tagged.startswith(b"BAD ")
    assert (await client.run('LIST "" *')).untagged == [rb'LIST (\HasNoChildren) "." INBOX']


async def test_R_105_no_pattern_takes_long(in_memory: ImapServer) -> None:
    await mailboxes(in_memory.storage, *("a" * length for length in range(1, 100)))
    client = await in_memory.login("ann")
    reply = await client.run('LIST "" "' + "*a" * 500 + 'b"')
    assert (reply.untagged, reply.is_ok) == ([], True)


async def test_R_106_other_users_mail_is_not_there(server: ImapServer) -> None:
    await server.add("bob", MESSAGE, "Secret")
    client = await server.login("ann")
    for name in ("Secret", "bob.Secret", "#user.bob.Secret", "bob", "/bob/Secret"):
        assert (await client.run(f"SELECT {name}")).tagged == b"NO No such mailbox"


async def test_R_109_a_mailbox_name_cannot_forge_responses(server: ImapServer) -> None:
    names = ['a" (b', "NIL", "{5}", "(x)", "a\\", "x]", "&"]
    await mailboxes(server.storage, *names)
    client = await server.login("ann")
    found = [parse(line) for line in (await client.run('LIST "" *')).untagged]
    assert [response[3] for response in found[1:]] == [name.replace("&", "&-").encode() for name in names]
    for response in found[1:]:
        name = response[3].decode().replace("\\", "\\\\").replace('"', '\\"')
        (status,) = (await client.run(f'STATUS "{name}" (MESSAGES)')).untagged
        assert parse(status)[1:] == [response[3], ["MESSAGES", 0]]


async def test_R_115_a_mailbox_deleted_while_it_is_open(in_memory: ImapServer, memory: FakeStorage) -> None:
    await in_memory.add("ann", MESSAGE, "box")
    client = await in_memory.login("ann", "box")
    account = memory.accounts["ann"]
    account.remove_mailbox("box")
    account.add_mailbox("box")
    account.add("box", b"Subject: another\r\n\r\n")
    for command in ("FETCH 1 ENVELOPE", "UID FETCH 1 BODY[]", "STORE 1 FLAGS ()", "EXPUNGE"):
        reply = await client.run(command)
        assert (reply.untagged, reply.tagged) == ([], b"NO No such mailbox")
    reply = await client.run("NOOP")
    assert (reply.untagged, reply.is_ok) == ([], True)
    tag = await client.start("IDLE")
    assert await client.line() == b"+ idling"
    client.send(b"DONE\r\n")
    assert (await client.finish(tag)).untagged == []
    assert b"1 EXISTS" in (await client.run("SELECT box")).untagged
