"""SEARCH: every key, over both storages."""

import base64

import pytest

from posthouse.testing.imap import ImapClient, ImapServer

DAY = 86_400
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
