"""check.milter: what a filter is told, what its answers mean, and what becomes of a message when it fails (R-190)."""

import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.framework.buffer import Body, FileBody, MemoryBody
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.check import PASS, Check, Verdict
from posthouse.framework.interfaces.message import Envelope, MailOptions
from posthouse.message.header import Header
from posthouse.modules.check.milter import Milter
from posthouse.modules.check.milter.conversation import ADDED_MAX
from posthouse.modules.check.milter.module import DEFERRED, FAILED, REJECTED
from posthouse.net.connection import TlsState
from posthouse.testing.milter import CONTINUE, FakeFilter, Trouble, answer
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

HEADER = b"From:Ann <ann@example.org>\r\nSubject: hello\r\n folded\r\n"
BODY = b"A body.\r\n"
STEPS = b"CHMRTLNBE"
ALL_SILENT = 0x80 | 0x1000 | 0x2000 | 0x4000 | 0x8000 | 0x10000 | 0x40000 | 0x80000
NO_STEP = 0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20 | 0x40 | 0x200


async def verdicts(check: Check, envelope: Envelope, body: Body | None = None) -> list[Verdict]:
    """What is thought of a message at its stages, up to the first that is rejected."""
    state = check.start_check(envelope)
    calls = (
        state.check_connection,
        lambda: state.check_sender("bob@example.net"),
        lambda: state.check_recipient("ann@example.org"),
        lambda: state.check_recipient("eve@example.org"),
        lambda: state.check_body(Header.parse(HEADER), body or MemoryBody(BODY)),
    )
    found = []
    try:
        for call in calls:
            found.append(await call())
            if found[-1].reject:
                break
    finally:
        await state.close()
    return found


async def last(check: Check, envelope: Envelope, body: Body | None = None) -> Verdict:
    return (await verdicts(check, envelope, body))[-1]


def reply_of(verdict: Verdict) -> Reply:
    assert verdict.reason is not None
    assert verdict.reason.fields["check"] == "milter"
    return verdict.reason.reply


async def test_a_filter_is_told_all_of_a_message(configured: Configure, envelope_of: MakeEnvelope) -> None:
    async with FakeFilter() as peer:
        assert await verdicts(configured(f"milter {peer.address}"), envelope_of()) == [PASS] * 5
    assert peer.steps == "DCHDMRRTLLNBEQ"
    assert peer.offered == (6, 0x21, 0x1F_F7FF)
    assert peer.told(b"C") == [b"client.example.net\x004\x12\x67192.0.2.7\0"]
    assert peer.told(b"H") == [b"client.example.net\0"]
    assert peer.told(b"M") == [b"<bob@example.net>\0"]
    assert peer.told(b"R") == [b"<ann@example.org>\0", b"<eve@example.org>\0"]
    assert peer.told(b"L") == [b"From\0Ann <ann@example.org>\0", b"Subject\0hello\n folded\0"]
    assert peer.told(b"B") == [BODY]
    assert peer.told(b"D") == [
        b"C{daemon_name}\0maddy\0{if_name}\0unknown\0{if_addr}\x000.0.0.0\0",
        b"Mi\x000a1b2c3d\0",
    ]


async def test_macros_say_who_has_logged_in_and_over_what(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    envelope = envelope_of(user="ann", tls=TlsState("TLSv1.3", "TLS_AES_128_GCM_SHA256"), ip="2001:db8::1")
    envelope.options = MailOptions(utf8=True)
    async with FakeFilter() as peer:
        assert await last(configured(f"milter {peer.address}"), envelope) == PASS
    assert peer.told(b"C") == [b"client.example.net\x006\x12\x672001:db8::1\0"]
    assert peer.told(b"D")[1:] == [
        b"H{tls_version}\0TLSv1.3\0{cipher}\0TLS_AES_128_GCM_SHA256\0",
        b"Mi\x000a1b2c3d\0{auth_authen}\0ann\0",
    ]
    assert peer.told(b"M") == [b"<bob@example.net>\0SMTPUTF8\0"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"is_local": True}, b"localhost\x004\x00\x19127.0.0.1\0"),
        ({"ip": ""}, b"client.example.net\0U"),
    ],
    ids=["made here", "Unix socket"],
)
async def test_messages_that_come_from_no_address(
    configured: Configure, envelope_of: MakeEnvelope, options: dict[str, object], told: bytes
) -> None:
    async with FakeFilter() as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of(**options)) == PASS
    assert peer.told(b"C") == [told]


async def test_local_parts_are_quoted_where_they_must_be(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter() as peer:
        state = configured(f"milter {peer.address}").start_check(envelope_of())
        await state.check_connection()
        await state.check_sender('ann>"<bob@example.net')
        for recipient in ("postmaster", '"a b"@example.org', "ann@evil.example@example.org"):
            await state.check_recipient(recipient)
        await state.close()
    assert peer.told(b"M") == [b'<"ann>\\"<bob"@example.net>\0']
    assert peer.told(b"R") == [
        b"<postmaster>\0",
        b'<"a b"@example.org>\0',
        b'<"ann@evil.example"@example.org>\0',
    ]


async def test_domains_are_in_a_labels_without_smtputf8(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter() as peer:
        for utf8 in (False, True):
            envelope = envelope_of()
            envelope.options = MailOptions(utf8=utf8)
            state = configured(f"milter {peer.address}").start_check(envelope)
            await state.check_connection()
            await state.check_sender("bob@bücher.example" if not utf8 else "")
            await state.check_recipient("ann@bücher.example")
            await state.close()
    assert peer.told(b"M") == [b"<bob@xn--bcher-kva.example>\0", b"<>\0SMTPUTF8\0"]
    assert peer.told(b"R") == [b"<ann@xn--bcher-kva.example>\0", "<ann@bücher.example>\0".encode()]


async def test_a_filter_sees_only_the_steps_that_it_wants(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter(options=(6, 0, NO_STEP)) as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of()) == PASS
    assert peer.steps == "EQ"


async def test_a_filter_need_not_answer_each_step(configured: Configure, envelope_of: MakeEnvelope) -> None:
    async with FakeFilter(options=(6, 1, ALL_SILENT), silent=b"CHMRTLNB") as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of()) == PASS
    assert peer.steps == "DCHDMRRTLLNBEQ"


async def test_values_keep_their_leading_blank_when_the_filter_wants_it(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    said = answer(b"h", b"X-One\0 1\0") + answer(b"h", b"X-Two\x002\0") + CONTINUE
    async with FakeFilter({b"E": said}, (6, 1, 0x10_0000)) as peer:
        verdict = await last(configured(f"milter {peer.address}"), envelope_of())
    assert peer.told(b"L") == [b"From\0Ann <ann@example.org>\0", b"Subject\0 hello\n folded\0"]
    assert verdict.fields == (b"X-One: 1\r\n", b"X-Two:2\r\n")


async def test_a_large_body_goes_in_pieces_until_the_filter_has_seen_enough(
    configured: Configure, envelope_of: MakeEnvelope, tmp_path: Path
) -> None:
    (tmp_path / "body").write_bytes(b"0123456789" * 50_000)
    body = FileBody(tmp_path / "body", 500_000)
    async with FakeFilter() as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of(), body) == PASS
    assert b"".join(peer.told(b"B")) == b"0123456789" * 50_000
    assert max(map(len, peer.told(b"B"))) == 65_535
    async with FakeFilter({b"B": answer(b"s")}, (6, 0, 0x400)) as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of(), body) == PASS
    assert (len(peer.told(b"B")), peer.steps[-2:]) == (1, "EQ")


async def test_a_header_field_that_is_too_long_is_cut(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter() as peer:
        state = configured(f"milter {peer.address}").start_check(envelope_of())
        await state.check_connection()
        header = Header.parse(b"X: " + b"y" * 100_000 + b"\r\n")
        assert await state.check_body(header, MemoryBody(b"")) == PASS
        await state.close()
    (told,) = peer.told(b"L")
    assert (len(told), told[:4], told[-2:]) == (65_535, b"X\0yy", b"y\0")


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        (b"r", REJECTED),
        (b"t", DEFERRED),
        (b"d", DEFERRED),
        (b"y451 4.7.1 Later\0", Reply(451, (4, 7, 1), "Message rejected due to local policy")),
        (b"y554\0", Reply(554, (5, 7, 1), "Message rejected due to local policy")),
    ],
)
@pytest.mark.parametrize("step", [b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E"])
async def test_a_filter_may_refuse_at_each_step(
    configured: Configure, envelope_of: MakeEnvelope, step: bytes, said: bytes, reply: Reply
) -> None:
    async with FakeFilter({step: answer(said[:1], said[1:])}) as peer:
        verdict = await last(configured(f"milter {peer.address}"), envelope_of())
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == reply
    assert not set(peer.steps.replace("D", "").replace("Q", "")) - set(
        STEPS[: STEPS.index(step) + 1].decode()
    )


async def test_a_refused_recipient_does_not_end_the_message(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter({b"R": answer(b"r")}) as peer:
        state = configured(f"milter {peer.address}").start_check(envelope_of())
        await state.check_connection()
        for _ in range(2):
            assert reply_of(await state.check_recipient("ann@example.org")) == REJECTED
        assert await state.check_body(Header.parse(HEADER), MemoryBody(BODY)) == PASS
        await state.close()
    assert peer.steps == "DCHRRTLLNBEQ"


@pytest.mark.parametrize("step", [b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E"])
async def test_a_filter_that_accepts_is_asked_no_more(
    configured: Configure, envelope_of: MakeEnvelope, step: bytes
) -> None:
    async with FakeFilter({step: answer(b"a")}) as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of()) == PASS
    assert peer.steps[-2:] == step.decode() + "Q"


async def test_added_fields_stand_on_top_in_their_order(
    configured: Configure, envelope_of: MakeEnvelope, fake: FakeWorld
) -> None:
    said = [
        answer(b"h", b"X-Below\0one\0"),
        answer(b"i", struct.pack("!I", 1) + b"X-Second\0two\n\tfolded\0"),
        answer(b"p"),
        answer(b"i", struct.pack("!I", 0) + b"X-First\0three\r\n folded\r\n\0"),
        answer(b"h", b"X-Last\0\0"),
        answer(b"i", struct.pack("!I", 7) + b"X-Top\0four\0"),
        CONTINUE,
    ]
    async with FakeFilter({b"E": b"".join(said)}) as peer:
        verdict = await last(configured(f"milter {peer.address}"), envelope_of())
    assert (verdict.reason, verdict.fields) == (
        None,
        (
            b"X-Top: four\r\n",
            b"X-First: three\r\n folded\r\n",
            b"X-Second: two\r\n\tfolded\r\n",
            b"X-Below: one\r\n",
            b"X-Last: \r\n",
        ),
    )
    (line,) = fake.log.fields_of("milter", "change not supported, ignored")
    assert (line["change"], line["count"]) == ("place of a header field", 1)


async def test_a_filter_may_quarantine(configured: Configure, envelope_of: MakeEnvelope) -> None:
    said = answer(b"q", b"looks odd\0") + answer(b"h", b"X-Odd\0yes\0") + answer(b"a")
    async with FakeFilter({b"E": said}) as peer:
        verdict = await last(configured(f"milter {peer.address}"), envelope_of())
    assert (verdict.reject, verdict.quarantine, verdict.fields) == (False, True, (b"X-Odd: yes\r\n",))
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["reason"] == "looks odd"
    assert verdict.reason.log_fields()["milter"] == peer.address


async def test_R_190_other_changes_are_logged_and_not_made(
    configured: Configure, envelope_of: MakeEnvelope, fake: FakeWorld
) -> None:
    said = [
        answer(b"m", struct.pack("!I", 1) + b"From\0eve@x.test\0"),
        answer(b"e", b"<eve@x.test>\0"),
        answer(b"+", b"<eve@x.test>\0"),
        answer(b"2", b"<eve@x.test>\0\0"),
        answer(b"-", b"<ann@example.org>\0"),
        *[answer(b"b", b"another body")] * 3,
        CONTINUE,
    ]
    async with FakeFilter({b"E": b"".join(said)}) as peer:
        assert await last(configured(f"milter {peer.address}"), envelope_of()) == PASS
    logged = fake.log.fields_of("milter", "change not supported, ignored")
    assert [(line["change"], line["count"]) for line in logged] == [
        ("change header", 1),
        ("change sender", 1),
        ("add recipient", 2),
        ("delete recipient", 1),
        ("replace body", 3),
    ]


NONSENSE = [
    pytest.param({b"O": Trouble.END}, "breaks off at once", id="ends at negotiation"),
    pytest.param({b"O": CONTINUE}, "options are expected first", id="no options"),
    pytest.param({b"O": answer(b"O", b"\0\0")}, "options are too short", id="short options"),
    pytest.param({b"O": answer(b"O", struct.pack("!III", 7, 0, 0))}, "version 7", id="newer version"),
    pytest.param(
        {b"O": answer(b"O", struct.pack("!III", 6, 0x40, 0))}, "not offered: 0x40", id="other actions"
    ),
    pytest.param(
        {b"O": answer(b"O", struct.pack("!III", 6, 0, 0x800))}, "not offered: 0x800", id="other steps"
    ),
    *[
        pytest.param({step: Trouble.END}, "closed the connection", id=f"dies at {step.decode()}")
        for step in (b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E")
    ],
    *[
        pytest.param({step: answer(b"?")}, "unknown answer b'?'", id=f"nonsense at {step.decode()}")
        for step in (b"C", b"H", b"M", b"R", b"T", b"L", b"N", b"B", b"E")
    ],
    pytest.param({b"M": b"\0\0\0\0"}, "a packet of 0 octets", id="empty packet"),
    pytest.param({b"M": b"\xff\xff\xff\xffc"}, "a packet of 4294967295 octets", id="4 GB"),
    pytest.param({b"M": b"\0\x10\0\1c"}, "a packet of 1048577 octets", id="too long"),
    pytest.param({b"M": answer(b"s")}, "only a body can be skipped", id="skip"),
    pytest.param({b"M": answer(b"f")}, "the filter gives up", id="no connection"),
    pytest.param({b"M": answer(b"4")}, "the filter gives up", id="shutdown"),
    pytest.param({b"M": answer(b"y", b"250 OK\0")}, "reply code", id="positive reply code"),
    pytest.param({b"M": answer(b"y", b"5\0")}, "reply code", id="short reply code"),
    pytest.param({b"M": answer(b"h", b"X\0y\0")}, "before the end of the message", id="early change"),
    pytest.param({b"E": answer(b"h", b"X\0y")}, "2 strings expected", id="no NUL"),
    pytest.param({b"E": answer(b"i", b"\0")}, "without its place", id="no index"),
    pytest.param(
        {b"E": answer(b"h", b"X\0a\nEvil: yes\0") + CONTINUE}, "malformed header field", id="newline"
    ),
    pytest.param(
        {b"E": answer(b"h", b"X\0a\r\n\r\nbody\0") + CONTINUE}, "malformed header field", id="empty line"
    ),
    pytest.param({b"E": answer(b"h", b"X\0a\rb\0") + CONTINUE}, "malformed header field", id="CR"),
    pytest.param({b"E": answer(b"h", b"X: y\0a\0") + CONTINUE}, "malformed header field", id="odd name"),
    pytest.param({b"E": answer(b"h", b"\0a\0") + CONTINUE}, "malformed header field", id="no name"),
    pytest.param(
        {b"E": answer(b"h", b"X\0y\0") * (ADDED_MAX + 1) + CONTINUE},
        "too many header fields",
        id="1,001 fields",
    ),
    pytest.param(
        {b"E": answer(b"h", b"X\0" + b"y" * 200_000 + b"\0") * 6 + CONTINUE},
        "too many header fields",
        id="large fields",
    ),
]


@pytest.mark.parametrize("fail_open", [False, True])
@pytest.mark.parametrize(("answers", "why"), NONSENSE)
async def test_R_190_a_filter_that_fails_is_a_transient_error_or_none(
    configured: Configure,
    envelope_of: MakeEnvelope,
    fake: FakeWorld,
    answers: dict[bytes, bytes | Trouble],
    why: str,
    fail_open: bool,
) -> None:
    async with FakeFilter(answers) as peer:
        check = configured(f"milter {peer.address} {{\nfail_open {'yes' if fail_open else 'no'}\n}}")
        verdict = await last(check, envelope_of())
    if fail_open:
        assert verdict == PASS
        (line,) = fake.log.fields_of("milter", "the filter failed, taking the message without it")
        assert why in str(line["reason"])
        return
    assert (verdict.reject, verdict.quarantine, verdict.fields) == (True, False, ())
    assert reply_of(verdict) == FAILED
    assert verdict.reason is not None
    assert why in str(verdict.reason.log_fields()["reason"])


async def test_a_message_is_discarded_at_a_recipient_for_all_of_them(
    configured: Configure, envelope_of: MakeEnvelope
) -> None:
    async with FakeFilter({b"R": answer(b"d")}) as peer:
        state = configured(f"milter {peer.address}").start_check(envelope_of())
        await state.check_connection()
        await state.check_sender("bob@example.net")
        found = [await state.check_recipient(f"{name}@example.org") for name in ("ann", "eve")]
        await state.close()
    assert [reply_of(verdict).code for verdict in found] == [450, 450]
    assert peer.steps.endswith("RQ")


@pytest.mark.parametrize("fail_open", [False, True])
async def test_R_190_a_filter_that_fails_at_one_recipient_lets_no_other_pass(
    configured: Configure, envelope_of: MakeEnvelope, fail_open: bool
) -> None:
    async with FakeFilter({b"R": Trouble.END}) as peer:
        check = configured(f"milter {peer.address} {{\nfail_open {'yes' if fail_open else 'no'}\n}}")
        state = check.start_check(envelope_of())
        await state.check_connection()
        await state.check_sender("bob@example.net")
        found = [await state.check_recipient(f"{name}@example.org") for name in ("ann", "eve")]
        found.append(await state.check_body(Header.parse(HEADER), MemoryBody(BODY)))
        await state.close()
    if fail_open:
        assert found == [PASS] * 3
    else:
        assert [reply_of(verdict) for verdict in found] == [FAILED] * 3
        assert all(verdict.reject for verdict in found)


@pytest.mark.parametrize("step", [b"O", b"C", b"R", b"E"])
async def test_R_190_a_filter_that_does_not_answer_is_not_waited_for(
    configured: Configure, envelope_of: MakeEnvelope, step: bytes
) -> None:
    async with FakeFilter({step: Trouble.SILENCE}) as peer:
        check = configured(f"milter {peer.address}")
        assert isinstance(check, Milter)
        check.timeout = 0.05
        verdict = await last(check, envelope_of())
    assert reply_of(verdict) == FAILED
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["reason"] == "no answer within 0.05 seconds"


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_R_190_a_filter_that_is_down_is_a_transient_error(
    configured: Configure, envelope_of: MakeEnvelope, kind: str
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        address = f"tcp://127.0.0.1:{port}" if kind == "tcp" else "unix:no/such.sock"
        assert reply_of(await last(configured(f"milter {address}"), envelope_of())) == FAILED


async def test_filters_are_found_by_name(
    configured: Configure, envelope_of: MakeEnvelope, fake: FakeWorld
) -> None:
    fake.resolver.a = {"filter.example.org": ["127.0.0.1"]}
    async with FakeFilter() as peer:
        port = peer.address.rpartition(":")[2]
        check = configured(f"milter {{\nendpoint tcp://filter.example.org:{port}\n}}")
        assert await last(check, envelope_of()) == PASS
    for name in ("unknown.example.org", "empty.example.org"):
        fake.resolver.txts = {"empty.example.org": []}
        verdict = await last(configured(f"milter tcp://{name}:{port}"), envelope_of())
        assert reply_of(verdict) == FAILED


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("milter", "exactly one address is expected"),
        ("milter tcp://127.0.0.1:1 {\nendpoint tcp://127.0.0.1:2\n}", "exactly one address is expected"),
        ("milter tls://127.0.0.1:1", "filters are reached by tcp or unix"),
        ("milter inet:1@127.0.0.1", "unsupported scheme: inet"),
        ("milter tcp://127.0.0.1", "port is required"),
        ("milter tcp://127.0.0:1", "must be an IP address"),
        ("milter tcp://::1:1", "stands in brackets"),
        ("milter tcp://a..b:1", "must be an IP address"),
    ],
)
def test_mistakes_are_told_at_configuration(configured: Configure, text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        configured(text)
