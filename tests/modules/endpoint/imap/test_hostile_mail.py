"""What hostile mail does to those who read it: nothing. It is stored, described, found, sorted, and the mail beside it too."""

from typing import Any

import pytest

from posthouse.message.address_list import ADDRESSES_MAX
from posthouse.message.structure.content import PARAMETERS_MAX
from posthouse.message.structure.scan import DEPTH_MAX, PARTS_MAX
from posthouse.testing.imap import ImapClient, ImapServer

GOOD = b"Subject: good\r\nFrom: ann@example.org\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\n\r\ngood text\r\n"
RECEIVED = " 2-Feb-2004 12:00:00 +0000"
A_FEW = 10

pytestmark = pytest.mark.parametrize("storage", ["imapsql"], indirect=True)


def multipart(boundary: bytes, body: bytes) -> bytes:
    return b"Subject: bad\r\nContent-Type: multipart/mixed; boundary=%b\r\n\r\n%b" % (boundary, body)


def field(name: str, value: bytes) -> bytes:
    subject = b"" if name == "Subject" else b"Subject: bad\r\n"
    return b"%b%b: %b\r\n\r\nbad text\r\n" % (subject, name.encode(), value)


async def appended(server: ImapServer, message: bytes) -> ImapClient:
    """A client that has stored this message as 1, and a good one as 2, and has seen that both can be worked with."""
    client = await server.login("ann", "INBOX")
    assert (await client.append("INBOX", message, f'"{RECEIVED}" ')).is_ok
    assert (await client.append("INBOX", GOOD, f'"{RECEIVED}" ')).is_ok
    found = await client.fetch("FETCH 1:2 (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE BODY.PEEK[])")
    assert [found[1][at] for at in (7, 9)] == [len(message), message]
    assert [found[2][at] for at in (7, 9)] == [len(GOOD), GOOD]
    for command, answer in {
        "SEARCH TEXT good SUBJECT good FROM ann": b"SEARCH 2",
        "SEARCH SENTON 2-Jan-2006": b"SEARCH 2",
        "SEARCH ON 2-Feb-2004": b"SEARCH 1 2",
        "SORT (ARRIVAL) UTF-8 ALL": b"SORT 1 2",
    }.items():
        assert (await client.run(command)).untagged == [answer]
    for command in ("SORT (SUBJECT FROM TO CC DATE) UTF-8 ALL", "THREAD ORDEREDSUBJECT UTF-8 ALL"):
        reply = await client.run(command)
        assert (reply.is_ok, b"1" in reply.untagged[0], b"2" in reply.untagged[0]) == (True, True, True)
    assert (await client.run("STATUS INBOX (MESSAGES UIDNEXT UNSEEN)")).untagged == [
        b"STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 2)"
    ]
    return client


async def value(client: ImapClient, item: str) -> "Any":
    return (await client.fetch(f"FETCH 1 {item}"))[1][1]


def depth(structure: "list[Any]") -> int:
    inside = [part for part in structure if isinstance(part, list) and part]
    return 1 + max(map(depth, inside), default=0)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" * 10_000, id="multiparts"),
        pytest.param(b"Content-Type: message/rfc822\r\n\r\n" * 10_000, id="messages"),
        pytest.param(multipart(b"b", b"--b\r\n\r\nx\r\n" * 20_000 + b"--b--"), id="20,000 parts"),
        pytest.param(multipart(b"b" * 400_000, b"--" + b"b" * 400_000 + b"\r\n\r\nx"), id="a long boundary"),
        pytest.param(
            multipart(b"a", b"--a\r\n" + multipart(b"ab", b"--ab\r\n\r\nx\r\n--ab--\r\n--a--\r\n")),
            id="a boundary that begins another",
        ),
    ],
)
async def test_R_130_many_parts_and_deep_ones(server: ImapServer, message: bytes) -> None:
    client = await appended(server, message)
    structure = await value(client, "BODYSTRUCTURE")
    assert depth(structure) <= 2 * DEPTH_MAX + A_FEW
    assert len(structure) <= PARTS_MAX + A_FEW
    path, part = "1", structure
    while isinstance(part[0], list):  # down to the first leaf
        part = part[0]
        if isinstance(part[0], list):
            path += ".1"
    if not isinstance(part[6], list):
        octets = await value(client, f"BODY.PEEK[{path}]")
        assert part[6] == len(octets or b"")


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            multipart(
                b"b", b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"
            ),
            id="a part with the boundary that it is in",
        ),
        pytest.param(
            multipart(
                b"b",
                b"--b\r\nContent-Id: <a@b>\r\nContent-Type: message/external-body; access-type=x-cid; id=a@b\r\n\r\n"
                b"Content-Id: <a@b>\r\n\r\n--b--\r\n",
            ),
            id="a part that refers to itself",
        ),
        pytest.param(
            b"Subject: bad\r\nMessage-Id: <a@b>\r\nContent-Type: message/partial; id=a@b; number=1; total=2\r\n\r\n"
            b"Message-Id: <a@b>\r\nContent-Type: message/partial; id=a@b; number=2; total=2\r\n\r\nx\r\n",
            id="a fragment of itself",
        ),
    ],
)
async def test_R_131_nothing_is_inside_of_itself(server: ImapServer, message: bytes) -> None:
    client = await appended(server, message)
    structure = await value(client, "BODYSTRUCTURE")
    assert depth(structure) < A_FEW


@pytest.mark.parametrize(
    ("parameters", "count"),
    [
        pytest.param(b"; ".join(b"name*%d=a" % n for n in range(20_000)), 1, id="20,000 in order"),
        pytest.param(
            b"; ".join(b"name*%d=a" % n for n in range(20_000, 0, -1)), None, id="backwards, no first"
        ),
        pytest.param(b"name*0=a; name*2=c; name*7*=%20", None, id="gaps"),
        pytest.param(b"name*0*=utf-8''%C3; name*1*=iso-8859-1''%A4", 1, id="two charsets"),
        pytest.param(b'name="a\r\n b\r\n\tc"', 1, id="a name on several lines"),
    ],
)
async def test_R_132_parameters(server: ImapServer, parameters: bytes, count: int | None) -> None:
    message = (
        b"Subject: bad\r\nContent-Type: image/png; %b\r\nContent-Disposition: attachment; %b\r\n\r\nx"
        % ((parameters,) * 2)
    )
    client = await appended(server, message)
    structure = await value(client, "BODYSTRUCTURE")
    assert structure[:2] == [b"image", b"png"]
    pairs = structure[2]
    assert len(pairs) <= 2 * PARAMETERS_MAX
    assert count is None or len(pairs) == 2 * count
    assert not any(b"\r" in text or b"\n" in text for text in pairs)


@pytest.mark.parametrize(
    ("addresses", "first"),
    [
        pytest.param(b"eve@example.net,\r\n " * 40_000, b"eve", id="40,000 addresses"),
        pytest.param(b"(" * 20_000 + b")" * 20_000 + b"eve@example.net", b"eve", id="nested comments"),
        pytest.param(b'"eve@example.net, ' + b'\\"' * 20_000, None, id="a quote without end"),
        pytest.param(b"list: eve@example.net, x@y", None, id="a group without end"),
        pytest.param(b"<" + b"@a," * 50_000 + b":eve@example.net>", None, id="a source route"),
    ],
)
async def test_R_133_addresses(server: ImapServer, addresses: bytes, first: bytes | None) -> None:
    client = await appended(server, field("From", addresses))
    authors = (await value(client, "ENVELOPE"))[2]
    assert len(authors) <= ADDRESSES_MAX
    if first is not None:
        assert authors[0][2] == first
        assert (await client.run("SEARCH FROM eve@example.net")).untagged == [b"SEARCH 1"]


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        pytest.param(b"=?utf-8?q?bad=0d=0aX:_forged?=", "forged", id="a line end"),
        pytest.param(b"=?utf-8?b?YgAAAGFk?= bad", "bad", id="NUL"),
        pytest.param(b"=?utf-8?q?a,?= <bad@x>", "bad@x", id="a comma"),
        pytest.param(b"=?no-such-charset?q?bad?=", "bad", id="an unknown charset"),
        pytest.param(b"=?../../etc/passwd?q?bad?=", "bad", id="a path for a charset"),
        pytest.param(b"=?utf-7?q?+AGI-ad?= bad", "bad", id="UTF-7"),
        pytest.param(b"=?utf-8?b?YmFk*!?= =?utf-8?b?YmF?= bad", "bad", id="base64 with junk"),
        pytest.param(b"=?utf-8?q?bad=?=", "bad", id="= at the end"),
    ],
)
async def test_R_135_encoded_words(server: ImapServer, subject: bytes, text: str) -> None:
    client = await appended(server, field("Subject", subject))
    envelope = await value(client, "ENVELOPE")
    assert envelope[1] == subject
    assert (await client.run(f'SEARCH SUBJECT "{text}"')).untagged == [b"SEARCH 1"]
    assert (await client.run("SEARCH HEADER X forged")).untagged == [b"SEARCH"]


@pytest.mark.parametrize(
    "subject",
    [
        b"Re: " * 50_000 + b"bad",
        b"[a] " * 50_000 + b"bad",
        b"Re[" * 50_000 + b"bad",
        b"bad" + b" (fwd)" * 50_000,
        b"[fwd: " * 50_000 + b"bad" + b"]" * 50_000,
        b"=?utf-8?q?bad?= " * 30_000,
        b"=?" * 200_000 + b"bad",
    ],
    ids=lambda subject: subject[:10].decode(),
)
async def test_R_137_subjects_that_make_patterns_go_back(server: ImapServer, subject: bytes) -> None:
    client = await appended(server, field("Subject", subject))
    assert (await client.run("SEARCH SUBJECT bad NOT TEXT good")).untagged == [b"SEARCH 1"]


@pytest.mark.parametrize(
    "date",
    [
        b"Mon, 02 Jan 99999 15:04:05 +0000",
        b"Mon, 99 Jan 2006 15:04:05 +0000",
        b"tomorrow",
        b"",
        b"1" * 10_000,
        b"(" * 10_000,
    ],
    ids=lambda date: date[:20].decode(),
)
async def test_R_138_a_date_that_is_none_gives_way_to_that_of_arrival(
    server: ImapServer, date: bytes
) -> None:
    client = await appended(server, field("Date", date))
    assert (await client.run("SORT (DATE) UTF-8 ALL")).untagged == [b"SORT 1 2"]  # 2004 is before 2006
    assert await value(client, "INTERNALDATE") == RECEIVED.encode()


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(
            b"References: " + b"\r\n ".join(b"<%d@x>" % n for n in range(10_000)), id="10,000 References"
        ),
        pytest.param(b"Message-Id: <a@x>\r\nReferences: <a@x>\r\nIn-Reply-To: <a@x>", id="a reply to itself"),
        pytest.param(b"Message-Id: < a b @ x >\r\nIn-Reply-To: < b\r\n c @ x", id="blanks"),
        pytest.param(b"Message-Id: <" + b"a" * 900_000 + b"@x>", id="a long Message-Id"),
        pytest.param(b"Message-Id:\r\nReferences:", id="empty"),
    ],
)
async def test_R_139_conversations(server: ImapServer, header: bytes) -> None:
    client = await appended(server, b"Subject: good\r\n" + header + b"\r\n\r\ntext\r\n")
    assert (await client.run("THREAD ORDEREDSUBJECT UTF-8 ALL")).untagged == [b"THREAD (1 2)"]
    envelope = await value(client, "ENVELOPE")
    assert len(envelope) == 10
