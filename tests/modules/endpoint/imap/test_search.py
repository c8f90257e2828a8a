"""SEARCH: every key, over both storages."""

import asyncio
import base64
from collections.abc import Callable

import pytest

from posthouse.framework.interfaces.storage import NoSuchMailbox
from posthouse.modules.endpoint.imap.derived import OVERHEAD, Derived
from posthouse.testing.imap import PATIENCE, ImapClient, ImapServer
from posthouse.testing.storage import ROWS, FakeStorage

DAY = 86_400
CHUNKS = 20  # in which many messages are searched
ONE = (  # \Seen, received on 1 February 1994
    b"Date: Mon, 7 Feb 1994 23:59:59 -0800\r\n"
    b'From: "Fred Foobar" <foobar@Blurdybloop.example>\r\n'
    b"To: mooch@owatagu.example, (a comment) bob@example.net\r\nCc: carol@example.net\r\nBcc: dave@example.net\r\n"
    b"Subject: afternoon meeting\r\nMessage-ID: <one@example>\r\nX-Odd: twice\r\nX-Odd: and\r\n folded\r\n"
    b"\r\nHello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
)
TWO = (  # $work, received on 2 February 1994
    "From: =?utf-8?Q?J=C3=BCrgen?= =?utf-8?b?IE3DvGxsZXI=?= <jm@example.org>\r\n"
    "Subject: =?iso-8859-1?Q?Gr=FC=DFe?= aus dem\r\n S=?x\r\nMIME-Version: 1.0\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.encodebytes("Straße und Käse, afternoon\r\n".encode()).decode().replace("\n", "\r\n")
    + "\r\n--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    "X-Part: partly\r\n\r\nfor=\r\nest with B=E4ume\r\n--b\r\n"
    "Content-Type: application/octet-stream\r\n\r\nsecretive\r\n--b--\r\n"
).encode()
THREE = b"\r\nno header: forest\r\n"  # \Flagged \Answered, received on 3 February 1994
FOUR = b'Subject:\r\nTo: \r\nDate: yesterday\r\nFrom: "a\\\\b" <x@[1.2.3.4]>\r\n\r\n'  # \Deleted \Draft, 4 February


def day(of_february: int) -> int:
    return (8796 + of_february) * DAY + 3600  # 1 February 1994 is day 8797


@pytest.fixture
async def client(server: ImapServer) -> ImapClient:
    await server.add("ann", ONE, flags=1, received=day(1))
    await server.add("ann", b"Subject: gone\r\n\r\n", flags=8)
    await server.add("ann", TWO, keywords=["$work"], received=day(2))
    first = await server.login("ann", "INBOX")
    await first.run("EXPUNGE")
    await server.add("ann", THREE, flags=4 | 2, received=day(3))
    await server.add("ann", FOUR, flags=8 | 16, received=day(4))
    return await server.login("ann", "INBOX")


KEYS = [
    ("ALL", "1 2 3 4"),
    ("1", "1"), ("*", "4"), ("2:3,1", "1 2 3"), ("5:9", ""), ("4294967295:2", "2 3 4"),
    ("UID 1,3", "1 2"), ("UID 2", ""), ("UID 5:*", "4"), ("UID 9:*", "4"),
    ("SEEN", "1"), ("UNSEEN", "2 3 4"), ("ANSWERED", "3"), ("UNANSWERED", "1 2 4"), ("FLAGGED", "3"),
    ("UNFLAGGED", "1 2 4"), ("DELETED", "4"), ("UNDELETED", "1 2 3"), ("DRAFT", "4"), ("UNDRAFT", "1 2 3"),
    ("KEYWORD $Work", "2"), ("UNKEYWORD $WORK", "1 3 4"), ("KEYWORD other", ""), ("UNKEYWORD other", "1 2 3 4"),
    ("BEFORE 2-Feb-1994", "1"), ("ON 02-feb-1994", "2"), ('SINCE "2-Feb-1994"', "2 3 4"),
    ("SENTBEFORE 8-Feb-1994", "1"), ("SENTON 7-Feb-1994", "1"), ("SENTSINCE 7-Feb-1994", "1"),
    ("SENTSINCE 8-Feb-1994", ""), ("SENTBEFORE 7-Feb-1994", ""), ("NOT SENTBEFORE 1-Jan-2030", "2 3 4"),
    (f"LARGER {len(ONE) - 1}", "1 2"), (f"LARGER {len(ONE)}", "2"), (f"SMALLER {len(ONE)}", "3 4"),
    ("SMALLER 0", ""), ("LARGER 4294967295", ""),
    ("FROM foobar", "1"), ("FROM BLURDYBLOOP", "1"), ("FROM nobody", ""), ('FROM "Fred Foobar <foo"', "1"),
    ("FROM jm@", "2"), ("TO mooch", "1"), ("TO comment", "1"), ("CC carol@", "1"), ("BCC dave", "1"), ("BCC carol", ""),
    ('FROM "x@[1.2.3.4]"', "4"), ('FROM "a\\\\b"', "4"),
    ("SUBJECT afternoon", "1"), ("SUBJECT AFTERNOON", "1"), ("SUBJECT meetings", ""), ('SUBJECT "aus dem S=?x"', "2"),
    ('SUBJECT ""', "1 2 4"), ('TO ""', "1 4"), ('CC ""', "1"),
    ("HEADER x-odd TWICE", "1"), ('HEADER X-ODD "and folded"', "1"), ('HEADER x-odd ""', "1"), ("HEADER X-Od d", ""),
    ("HEADER Message-ID <ONE@", "1"), ("HEADER X-Part partly", ""),
    ("BODY afternoon", "2"), ("BODY 3:30", "1"), ("BODY forest", "2 3"), ("BODY secretive", ""), ("BODY meeting", ""),
    ('BODY ""', "1 2 3 4"),
    ("TEXT afternoon", "1 2"), ("TEXT partly", "2"), ("TEXT header", "3"), ("TEXT yesterday", "4"), ("TEXT xyz", ""),
    ("NOT SEEN", "2 3 4"), ("NOT NOT SEEN", "1"), ("NOT (SEEN)", "2 3 4"), ("NOT TEXT afternoon", "3 4"),
    ("OR SEEN DELETED", "1 4"), ("OR OR SEEN DELETED FLAGGED", "1 3 4"), ("OR SEEN OR DELETED FLAGGED", "1 3 4"),
    ("OR (SEEN DELETED) (FLAGGED ANSWERED)", "3"), ("UNSEEN SUBJECT aus", "2"), ("SEEN SUBJECT aus", ""),
    ("OR TEXT partly BODY 3:30", "1 2"), ("TEXT afternoon NOT BODY afternoon", "1"), ("(((1:2)) (ALL))", "1 2"),
    ("OR BODY forest SUBJECT afternoon UNSEEN", "2 3"), ("3 UNSEEN TEXT forest", "3"),
    ("1:2 OR FROM foobar (UID 3 KEYWORD $work) LARGER 1 BEFORE 5-Feb-1994", "1 2"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "expected"), KEYS)
async def test_every_key_finds_what_it_means(client: ImapClient, keys: str, expected: str) -> None:
    reply = await client.run(f"SEARCH {keys}")
    assert reply.tagged == b"OK SEARCH completed"
    assert reply.untagged == [f"SEARCH {expected}".strip().encode()]


@pytest.mark.parametrize(
    ("keys", "uids"), [("ALL", "1 3 4 5"), ("TEXT afternoon", "1 3"), ("2:3", "3 4"), ("FROM nobody", "")]
)
async def test_uid_search_answers_with_uids(client: ImapClient, keys: str, uids: str) -> None:
    reply = await client.run(f"UID SEARCH {keys}")
    assert reply.tagged == b"OK UID SEARCH completed"
    assert reply.untagged == [f"SEARCH {uids}".strip().encode()]


async def test_text_in_utf8_is_found_without_regard_to_case(client: ImapClient) -> None:
    for keys, expected in (
        ('SUBJECT "gr\u00fc\u00dfe"', b" 2"),
        ('CHARSET UTF-8 FROM "J\u00dcRGEN M"', b" 2"),
        ('BODY "stra\u00dfe und k\u00e4se"', b" 2"),
        ('TEXT "ba\u0308UME"', b" 2"),  # decomposed
        ('BODY "strasse"', b""),
        ('SUBJECT "\u65e5"', b""),
    ):
        assert (await client.run(f"SEARCH {keys}")).untagged == [b"SEARCH" + expected], keys


async def test_a_charset_that_is_not_known_is_refused(client: ImapClient) -> None:
    reply = await client.run("SEARCH CHARSET ISO-8859-1 TEXT x")
    assert reply.tagged == b"NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset"
    assert not reply.untagged


async def test_modseq_is_told_with_what_is_found(client: ImapClient, server: ImapServer) -> None:
    other = await server.login("ann", "INBOX")
    await other.run("STORE 2 +FLAGS (\\Flagged)")
    await client.run("ENABLE CONDSTORE")
    fetched = await client.fetch("FETCH 1:* (MODSEQ)")
    modseqs = {number: values[values.index("MODSEQ") + 1][0] for number, values in fetched.items()}
    highest = max(modseqs.values())
    assert modseqs[2] == highest
    reply = await client.run(f"SEARCH MODSEQ {highest}")
    assert reply.untagged == [f"SEARCH 2 (MODSEQ {highest})".encode()]
    reply = await client.run(f'UID SORT (ARRIVAL) UTF-8 OR 1 MODSEQ "/flags/\\\\flagged" all {highest}')
    assert reply.untagged == [f"SORT 1 3 (MODSEQ {highest})".encode()]
    assert (await client.run(f"SEARCH MODSEQ {highest + 1}")).untagged == [b"SEARCH"]


async def test_a_search_with_modseq_enables_condstore(client: ImapClient, server: ImapServer) -> None:
    await client.run("SEARCH MODSEQ 1")
    other = await server.login("ann", "INBOX")
    await other.run("STORE 1 +FLAGS (\\Flagged)")
    news = (await client.run("NOOP")).untagged
    assert len(news) == 1
    assert b"MODSEQ (" in news[0]


async def test_flags_are_those_of_now_but_messages_those_that_the_client_knows(
    client: ImapClient, server: ImapServer
) -> None:
    other = await server.login("ann", "INBOX")
    await other.run("STORE 1 -FLAGS (\\Seen)")
    await server.add("ann", ONE)
    reply = await client.run("SEARCH UNSEEN")
    assert reply.untagged == [
        b"SEARCH 1 2 3 4",
        b"1 FETCH (FLAGS (\\Recent) UID 1)",
        b"5 EXISTS",
        b"5 RECENT",
    ]


async def test_R_114_removals_are_not_told_while_numbers_are_in_use(
    client: ImapClient, server: ImapServer
) -> None:
    other = await server.login("ann", "INBOX")
    await other.run("STORE 2 +FLAGS.SILENT (\\Deleted)")
    await other.run("EXPUNGE")
    for command, answer in (
        ("SEARCH ALL", b"SEARCH 1 2 3 4"),
        ("SEARCH TEXT afternoon", b"SEARCH 1"),
        ("SORT (SIZE) UTF-8 3", b"SORT 3"),
        ("THREAD ORDEREDSUBJECT UTF-8 1", b"THREAD (1)"),
    ):
        told = (await client.run(command)).untagged
        assert told[0] == answer
        assert not any(b"EXPUNGE" in line for line in told)
    told = (await client.run("UID SEARCH ALL")).untagged
    assert told[0] == b"SEARCH 1 3 4 5"
    assert b"2 EXPUNGE" in told
    assert b"4 EXPUNGE" in told


async def test_searches_need_a_selected_mailbox(server: ImapServer) -> None:
    await server.add("ann", ONE)
    client = await server.login("ann")
    for command in ("SEARCH ALL", "UID SORT (DATE) UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"):
        assert (await client.run(command)).tagged == b"NO No mailbox selected"


async def test_an_empty_mailbox_has_nothing(server: ImapServer) -> None:
    await server.storage.create_account("ann")
    client = await server.login("ann", "INBOX")
    for keys in ("ALL", "1", "*", "UID *", "NOT TEXT x", "FROM x"):
        assert (await client.run(f"SEARCH {keys}")).untagged == [b"SEARCH"]
    assert (await client.run("SORT (DATE) UTF-8 ALL")).untagged == [b"SORT"]
    assert (await client.run("THREAD ORDEREDSUBJECT UTF-8 ALL")).untagged == [b"THREAD"]


async def test_R_103_a_deep_search_is_bad_and_the_session_goes_on(client: ImapClient) -> None:
    assert (await client.run("SEARCH " + "(" * 50_000)).tagged.startswith(b"BAD ")
    assert (await client.run("SEARCH " + "NOT " * 20_000 + "SEEN")).tagged.startswith(b"BAD ")
    assert (await client.run("SEARCH " + "OR " * 900 + "SEEN " * 900 + "1")).untagged == [b"SEARCH 1"]


async def test_R_025_a_message_that_is_damaged_is_not_found(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    for _ in range(3):
        await in_memory.add("ann", ONE)
    messages = memory.accounts["ann"].boxes["INBOX"].messages
    messages[1].is_broken = True
    messages[2].cut_at = 20
    client = await in_memory.login("ann", "INBOX")
    assert (await client.run("SEARCH TEXT Joe")).untagged == [b"SEARCH 3"]
    assert (await client.run("SEARCH NOT TEXT nothing")).untagged == [b"SEARCH 3"]
    assert (await client.run("SEARCH SUBJECT meeting")).untagged == [b"SEARCH 1 2 3"]


async def test_a_failing_storage_is_told(in_memory: ImapServer, memory: FakeStorage) -> None:
    await in_memory.add("ann", ONE)
    client = await in_memory.login("ann", "INBOX")
    for call, command in (
        ("messages", "SEARCH TEXT x"),
        ("columns", "SORT (DATE) UTF-8 ALL"),
        ("changes", "SEARCH ALL"),
    ):
        memory.failing = {call: NoSuchMailbox()}
        assert (await client.run(command)).tagged == b"NO No such mailbox"


async def test_others_are_served_while_one_searches(in_memory: ImapServer, memory: FakeStorage) -> None:
    await in_memory.add("ann", ONE)
    client, other = [await in_memory.login("ann", "INBOX") for _ in range(2)]
    memory.held["messages"] = asyncio.Event()
    tag = await client.start("SEARCH TEXT joe")
    for command in ("NOOP", "SEARCH FROM fred", "FETCH 1 (BODY.PEEK[])"):
        assert (await other.run(command)).is_ok
    memory.held["messages"].set()
    assert (await client.finish(tag)).untagged == [b"SEARCH 1"]


async def test_a_client_that_only_listens_hears_what_was_found(in_memory: ImapServer) -> None:
    await in_memory.add("ann", ONE)
    client = await in_memory.login("ann", "INBOX")
    client.send(b"a SEARCH TEXT joe\r\n")
    client.writer.write_eof()
    assert [line for line in await client.rest() if line != b"* OK Searching"] == [
        b"* SEARCH 1",
        b"a OK SEARCH completed",
    ]


async def test_nothing_is_searched_for_a_client_that_has_left(
    in_memory: ImapServer, memory: FakeStorage
) -> None:
    account = memory.add_account("ann")
    for _ in range(CHUNKS * ROWS):
        account.add("INBOX", b"\r\njane")
    client = await in_memory.login("ann", "INBOX")
    memory.held["messages"] = asyncio.Event()
    await client.start("SEARCH TEXT joe")
    await _until(lambda: "messages" in memory.calls)
    client.close()
    memory.held["messages"].set()
    await _until(lambda: not in_memory.endpoint._sessions)  # nobody else knows when a session has ended
    assert memory.calls.count("messages") < CHUNKS


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0)


async def test_what_was_made_of_messages_is_made_once(in_memory: ImapServer, memory: FakeStorage) -> None:
    await in_memory.add("ann", ONE)
    client = await in_memory.login("ann", "INBOX")
    for _ in range(2):
        assert (await client.run("SEARCH FROM fred HEADER x-odd twice")).untagged == [b"SEARCH 1"]
        assert (await client.run("SORT (SUBJECT FROM) UTF-8 1")).untagged == [b"SORT 1"]
        assert [memory.calls.count(name) for name in ("columns", "messages")] == [2, 1]
    await in_memory.add("ann", TWO)
    await client.run("NOOP")
    assert (await client.run("SEARCH FROM example")).untagged == [b"SEARCH 1 2"]
    assert memory.calls.count("columns") == 3
    await client.run("SEARCH OR FROM jm SUBJECT jm")
    assert memory.calls.count("columns") == 4


def test_what_is_kept_takes_no_more_than_its_room() -> None:
    derived = Derived(room=2 * (OVERHEAD + 3))
    for mailbox in (1, 2, 3):
        derived.add(derived.of(mailbox, "x"), {7: b"abc"})
        derived.of(1, "x")
        derived.trim()
    assert [7 in derived.of(mailbox, "x").values for mailbox in (1, 2, 3)] == [True, False, True]
    held = derived.of(4, "x")
    for _ in range(2):
        derived.add(held, dict.fromkeys(range(9), 1))
        derived.trim()
    assert len(held.values) == 9
    assert not derived.of(4, "x").values
