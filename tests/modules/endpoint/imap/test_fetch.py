"""Every item of FETCH, against values that are known because the messages are put together here, from their parts."""

from itertools import product
from typing import Any

import pytest

from posthouse.framework.interfaces.storage import BrokenMessage, StorageBusy, StorageError
from posthouse.testing.imap import ImapClient, ImapServer
from posthouse.testing.storage import FakeStorage

PLAIN_HEADER = (
    b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
    b"From: Terry Gray <gray@cac.washington.edu>\r\n"
    b'Subject: IMAP4rev2 "WG" mtg\r\n summary\r\n'
    b"To: imap@cac.washington.edu\r\n"
    b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
    b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
    b"X-Odd : blanks before the colon\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
    b"\r\n"
)
PLAIN_TEXT = b"one\r\n.\r\ntwo, without an end of line"
PLAIN = PLAIN_HEADER + PLAIN_TEXT

INNER_HEADER = (
    b"Subject: inner\r\nFrom: ann@example.org\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
)
INNER_1_MIME = b"Content-Type: text/plain\r\n\r\n"
INNER_1 = b"plain"
INNER_2_MIME = b"Content-Type: text/html\r\n\r\n"
INNER_2 = b"<p>html</p>"
INNER_TEXT = (
    b"--in\r\n" + INNER_1_MIME + INNER_1 + b"\r\n--in\r\n" + INNER_2_MIME + INNER_2 + b"\r\n--in--\r\n"
)
INNER = INNER_HEADER + INNER_TEXT
PART_1_MIME = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
PART_1 = "Grüße\r\n".encode()
PART_2_MIME = b'Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="a b.eml"\r\n\r\n'
PART_3_MIME = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
PART_3 = b"QUJD" * 30_000 + b"\r\n"
MIXED_HEADER = (
    b"From: Bob <bob@example.org>\r\nSubject: mixed\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=out\r\n\r\n"
)
MIXED_TEXT = (
    b"preamble\r\n--out\r\n" + PART_1_MIME + PART_1
    + b"\r\n--out\r\n" + PART_2_MIME + INNER
    + b"\r\n--out\r\n" + PART_3_MIME + PART_3 + b"\r\n--out--\r\nepilogue\r\n"
)  # fmt: skip
MIXED = MIXED_HEADER + MIXED_TEXT

BARE = b"Subject: only a header\r\n\r\n"


@pytest.fixture
async def client(server: ImapServer) -> ImapClient:
    """1 is PLAIN, \\Seen; 2 is MIXED with a keyword; 3 is BARE. None is \\Recent."""
    await server.add("ann", PLAIN, flags=1, received=837595504)
    await server.add("ann", MIXED, keywords=["$work"], received=-1)
    await server.add("ann", BARE)
    return await server.login("ann", "INBOX")


async def values(client: ImapClient, number: int, item: str) -> list[Any]:
    """What FETCH answers for one item: its name and its value."""
    found = await client.fetch(f"FETCH {number} {item}")
    assert set(found) == {number}
    return found[number]


SECTIONS = [
    (1, "", PLAIN),
    (1, "HEADER", PLAIN_HEADER),
    (1, "TEXT", PLAIN_TEXT),
    (1, "1", PLAIN_TEXT),
    (1, "1.MIME", PLAIN_HEADER),
    (1, "1.HEADER", None),
    (1, "1.TEXT", None),
    (1, "1.1", None),
    (1, "2", None),
    (2, "", MIXED),
    (2, "HEADER", MIXED_HEADER),
    (2, "TEXT", MIXED_TEXT),
    (2, "1", PART_1),
    (2, "1.MIME", PART_1_MIME),
    (2, "1.HEADER", None),
    (2, "2", INNER),
    (2, "2.MIME", PART_2_MIME),
    (2, "2.HEADER", INNER_HEADER),
    (2, "2.TEXT", INNER_TEXT),
    (2, "2.1", INNER_1),
    (2, "2.1.MIME", INNER_1_MIME),
    (2, "2.2", INNER_2),
    (2, "2.2.MIME", INNER_2_MIME),
    (2, "2.3", None),
    (2, "2.1.1", None),
    (2, "3", PART_3),
    (2, "3.MIME", PART_3_MIME),
    (2, "4", None),
    (3, "", BARE),
    (3, "HEADER", BARE),
    (3, "TEXT", b""),
    (3, "1", b""),
]


async def test_sections(client: ImapClient) -> None:
    for number, section, octets in SECTIONS:
        assert await values(client, number, f"BODY.PEEK[{section}]") == [f"BODY[{section}]", octets]


async def test_partials(client: ImapClient) -> None:
    sections = {"": MIXED, "TEXT": MIXED_TEXT, "2.HEADER": INNER_HEADER, "3": PART_3, "1": PART_1}
    partials = [(0, 1), (0, 4294967295), (5, 10), (100, 100_000), (7, 65_536), (10**6, 5)]
    for (section, octets), (offset, length) in product(sections.items(), partials):
        found = await values(client, 2, f"BODY.PEEK[{section}]<{offset}.{length}>")
        assert found == [f"BODY[{section}]<{offset}>", octets[offset : offset + length]]
    assert (await values(client, 2, "BODY.PEEK[9]<0.1>"))[1] is None


async def test_the_old_names_of_sections(client: ImapClient) -> None:
    assert await values(client, 1, "RFC822") == ["RFC822", PLAIN]
    assert await values(client, 1, "RFC822.HEADER") == ["RFC822.HEADER", PLAIN_HEADER]
    assert await values(client, 1, "RFC822.TEXT") == ["RFC822.TEXT", PLAIN_TEXT]
    assert await values(client, 1, "RFC822.SIZE") == ["RFC822.SIZE", len(PLAIN)]


@pytest.mark.parametrize(
    ("item", "octets"),
    [
        pytest.param(
            "BODY.PEEK[HEADER.FIELDS (SUBJECT to)]",
            b'Subject: IMAP4rev2 "WG" mtg\r\n summary\r\nTo: imap@cac.washington.edu\r\n\r\n',
            id="chosen, in the order of the message",
        ),
        pytest.param("BODY.PEEK[HEADER.FIELDS (Bcc)]", b"\r\n", id="none there"),
        pytest.param(
            "BODY.PEEK[HEADER.FIELDS (X-Odd)]", b"X-Odd : blanks before the colon\r\n\r\n", id="odd"
        ),
        pytest.param(
            "BODY.PEEK[HEADER.FIELDS.NOT (Date From Subject To cc Message-Id X-Odd)]",
            b"MIME-Version: 1.0\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n",
            id="all but",
        ),
        pytest.param("BODY.PEEK[HEADER.FIELDS (To)]<4.7>", b"imap@ca", id="partial"),
        pytest.param("BODY.PEEK[HEADER.FIELDS (To)]<400.7>", b"", id="partial behind the end"),
    ],
)
async def test_fields(client: ImapClient, item: str, octets: bytes) -> None:
    found = await values(client, 1, item)
    assert found[1] == octets
    assert found[0] == item.replace(".PEEK", "").replace(".7>", ">").replace("SUBJECT to", "SUBJECT to")


async def test_fields_of_a_message_in_a_part(client: ImapClient) -> None:
    label, octets = await values(client, 2, "BODY.PEEK[2.HEADER.FIELDS (from)]")
    assert (label, octets) == ("BODY[2.HEADER.FIELDS (from)]", b"From: ann@example.org\r\n\r\n")
    assert (await values(client, 2, "BODY.PEEK[1.HEADER.FIELDS (from)]"))[1] is None


async def test_envelope(client: ImapClient) -> None:
    gray = [[b"Terry Gray", None, b"gray", b"cac.washington.edu"]]
    assert await values(client, 1, "ENVELOPE") == [
        "ENVELOPE",
        [
            b"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)",
            b'IMAP4rev2 "WG" mtg summary',
            gray,
            gray,
            gray,
            [[None, None, b"imap", b"cac.washington.edu"]],
            [
                [None, None, b"minutes", b"CNRI.Reston.VA.US"],
                [b"John Klensin", None, b"KLENSIN", b"MIT.EDU"],
            ],
            None,
            None,
            b"<B27397-0100000@cac.washington.edu>",
        ],
    ]


async def test_the_structure_of_a_text(client: ImapClient) -> None:
    basic = [b"TEXT", b"PLAIN", [b"CHARSET", b"US-ASCII"], None, None, b"7BIT", len(PLAIN_TEXT), 2]
    name, body = await values(client, 1, "BODY")
    assert name == "BODY"
    assert _upper(body) == _upper(basic)
    name, structure = await values(client, 1, "BODYSTRUCTURE")
    assert name == "BODYSTRUCTURE"
    assert _upper(structure) == _upper([*basic, None, None, None, None])


async def test_the_structure_of_parts(client: ImapClient) -> None:
    ann = [[None, None, b"ann", b"example.org"]]
    inner = [
        [b"text", b"plain", None, None, None, b"7bit", len(INNER_1), 0],
        [b"text", b"html", None, None, None, b"7bit", len(INNER_2), 0],
        b"alternative",
    ]
    envelope = [None, b"inner", ann, ann, ann, None, None, None, None, None]
    basic = [
        [b"text", b"plain", [b"charset", b"utf-8"], None, None, b"8bit", len(PART_1), 1],
        [b"message", b"rfc822", None, None, None, b"7bit", len(INNER), envelope, inner, INNER.count(b"\n")],
        [b"application", b"octet-stream", None, None, None, b"base64", len(PART_3)],
        b"mixed",
    ]
    name, body = await values(client, 2, "BODY")
    assert _upper(_defaults(body)) == _upper(_defaults(basic))
    name, structure = await values(client, 2, "BODYSTRUCTURE")
    assert name == "BODYSTRUCTURE"
    assert structure[4:5] == [[b"boundary", b"out"]]
    assert [len(part) for part in structure[:3]] == [12, 14, 11]
    assert structure[1][11] == [b"attachment", [b"filename", b"a b.eml"]]


def _upper(value: Any) -> Any:
    """Types, parameters' names and encodings have no case."""
    if isinstance(value, list):
        return [_upper(one) for one in value]
    return value.upper() if isinstance(value, bytes) else value


def _defaults(value: Any) -> Any:
    """A text without a charset may say what the default is (RFC 2045 §5.2)."""
    if not isinstance(value, list):
        return value
    if value[:1] == [b"text"] and value[2] is None:
        value = [*value[:2], [b"charset", b"us-ascii"], *value[3:]]
    return [_defaults(one) for one in value]


async def test_dates_are_of_a_fixed_form(client: ImapClient) -> None:
    assert await values(client, 1, "INTERNALDATE") == ["INTERNALDATE", b"17-Jul-1996 09:25:04 +0000"]
    assert await values(client, 2, "INTERNALDATE") == ["INTERNALDATE", b"31-Dec-1969 23:59:59 +0000"]


async def test_flags_and_uids_in_any_order(client: ImapClient) -> None:
    assert await client.fetch("FETCH 1:3 FLAGS") == {
        1: ["FLAGS", ["\\Seen", "\\Recent"]],
        2: ["FLAGS", ["\\Recent", "$work"]],
        3: ["FLAGS", ["\\Recent"]],
    }
    assert await client.fetch("FETCH 2 (UID FLAGS)") == {2: ["UID", 2, "FLAGS", ["\\Recent", "$work"]]}
    assert await client.fetch("FETCH 2 (FLAGS UID)") == {2: ["FLAGS", ["\\Recent", "$work"], "UID", 2]}
    assert await client.fetch("FETCH 2:* UID") == {2: ["UID", 2], 3: ["UID", 3]}
    assert await client.fetch("FETCH 3 (UID UID)") == {3: ["UID", 3, "UID", 3]}


async def test_macros(client: ImapClient) -> None:
    fast = ["FLAGS", "INTERNALDATE", "RFC822.SIZE"]
    for macro, names in (("FAST", fast), ("ALL", [*fast, "ENVELOPE"]), ("FULL", [*fast, "ENVELOPE", "BODY"])):
        found = await values(client, 3, macro)
        assert found[::2] == names
        assert found[5] == len(BARE)


async def test_items_come_in_the_order_asked(client: ImapClient) -> None:
    asked = ["BODY[HEADER]", "UID", "RFC822.SIZE", "BODY[TEXT]", "FLAGS", "ENVELOPE"]
    found = await values(client, 1, "(BODY.PEEK[HEADER] UID RFC822.SIZE BODY.PEEK[TEXT] FLAGS ENVELOPE)")
    assert found[::2] == asked


async def test_uid_fetch_adds_the_uid(client: ImapClient) -> None:
    for items in ("FLAGS", "RFC822.SIZE", "BODY.PEEK[TEXT]"):
        reply = await client.fetch(f"UID FETCH 3 {items}")
        assert reply[3][-2:] == ["UID", 3]
    assert await client.fetch("UID FETCH 3 (UID FLAGS)") == {3: ["UID", 3, "FLAGS", ["\\Recent"]]}
    assert (await client.run("UID FETCH 3 UID")).tagged == b"OK UID FETCH completed"


async def test_messages_that_are_not_there_are_left_out(client: ImapClient) -> None:
    for command in (
        "FETCH 4:9 FLAGS",
        "FETCH 9 (FLAGS ENVELOPE)",
        "UID FETCH 4:9 BODY[]",
        "UID FETCH 100 FLAGS",
    ):
        reply = await client.run(command)
        assert (reply.untagged, reply.is_ok) == ([], True)
    assert list(await client.fetch("FETCH 9,2:100,1 UID")) == [1, 2, 3]
    assert list(await client.fetch("UID FETCH 100:* UID")) == [3]
    assert list(await client.fetch("FETCH * UID")) == [3]


async def test_reading_sets_seen_and_peeking_does_not(client: ImapClient) -> None:
    for item in ("BODY.PEEK[]", "RFC822.HEADER", "BODY.PEEK[TEXT]", "ENVELOPE", "RFC822.SIZE"):
        assert "FLAGS" not in await values(client, 2, item)
    reply = await client.run("FETCH 2 BODY[TEXT]<0.1>")
    assert reply.untagged == [b"2 FETCH (BODY[TEXT]<0> {1}\r\np FLAGS (\\Seen \\Recent $work))"]
    reply = await client.run("FETCH 2 BODY[TEXT]<0.1>")
    assert reply.untagged == [b"2 FETCH (BODY[TEXT]<0> {1}\r\np)"]
    reply = await client.run("UID FETCH 3 RFC822.TEXT")
    assert reply.untagged == [
        b"3 FETCH (RFC822.TEXT {0}\r\n UID 3 FLAGS (\\Seen \\Recent))",
    ]
    assert (await client.run("STATUS INBOX (UNSEEN)")).untagged == [b"STATUS INBOX (UNSEEN 0)"]


async def test_reading_in_examine_leaves_no_trace(server: ImapServer) -> None:
    await server.add("ann", PLAIN)
    client = await server.login("ann")
    await client.run("EXAMINE INBOX")
    assert "FLAGS" not in await values(client, 1, "BODY[TEXT]")
    assert (await client.run("STATUS INBOX (UNSEEN)")).untagged == [b"STATUS INBOX (UNSEEN 1)"]


async def test_many_messages_come_in_order(in_memory: ImapServer) -> None:
    """More than a chunk of rows."""
    for number in range(1, 601):
        await in_memory.add("ann", b"Subject: %d\r\n\r\n" % number)
    client = await in_memory.login("ann", "INBOX")
    assert list(await client.fetch("FETCH 1:* FLAGS")) == list(range(1, 601))
    sizes = await client.fetch("FETCH 2:599 (UID RFC822.SIZE)")
    assert [items[1] for items in sizes.values()] == list(range(2, 600))
    subjects = await client.fetch("FETCH 1:* BODY[HEADER.FIELDS (Subject)]")
    assert [items[1] for items in subjects.values()] == [b"Subject: %d\r\n\r\n" % n for n in range(1, 601)]
    flags = await client.fetch("FETCH 1:* FLAGS")
    assert all("\\Seen" in items[1] for items in flags.values())


async def test_R_140_octets_come_back_unchanged(server: ImapServer) -> None:
    odd = b"X: \xff\xfe\r\n\r\n" + bytes(range(1, 10)) + bytes(range(11, 256)) + b"\r\r\n.\r\nno end"
    client = await server.login("ann", "INBOX")
    assert (await client.append("INBOX", odd)).is_ok
    assert await values(client, 1, "BODY.PEEK[]") == ["BODY[]", odd]
    assert await values(client, 1, "RFC822.SIZE") == ["RFC822.SIZE", len(odd)]


async def test_nul_in_a_stored_message_is_shown_as_0x80(in_memory: ImapServer) -> None:
    await in_memory.add("ann", b"A: b\0c\r\n\r\nd\0e")
    client = await in_memory.login("ann", "INBOX")
    assert await values(client, 1, "BODY.PEEK[]") == ["BODY[]", b"A: b\x80c\r\n\r\nd\x80e"]


# --- the reliability catalogue


async def test_R_025_a_damaged_message_is_refused_alone(in_memory: ImapServer, memory: FakeStorage) -> None:
    for number in range(1, 4):
        await in_memory.add("ann", b"Subject: %d\r\n\r\n" % number)
    memory.accounts["ann"].boxes["INBOX"].messages[2].is_broken = True
    client = await in_memory.login("ann", "INBOX")
    reply = await client.run("FETCH 1:3 (UID BODY[TEXT])")
    assert [line[:1] for line in reply.untagged if b"BODY[TEXT]" in line] == [b"1", b"3"]
    assert reply.tagged == b"NO Message is damaged"
    found = await client.fetch("FETCH 1:3 (FLAGS RFC822.SIZE)")
    assert ["\\Seen" in items[1] for items in found.values()] == [True, False, True]


async def test_R_025_a_message_whose_description_is_wrong(in_memory: ImapServer, memory: FakeStorage) -> None:
    for _ in range(3):
        await in_memory.add("ann", MIXED)
    messages = memory.accounts["ann"].boxes["INBOX"].messages
    messages[1].structure = messages[1].structure._replace(parts=b"damaged")
    messages[2].data = MIXED[:100]
    client = await in_memory.login("ann", "INBOX")
    for item in (
        "BODY.PEEK[TEXT]",
        "BODY.PEEK[2.HEADER.FIELDS (Subject)]",
        "BODY.PEEK[2.HEADER]",
        "BODY.PEEK[3]<1.5>",
    ):
        reply = await client.run(f"FETCH 1:3 (UID {item})")
        assert [line[:1] for line in reply.untagged] == [b"3"]
        assert reply.tagged == b"NO Message is damaged"


@pytest.mark.parametrize("failure", [BrokenMessage, StorageBusy])
async def test_R_025_a_message_that_breaks_off_ends_only_its_connection(
    in_memory: ImapServer, memory: FakeStorage, failure: type[StorageError]
) -> None:
    await in_memory.add("ann", MIXED)
    message = memory.accounts["ann"].boxes["INBOX"].messages[1]
    message.cut_at, message.cut_by = 100_000, failure
    client = await in_memory.login("ann", "INBOX")
    await client.start("FETCH 1 BODY[]")
    with pytest.raises((ConnectionError, EOFError)):
        await client.line()
    other = await in_memory.login("ann", "INBOX")
    assert await values(other, 1, "BODY.PEEK[2.HEADER]") == ["BODY[2.HEADER]", INNER_HEADER]
    assert (await other.run("STATUS INBOX (UNSEEN)")).untagged == [b"STATUS INBOX (UNSEEN 1)"]


async def test_R_108_odd_items(client: ImapClient) -> None:
    deep = ".".join(["1"] * 10_000)
    assert await values(client, 2, f"BODY.PEEK[{deep}]") == [f"BODY[{deep}]", None]
    names = " ".join(f"n{number}" for number in range(7000))
    assert (await values(client, 2, f"BODY.PEEK[HEADER.FIELDS ({names} Subject)]"))[
        1
    ] == b"Subject: mixed\r\n\r\n"
    reply = await client.run("FETCH 1 (" + " ".join(["UID"] * 2000) + ")")
    assert reply.tagged == b"NO [LIMIT] Too many items"
    assert await values(client, 1, "BODY.PEEK[TEXT]<4294967295.1>") == ["BODY[TEXT]<4294967295>", b""]
    assert (await client.run("NOOP")).is_ok


@pytest.mark.parametrize(
    "value",
    [
        b'"', b"\\", b'a" ("b', b"{5}", b"{5}\r\n abc", b"(", b")", b"NIL", b"\xff\xfe", "ü".encode(), b"a\r\n\tb", b'\\\\"',
        b'x" NIL NIL) UID 99 (', b"=?utf-8?q?=0d=0a?=", b"%s", b"*",
    ],
)  # fmt: skip
async def test_R_109_a_message_cannot_forge_responses(server: ImapServer, value: bytes) -> None:
    header = (
        b'Subject: %(v)b\r\nFrom: %(v)b <a@b>\r\nTo: "%(v)b" <%(v)b@%(v)b>\r\nMessage-Id: %(v)b\r\nDate: %(v)b\r\n'
        b'Content-Type: application/x; name=%(v)b; %(v)b="%(v)b"\r\nContent-Id: %(v)b\r\nContent-Description: %(v)b\r\n'
        b'Content-Disposition: %(v)b; filename="%(v)b"\r\nContent-Language: %(v)b\r\nContent-Location: %(v)b\r\n'
        b"Content-Transfer-Encoding: %(v)b\r\nIn-Reply-To: %(v)b\r\nContent-MD5: %(v)b\r\n\r\n"
    ) % {b"v": value}
    await server.add("ann", header + b"text")
    await server.add("ann", PLAIN)
    client = await server.login("ann", "INBOX")
    for items in ("FULL", "(BODYSTRUCTURE ENVELOPE)", "(BODY.PEEK[HEADER] UID)"):
        found = await client.fetch(f"FETCH 1:2 {items}")  # the client reads strictly
        assert list(found) == [1, 2]
        assert len(found[1]) == len(found[2])
