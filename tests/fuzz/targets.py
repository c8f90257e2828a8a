"""What is fuzzed: names, and functions that take any octets and raise nothing.

To add one, write the function, and give it a line in TARGETS and one in SEEDS.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from ipaddress import ip_address
from itertools import zip_longest
from typing import cast

from posthouse.core.world import DnsError
from posthouse.mailauth import spf
from posthouse.mailauth.dkim.canonical import CanonicalBody, Canonicalization
from posthouse.mailauth.dkim.key import parse_key_record
from posthouse.mailauth.dkim.tags import TagError
from posthouse.mailauth.dkim.verify import Verification
from posthouse.mailauth.dmarc.discovery import QUERIES_MAX
from posthouse.mailauth.dmarc.evaluation import DkimResult, Dmarc, SpfResult
from posthouse.mailauth.dmarc.record import Mode
from posthouse.mailauth.spf.limits import QUERIES_MAX as SPF_QUERIES_MAX
from posthouse.message import address
from posthouse.message.address_list import parse_address_list
from posthouse.message.date import format_date, parse_date, parse_internal_date
from posthouse.message.envelope import addresses_in, addresses_text, split_envelope, string_in
from posthouse.message.header import Header, HeaderError, find_body
from posthouse.message.originators import MalformedField, parse_originators
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.sort import subject_key
from posthouse.message.structure import parts_of, scan, without_extensions
from posthouse.message.text.words import decode_words, header_text
from posthouse.testing.imap_events import one_by_one
from posthouse.testing.world import FakeResolver
from posthouse.wire.imap.append import Append
from posthouse.wire.imap.bare import Idle
from posthouse.wire.imap.commands import State
from posthouse.wire.imap.deflate import RATIO_FREE, RATIO_MAX, CompressionError, Deflater, Inflater
from posthouse.wire.imap.engine import Answer, Command, Engine, Event, MessageData
from posthouse.wire.imap.header_fields import select_fields
from posthouse.wire.lines import ProtocolError
from posthouse.wire.milter.answers import AddField
from posthouse.wire.milter.client import MilterSession
from posthouse.wire.proxy.header import V2_MAX, parse_proxy_header
from posthouse.wire.smtp.config import ServerConfig
from posthouse.wire.smtp.events import AuthEnded, Closed, Content, Flush, Reset, StartTls
from posthouse.wire.smtp.events import Event as SmtpEvent
from posthouse.wire.smtp.server import ServerSession

IMAP_MAX = 30_000  # octets: every empty line is answered, and many of them take their time


def fuzz_header(data: bytes) -> None:
    body = find_body(data)
    with suppress(HeaderError):
        header = Header.parse(data[: body if body >= 0 else len(data)])
        header.add("Received", "by mx.example.org; Mon, 02 Jan 2006 15:04:05 +0000")
        assert Header.parse(header.to_bytes()).to_bytes() == header.to_bytes()
        assert header.count(b"from") == len(header.get_all(b"from"))


def fuzz_address(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    address.valid(text)
    for function in (address.clean_domain, address.for_lookup, address.to_ascii, address.unquote_mbox):
        with suppress(address.AddressError):
            function(text)
    parse_address_list(data)


def fuzz_originators(data: bytes) -> None:
    with suppress(MalformedField):
        assert all(map(address.valid, parse_originators(data)))


def fuzz_date(data: bytes) -> None:
    parse_internal_date(data)
    seconds = parse_date(data)
    if seconds is not None:
        assert parse_date(format_date(seconds).encode()) == seconds


def fuzz_structure(data: bytes) -> None:
    result = scan(data)
    without_extensions(result.structure)
    parts = parts_of(result.parts)
    assert parts.section(()) == (0, len(data))
    for numbers in ((1,), (1, 1), (2, 1), (1, 2, 1)):
        for text in (b"", b"MIME", b"HEADER", b"TEXT"):
            offset, length = parts.section(numbers, text) or (0, 0)
            assert 0 <= offset <= offset + length <= len(data)


def fuzz_parts(data: bytes) -> None:
    with suppress(ValueError):
        parts = parts_of(data)
        for numbers in ((), (1,), (1, 1), (2, 1), (1,) * 1000):
            for text in (b"", b"MIME", b"HEADER", b"TEXT"):
                parts.section(numbers, text)


def fuzz_imap(data: bytes) -> None:
    state = tuple(State)[len(data) % len(State)]
    data = data[:IMAP_MAX]
    for whole, cut in zip_longest(_imap_events(data, state, len(data) + 1), _imap_events(data, state, 7)):
        assert whole == cut
        if isinstance(whole, Answer):
            assert whole.status.to_bytes().count(b"\n") == 1


def _imap_events(data: bytes, state: State, size: int) -> Iterator[Event]:
    """What an engine gives that is fed so many octets at a time; the octets of messages are left out."""
    engine = Engine()
    engine.state = state
    for at in range(0, len(data), size):
        engine.feed(data[at : at + size])
        while (event := engine.next_event()) is not None:
            if isinstance(event, Command) and isinstance(event.request, Append):
                engine.accept_message() if event.request.size % 2 else engine.refuse_message()
            if isinstance(event, Command) and isinstance(event.request, Idle):
                engine.expect_response()
            if not isinstance(event, MessageData):
                yield from one_by_one(event)


def fuzz_header_fields(data: bytes) -> None:
    names = frozenset({b"from", b"subject", b"x"})
    chosen, others = select_fields(data, names, exclude=False), select_fields(data, names, exclude=True)
    assert len(chosen) + len(others) <= len(data) + len(b"\r\n")
    assert select_fields(others, names, exclude=False) in (b"", b"\r\n")


def fuzz_inflate(data: bytes) -> None:
    """Whatever it is, it becomes at most so much; what was deflated comes back."""
    text = b""
    for wire in (data, Deflater().deflate(data)):
        inflater, text = Inflater(), b""
        inflater.feed(wire)
        with suppress(CompressionError):
            while piece := inflater.next_piece():
                text += piece
        assert len(text) <= RATIO_FREE + RATIO_MAX * len(wire)
    assert text == data or len(data) > RATIO_FREE


def fuzz_smtp(data: bytes) -> None:
    lmtp, dsn = len(data) % 5 == 0, len(data) % 3 == 0
    config = ServerConfig("mx.example.org", lmtp=lmtp, starttls=True, mechanisms=("PLAIN",), dsn=dsn)
    for whole, cut in zip_longest(_smtp_events(data, config, len(data) + 1), _smtp_events(data, config, 7)):
        assert whole == cut


def _smtp_events(data: bytes, config: ServerConfig, size: int) -> Iterator[SmtpEvent]:
    """What an engine gives that is fed so many octets at a time, all answered with yes; the octets of messages are left out."""
    session = ServerSession(config)
    for at in range(0, len(data), size):
        session.feed(data[at : at + size])
        while (event := session.next_event()) is not None:
            if isinstance(event, Flush):
                session.data_to_send()
                continue
            if not isinstance(event, Content):
                yield event
            if isinstance(event, Closed | StartTls):
                return
            if not isinstance(event, Content | AuthEnded | Reset):
                session.accept()


def fuzz_search(data: bytes) -> None:
    message = SearchedMessage(data, scan(data).parts)
    for needle in (Needle(""), Needle("text"), Needle(data[-5:].decode("latin-1"))):
        assert message.text_has(needle) >= message.body_has(needle)
    assert not any(b"\n" in field for field in message.fields(b"subject"))


def fuzz_words(data: bytes) -> None:
    header_text(data)
    decode_words(data)
    subject_key(data)


def fuzz_envelope(data: bytes) -> None:
    for envelope in (data, scan(data).envelope):
        with suppress(ValueError):
            fields = split_envelope(envelope)
            string_in(fields.subject)
            addresses_text(addresses_in(fields.author))


def fuzz_milter(data: bytes) -> None:
    session = MilterSession()
    session.feed(data)
    with suppress(ProtocolError):
        while (answer := session.next_answer()) is not None:
            if isinstance(answer, AddField):
                Header().add_raw(b"%b:%b\r\n" % (answer.name, answer.value))
            if not session.is_waiting:
                session.end()


def fuzz_proxy(data: bytes) -> None:
    with suppress(ProtocolError):
        header = parse_proxy_header(data)
        assert len(data) < V2_MAX if header is None else header.size <= len(data)


class _Answers(FakeResolver):
    """Answers one question after the other with texts; an empty one says that the name does not exist."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        super().__init__()
        self._texts = iter(texts)

    async def txt(self, name: str) -> Sequence[bytes]:
        self.asked.append(("txt", name))
        text = next(self._texts, None)
        if text == b"":
            raise DnsError(f"{name}: no such name", transient=False)
        return () if text is None else text.split(b"\n")


def fuzz_dmarc(data: bytes) -> None:
    """A From field, the domain that signed and is the sender's, and what DNS says, with NULs between."""
    author, domain, *texts = [*data.split(b"\0"), b""]
    identifier = domain.decode("latin-1")
    for mode in Mode:
        resolver = _Answers(texts)
        dmarc = Dmarc([author], resolver, mode)
        with suppress(StopIteration):  # nothing is waited for
            dmarc.evaluate([DkimResult("pass", identifier)], SpfResult("pass", identifier), bytes).send(None)
        assert len(resolver.asked) <= 2 * QUERIES_MAX + 1


def fuzz_spf(data: bytes) -> None:
    """A record that may include itself, and after a line end what the client said."""
    record, _, said = data.partition(b"\n")
    client = said.decode("utf-8", "replace")
    resolver = FakeResolver(
        a={"mx.example.org": ["192.0.2.1", "2001:db8::1"]},
        mxs={"example.org": [(10, "mx.example.org")]},
        txts={"example.org": [b"v=spf1 " + record]},
        ptrs={"192.0.2.1": ["mx.example.org"]},
    )
    found = _ended(spf.check_host(ip_address("192.0.2.1"), "example.org", client, client, resolver))
    assert found.result is not spf.Result.NONE
    assert f"{found.reason}{found.mechanism}".isascii()
    assert len(resolver.asked) <= SPF_QUERIES_MAX


def _ended(evaluation: Coroutine[object, None, spf.SpfResult]) -> spf.SpfResult:
    """What a coroutine gives that waits for nothing."""
    try:
        evaluation.send(None)
    except StopIteration as end:
        return cast("spf.SpfResult", end.value)
    raise AssertionError("waits")


def fuzz_dkim(data: bytes) -> None:
    with suppress(TagError):
        parse_key_record(data[:200])
    for way in Canonicalization:
        assert _canonical_body(data, way, len(data) + 1) == _canonical_body(data, way, 7)
    body = find_body(data)
    with suppress(HeaderError):
        verification = Verification(Header.parse(data[: body if body >= 0 else len(data)]), now=1e9)
        for name in verification.key_names:
            with suppress(StopIteration):  # at its first step: this resolver does not wait
                verification.lookup_key(name, FakeResolver(txts={name: [_DKIM_KEY]})).send(None)
        verification.update(data[max(body, 0) :])
        for result in verification.results():
            assert (result.outcome == "pass") == (not result.reason)


def _canonical_body(data: bytes, way: Canonicalization, size: int) -> bytes:
    form = bytearray()
    body = CanonicalBody(way, form.extend)
    for at in range(0, len(data), size):
        body.update(data[at : at + size])
    body.finish()
    return bytes(form)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "header": fuzz_header,
    "address": fuzz_address,
    "originators": fuzz_originators,
    "date": fuzz_date,
    "structure": fuzz_structure,
    "parts": fuzz_parts,
    "search": fuzz_search,
    "words": fuzz_words,
    "envelope": fuzz_envelope,
    "imap": fuzz_imap,
    "header-fields": fuzz_header_fields,
    "inflate": fuzz_inflate,
    "smtp": fuzz_smtp,
    "milter": fuzz_milter,
    "proxy": fuzz_proxy,
    "spf": fuzz_spf,
    "dmarc": fuzz_dmarc,
    "dkim": fuzz_dkim,
}

_DKIM_KEY = b"v=DKIM1; k=ed25519; p=sPs07Vu29FpHT/80UXUcYHFOHifD4o2ZlP2+XUh9g6E="
_DKIM_SIGNED = (  # by Exim, as dkimpy keeps it
    b"DKIM-Signature: v=1; a=ed25519-sha256; q=dns/txt; c=relaxed/relaxed; d=test.ex\r\n\t; s=sed; h=From:To:Subject;"
    b" bh=/Ab0giHZitYQbDhFszoqQRUkgqueaX9zatJttIU/plc=;\r\n\t b=5fhyD3EILDrnL4DnkD4hDaeis7+GSzL9GMHrhIDZJjuJ00WD5iI8SQ1q"
    b"9rDfzFL/Kdw0VIyB4R\r\n\tDq0a4H6HI+Bw==;\r\nFrom: nobody@example.com\r\n\r\ncontent\r\n"
)
_DKIM_ODD = (
    b"DKIM-Signature: v=1; a=rsa-sha256; c=simple; d=b.c; i=a@x.b.c; s=d.e; l=3; t=1; x=2; h=from:from; b=QQ==; bh=QQ==\r\n"
    b"From: a\r\nFrom: b\r\n\r\na \t \r\n\r\nb\r\n \r\n\r\n"
)

_MESSAGE = (
    b"Received: from a (b [192.0.2.1])\r\n\tby c; Mon, 02 Jan 2006 15:04:05 +0000\r\nDate: 2 Jan 06 15:04 EST (c)\r\n"
    b'From: "A, B" <a@example.org>, g: c@d, <@e,@f:g@h>;, (x (y)) z@[192.0.2.1]\r\nSubject: =?utf-8?q?a?=\r\n b "c" \\\r\n'
    b'Content-Type: multipart/mixed; boundary="a"; x*0*=utf-8\'\'%20; x*1="y"\r\n\r\n'
    b"--a\r\nContent-Type: multipart/digest; boundary=ab\r\n\r\n--ab\r\n\r\nSubject: d\r\n\r\ntext\r\n--ab--\r\n"
    b'--a\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment; filename="f (1)"\r\n\r\nTo: t\r\n\r\nx\r\n--a--\r\n'
)

SEEDS: dict[str, Sequence[bytes]] = {
    "header": [_MESSAGE, b"\r\nbody", b"A: b\r\n\tc\r\n"],
    "address": [
        b"ann@example.org",
        "\u00e4nn@xn--mnchen-3ya.example".encode(),
        b'"a\\"b"@[192.0.2.1]',
        b'A <a@b>, "C, D" <c@d>, g: e@f, (x) <@r,@s:h@i>;, j@k (l)',
    ],
    "originators": [
        b"Ann (x) <ann@example.org>",
        b'"A, B" <"a b"@[192.0.2.1]>, g: e@f, =?utf-8?q?x?= y <h@i>;, j@k (l (m\\))',
    ],
    "date": [b"Mon, 02 Jan 2006 15:04:05 +0000 (c)", b"2 Jan 06 15:04 EST", b" 2-Jan-2006 15:04:05 -0700"],
    "structure": [_MESSAGE],
    "search": [
        _MESSAGE,
        b"Content-Type: text/plain; charset=iso-2022-jp\r\nContent-Transfer-Encoding: base64\r\n\r\nGyRCRnxLXBsoQg==",
        b"Content-Type: text/html; charset=gb18030\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=81=30=\r\n== =\r",
    ],
    "words": [
        b"Re: [list] Fwd: =?utf-8*en?Q?a_=C3=BC=3D?= =?gb2312?B?xOPFow==?=\r\n (fwd)",
        b"[Fwd: =?utf-7?q?+AGE-?= Re[2]: \xc3\xbc\xff]",
    ],
    "envelope": [scan(_MESSAGE).envelope, "Subject: \u00fc\r\nFrom: \u00fc <a@b>\r\n\r\n".encode(), _MESSAGE],
    "parts": [scan(_MESSAGE).parts, scan(b"").parts],
    "imap": [
        b'a LOGIN {3}\r\nann "p\\"w"\r\nb AUTHENTICATE PLAIN =\r\nc LIST "" {2+}\r\n%*\r\nd SELECT &AOk-\r\n',
        b"a UID FETCH 1:*,7 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From To)]<0.9> ENVELOPE)\r\nb FETCH 1 ALL\r\n",
        b'a APPEND x (\\Seen k) " 1-Feb-2024 03:04:05 +0100" {11+}\r\nSubject: x\n\r\nb APPEND y {2+}\r\nab\r\nc IDLE\r\nDONE\r\n',
        b"a CREATE x.y (USE (\\Sent))\r\nb RENAME x {1+}\r\ny\r\nc LSUB a %\r\nd UNSUBSCRIBE x\r\ne UID COPY 1:* x\r\nf MOVE 2 y\r\n",
        b'a ID ("a" NIL "b" {1+}\r\nc)\r\nb ENABLE CONDSTORE X\r\nc FETCH 1 FLAGS (CHANGEDSINCE 7)\r\nd SELECT x (CONDSTORE)\r\n',
        b"a UID STORE 1 (UNCHANGEDSINCE 9) -FLAGS x\r\nb UID EXPUNGE 1\r\nc COMPRESS DEFLATE\r\nd STATUS x (HIGHESTMODSEQ)\r\n",
        b'a SEARCH CHARSET UTF-8 OR NOT (SEEN 1:*) FROM {1+}\r\na SENTON "1-Feb-1994"\r\nb UID SEARCH MODSEQ 7 HEADER x ""\r\n',
        b"a SORT (REVERSE DATE SIZE) UTF-8 ALL\r\nb UID THREAD ORDEREDSUBJECT US-ASCII OR OR 1 2 KEYWORD x\r\n",
        b"a STORE 1 +FLAGS.SILENT (\\Seen)\r\nb STATUS x (UNSEEN)\r\nc NOOP\nd LOGIN {999999+}\r\ne LOGIN {70000}\r\nf CLOSE\r\n",
    ],
    "inflate": [_MESSAGE, Deflater().deflate(b"a NOOP\r\n" * 100) + Deflater().deflate(_MESSAGE)],
    "header-fields": [_MESSAGE, b"From : a\r\n b\r\nno field\r\nX:\r\n\r\n"],
    "milter": [
        b"\0\0\0\rO\0\0\0\6\0\0\0\x21\0\0\0\0\0\0\0\6hX\0y\0\0\0\0\1p\0\0\0\niX\0\0\0\1X\0\n y\0\0\0\0\1c\0\0\0\1a",
        b"\0\0\0\rO\0\0\0\6\0\0\0\0\0\1\4\0\0\0\0\4qx\0\0\0\0\7y550 x\0\0\0\0\1s",
    ],
    "proxy": [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65535 25\r\nEHLO a\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n",
        b"PROXY UNKNOWN a\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0d" + bytes(13),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24" + bytes(36),
    ],
    "dmarc": [
        b"Ann <ann@a.example.com>\0b.example.com\0\0v=DMARC1; p=none; np=reject; rua=mailto:a@b.test!10m,x:y\0\0",
        b"a@b.c.d.e.f.g.h.i.j\0k.j\0x\0v=DMARC1;sp=quarantine;p=reject;psd=n;t=y;adkim=s;aspf=r;fo=1:d;ruf=x:y",
        b"ann@example.co.uk\0xn--exmple-cua.co.uk\0v=DMARC1; p=reject; pct=50\nv=DMARC1\0v=DMARC1; p=x; psd=y",
    ],
    "spf": [
        b"a mx/24//64 -ptr:%{d2} ?include:example.org ~exists:%{ir}.%{v}.%{L1r-}.%{p} redirect=%{o}\nann-b@example.org",
        b"ip4:192.0.2.0/24 ip6:2001:db8::/32 x=%{c}%%%_%- exp=%{s}%{h}.example.net -all\nmx",
    ],
    "dkim": [_DKIM_SIGNED, _DKIM_ODD, _DKIM_KEY + b"; t=y:s; s=email; h=sha256; n=a"],
    "smtp": [
        b"EHLO a\r\nMAIL FROM:<> RET=FULL ENVID=a+2B\r\nRCPT TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a+40b\r\nRSET\r\n",
        b"EHLO a\r\nMAIL FROM:<a@b.c> SIZE=9\r\nRCPT TO:<d@e.f>\r\nDATA\r\nA: b\r\n\r\n..c\r\n.\r\nQUIT\r\n",
        b'LHLO a\r\nMAIL FROM:<"a b"@b.c> AUTH=a+2Bb@c\r\nRCPT TO:<@x:d@e.f>\r\nBDAT 4\r\nA: bBDAT 3 LAST\r\n\r\n\nRSET\r\n',
        b"EHLO a\r\nAUTH PLAIN AGEAYg==\r\nNOOP\r\nVRFY x\r\nEXPN y\r\nSTARTTLS\r\nGET / HTTP/1.1\r\n\r\n",
    ],
}
