"""SORT and THREAD (RFC 5256), over both storages."""

import pytest

from posthouse.testing.imap import ImapClient, ImapServer
from posthouse.testing.storage import FakeStorage


def message(subject: str, date: str, sender: str = "", to: str = "", cc: str = "", size: int = 1) -> bytes:
    fields = {"Subject": subject, "Date": date, "From": sender, "To": to, "Cc": cc}
    header = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"{header}\r\n{'x' * size}".encode()


MESSAGES = [  # received in the reverse order
    message("beta", "Mon, 02 Jan 2006 15:04:05 +0000", "Zoe <bob@example.org>", "c@x.example", "a@x.example", 500),
    message("Re: ALPHA", "Mon, 02 Jan 2006 15:04:05 -0100", "Ann <zoe@example.org>", "b@x.example", size=400),
    message("alpha", "Mon, 02 Jan 2006 16:04:04 +0100", "carol@example.org", "C@y.example, a@x.example", "b@x.example", 900),
    message("[list] Fwd: beta", "no date", "Bob@a.example", "a@x.example", size=100),
    message("=?utf-8?q?=C3=84lpha?=", "Sun, 01 Jan 2006 23:00:00 -0500", size=300),
    message("RE: alpha (fwd)", "Sat, 31 Dec 2005 00:00:00 +0000", "alf@example.org", "d@x.example", size=10),
]  # fmt: skip
NO_DATE = 1_136_214_000  # 2 January 2006, 15:00: between those of the others


@pytest.fixture
async def client(server: ImapServer) -> ImapClient:
    for number, octets in enumerate(MESSAGES):
        await server.add("ann", octets, received=NO_DATE - (number - 3) * 10)
        if number == 2:
            await server.add("ann", b"\r\n", flags=8)  # so that UIDs and numbers differ
    first = await server.login("ann", "INBOX")
    await first.run("EXPUNGE")
    return await server.login("ann", "INBOX")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("ARRIVAL", "6 5 4 3 2 1"),
        ("REVERSE ARRIVAL", "1 2 3 4 5 6"),
        ("SIZE", "6 4 5 2 1 3"),
        ("DATE", "6 5 4 3 1 2"),
        ("REVERSE DATE", "2 1 3 4 5 6"),
        ("FROM", "5 6 1 4 3 2"),
        ("TO", "5 4 2 1 3 6"),
        ("CC", "2 4 5 6 1 3"),
        ("SUBJECT", "2 3 6 5 1 4"),
        ("SUBJECT REVERSE DATE", "2 3 6 5 1 4"),
        ("SUBJECT DATE", "6 3 2 5 4 1"),
        ("REVERSE SUBJECT SIZE", "4 1 5 6 2 3"),
        ("REVERSE CC", "3 1 2 4 5 6"),
    ],
)
async def test_messages_are_sorted(client: ImapClient, criteria: str, expected: str) -> None:
    reply = await client.run(f"SORT ({criteria}) UTF-8 ALL")
    assert reply.tagged == b"OK SORT completed"
    assert reply.untagged == [f"SORT {expected}".encode()]


async def test_only_what_is_meant_is_sorted_and_uids_are_told(client: ImapClient) -> None:
    reply = await client.run('UID SORT (SUBJECT) US-ASCII SUBJECT "alpha" NOT 2')
    assert reply.tagged == b"OK UID SORT completed"
    assert reply.untagged == [b"SORT 3 7"]
    assert (await client.run("SORT (SUBJECT) UTF-8 SUBJECT gamma")).untagged == [b"SORT"]


async def test_messages_of_one_subject_are_a_thread(client: ImapClient) -> None:
    reply = await client.run("THREAD ORDEREDSUBJECT UTF-8 ALL")
    assert reply.tagged == b"OK THREAD completed"
    assert reply.untagged == [b"THREAD (6 (3)(2))(5)(4 1)"]
    reply = await client.run("UID THREAD ORDEREDSUBJECT UTF-8 NOT 2")
    assert reply.tagged == b"OK UID THREAD completed"
    assert reply.untagged == [b"THREAD (7 3)(6)(5 1)"]


async def test_a_damaged_envelope_has_no_fields(in_memory: ImapServer, memory: FakeStorage) -> None:
    account = memory.add_account("ann")
    for octets in MESSAGES[:2]:
        account.add("INBOX", octets)
    damaged = account.boxes["INBOX"].messages[1]
    damaged.structure = damaged.structure._replace(envelope=b"(NIL)")
    client = await in_memory.login("ann", "INBOX")
    assert (await client.run("SORT (FROM) UTF-8 ALL")).untagged == [b"SORT 1 2"]
    assert (await client.run("SEARCH OR FROM example SENTSINCE 1-Jan-1980")).untagged == [b"SEARCH 2"]
    damaged.structure = damaged.structure._replace(
        envelope=b'(NIL NIL ((NIL "a")) NIL NIL NIL NIL NIL NIL NIL)'
    )
    assert (await client.run("SORT (FROM) UTF-8 ALL")).untagged == [b"SORT 1 2"]
