from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.smtp.config import ServerConfig
from posthouse.wire.smtp.events import (
    RESET,
    Auth,
    AuthEnded,
    AuthResponse,
    Closed,
    Content,
    Event,
    Flush,
    Hello,
    Mail,
    MessageEnd,
    Rcpt,
    StartTls,
)
from posthouse.wire.smtp.parameters import MailOptions
from posthouse.wire.smtp.reply import Reply
from posthouse.wire.smtp.server import REPLIES_MAX, ServerSession

CONFIG = ServerConfig(
    "mx.example.org", message_max=1000, recipients_max=5, mechanisms=("PLAIN",), insecure_auth=True
)
LMTP = ServerConfig("mx.example.org", lmtp=True)
NO = Reply(550, (5, 7, 1), "No")


def pump(session: ServerSession) -> Iterator[Event]:
    """All events, each answered with yes."""
    while (event := session.next_event()) is not None:
        yield event
        if isinstance(event, Closed):
            return
        if isinstance(event, Flush):
            session.data_to_send()
        elif not isinstance(event, Content | AuthEnded) and event != RESET:
            session.accept()
        if isinstance(event, StartTls):
            session.tls_started()


def converse(session: ServerSession, wire: bytes) -> tuple[list[Event], list[bytes]]:
    """Events, and the lines of the replies."""
    session.feed(wire)
    return list(pump(session)), session.data_to_send().split(b"\r\n")[:-1]


def greeted(config: ServerConfig = CONFIG) -> ServerSession:
    session = ServerSession(config)
    converse(session, b"LHLO client.example\r\n" if config.lmtp else b"HELO client.example\r\n")
    return session


def test_a_message_becomes_events() -> None:
    events, _ = converse(
        ServerSession(CONFIG),
        b"EHLO client.example\r\nMAIL FROM:<ann@example.net> SIZE=10\r\nRCPT TO:<bob@example.org>\r\n"
        b"DATA\r\nSubject: x\r\n\r\n..\r\n.\r\nQUIT\r\n",
    )
    assert events == [
        Hello("client.example", is_extended=True),
        Mail("ann@example.net", MailOptions(size=10)),
        Rcpt("bob@example.org"),
        Content(b"Subject: x\r\n\r\n.\r\n"),
        MessageEnd(None),
        Closed(),
    ]


def test_a_refused_hello_leaves_the_client_ungreeted() -> None:
    session = greeted()
    converse(session, b"MAIL FROM:<ann@example.net>\r\n")
    session.feed(b"EHLO client.example\r\n")
    assert session.next_event() == Hello("client.example", is_extended=True)
    session.refuse(NO)
    assert not session.in_transaction
    assert session.data_to_send() == b"550 5.7.1 No\r\n"
    assert converse(session, b"MAIL FROM:<ann@example.net>\r\n")[1] == [
        b"502 5.5.1 Please introduce yourself first."
    ]


def test_a_refused_mail_keeps_the_earlier_transaction() -> None:
    session = greeted()
    converse(session, b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\n")
    session.feed(b"MAIL FROM:<eve@example.net>\r\n")
    assert session.next_event() == Mail("eve@example.net", MailOptions())
    session.refuse(NO)
    assert converse(session, b"DATA\r\n.\r\n")[0] == [MessageEnd(None)]


def test_a_refused_message_ends_its_transaction() -> None:
    session = greeted()
    converse(session, b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\n")
    session.feed(b"DATA\r\nSubject: x\r\n.\r\n")
    assert [session.next_event(), session.next_event()] == [Content(b"Subject: x\r\n"), MessageEnd(None)]
    session.refuse(NO)
    assert session.data_to_send().endswith(b"550 5.7.1 No\r\n")
    assert not session.in_transaction


def test_rset_and_too_large_chunks_end_a_transaction_once() -> None:
    session = greeted()
    assert converse(session, b"RSET\r\n")[0] == []
    assert converse(session, b"MAIL FROM:<ann@example.net>\r\nRSET\r\nRSET\r\n")[0][1:] == [RESET]
    events, replies = converse(
        session, b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\nBDAT 1001\r\n" + b"x" * 1001
    )
    assert events[2:] == [RESET]
    assert replies[-1] == b"552 5.3.4 Max message size exceeded"


def test_R_033_chunks_become_content_octet_by_octet() -> None:
    session = greeted()
    events, _ = converse(
        session,
        b"MAIL FROM:<ann@example.net>\r\nRCPT TO:<bob@example.org>\r\n"
        b"BDAT 14\r\nSubject: \0\xff\r\n\r" + b"BDAT 12 LAST\r\n\n.\r\nQUIT\r\n\r\n" + b"NOOP\r\n",
    )
    assert merged(events)[2:] == [Content(b"Subject: \0\xff\r\n\r\n.\r\nQUIT\r\n\r\n"), MessageEnd(None)]


def test_auth_is_an_exchange_of_decoded_responses() -> None:
    session = greeted()
    session.feed(b"AUTH PLAIN\r\nYQ==\r\n")
    assert session.next_event() == Auth("PLAIN", None)
    session.challenge(b"who?")
    assert session.next_event() == AuthResponse(b"a")
    session.challenge(b"")
    session.feed(b"*\r\n")
    assert session.next_event() == AuthEnded(None)
    assert session.data_to_send() == b"334 d2hvPw==\r\n334 \r\n501 5.0.0 Negotiation cancelled\r\n"
    session.feed(b"auth plain YQ\r\nAUTH PLAIN =\r\n")
    event = session.next_event()
    assert isinstance(event, AuthEnded)
    assert str(event.error) == "invalid base64"
    assert session.next_event() == Auth("PLAIN", b"")


def test_R_034_nothing_survives_the_handshake() -> None:
    session = greeted(
        ServerConfig("mx.example.org", starttls=True, mechanisms=("PLAIN",), insecure_auth=True)
    )
    converse(session, b"AUTH PLAIN YQ==\r\nMAIL FROM:<ann@example.net>\r\n")
    session.feed(b"STARTTLS\r\nEHLO evil.example\r\nRCPT TO:<evil@example.org>\r\n")
    assert session.next_event() == StartTls()
    session.accept()
    assert session.data_to_send() == b"220 2.0.0 Ready to start TLS\r\n"
    session.feed(b"NOOP\r\n")  # read before the handshake began
    session.tls_started()
    assert session.next_event() is None
    assert not session.in_transaction
    assert converse(session, b"AUTH PLAIN YQ==\r\n")[1] == [b"502 5.5.1 Please introduce yourself first."]


def test_R_048_replies_are_sent_before_too_many_have_gathered() -> None:
    session = greeted()
    session.feed(b"NOOP\r\n" * 40_000)
    sent = []
    while (event := session.next_event()) is not None:
        assert event == Flush()
        sent.append(session.data_to_send())
    sent.append(session.data_to_send())
    assert b"".join(sent).count(b"\r\n") == 40_000
    assert max(map(len, sent)) < REPLIES_MAX + 1000


def test_what_is_said_last_is_the_last() -> None:
    session = greeted()
    session.feed(b"NOOP\r\nNOOP")
    session.close(Reply(421, (4, 3, 2), "Server shutting down"))
    assert session.next_event() == Closed()
    assert session.data_to_send() == b"421 4.3.2 Server shutting down\r\n"


class TestLmtp:
    def test_only_lhlo_greets(self) -> None:
        session = ServerSession(LMTP)
        assert converse(session, b"EHLO a\r\nHELO a\r\nMAIL FROM:<>\r\nLHLO a\r\n")[1] == [
            b"220 mx.example.org LMTP Service Ready",
            b"500 5.5.1 This is a LMTP server, use LHLO",
            b"500 5.5.1 This is a LMTP server, use LHLO",
            b"502 5.5.1 Please introduce yourself first.",
            b"250-Hello a",
            b"250-PIPELINING",
            b"250-8BITMIME",
            b"250-ENHANCEDSTATUSCODES",
            b"250-CHUNKING",
            b"250-SMTPUTF8",
            b"250 SIZE",
        ]

    def message(self, recipients: Sequence[str]) -> ServerSession:
        session = greeted(LMTP)
        converse(session, b"MAIL FROM:<ann@example.net>\r\n")
        for recipient in recipients:
            converse(session, f"RCPT TO:<{recipient}>\r\n".encode())
        session.feed(b"DATA\r\nSubject: x\r\n.\r\n")
        assert [session.next_event(), session.next_event()] == [Content(b"Subject: x\r\n"), MessageEnd(None)]
        session.data_to_send()
        return session

    def test_each_recipient_has_its_reply(self) -> None:
        session = self.message(["a@example.org", "b@example.org", "a@example.org"])
        session.accept_some([None, Reply(452, (4, 2, 2), "Mailbox is full"), None])
        assert session.data_to_send().split(b"\r\n")[:-1] == [
            b"250 2.0.0 <a@example.org> OK: queued",
            b"452 4.2.2 <b@example.org> Mailbox is full",
            b"250 2.0.0 <a@example.org> OK: queued",
        ]
        assert not session.in_transaction

    def test_one_answer_serves_all_recipients(self) -> None:
        session = self.message(["a@example.org", "b@example.org"])
        session.accept()
        assert session.data_to_send().count(b"OK: queued\r\n") == 2
        session = self.message(["a@example.org", "b@example.org"])
        session.refuse(NO)
        assert session.data_to_send() == (b"550 5.7.1 <a@example.org> No\r\n550 5.7.1 <b@example.org> No\r\n")


WORDS = [
    b"EHLO a\r\n", b"HELO b\r\n", b"LHLO c\r\n", b"MAIL FROM:<a@b.c>\r\n", b"MAIL FROM:<> SMTPUTF8\r\n", b"RCPT TO:<a@b.c>\r\n",
    b"DATA\r\n", b".\r\n", b"..\r\n", b"text\r\n", b"\r\n", b"\n", b"\r", b".", b"BDAT 3\r\n", b"BDAT 2 LAST\r\n",
    b"BDAT 99999\r\n", b"abc", b"RSET\r\n", b"NOOP\r\n", b"STARTTLS\r\n", b"AUTH PLAIN\r\n", b"AUTH PLAIN YQ==\r\n", b"*\r\n",
    b"YQ==\r\n", b"QUIT\r\n", b"\xff\r\n", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01",
]  # fmt: skip
WIRES = st.one_of(st.lists(st.sampled_from(WORDS), max_size=30).map(b"".join), st.binary(max_size=200))
CONFIGS = st.sampled_from(
    [CONFIG, LMTP, ServerConfig("a", starttls=True, mends_newlines=True, line_max=1000)]
)


def merged(events: list[Event]) -> list[Event]:
    """Events, where pieces of content make one."""
    result: list[Event] = []
    for event in events:
        if isinstance(event, Content) and result and isinstance(result[-1], Content):
            result[-1] = Content(result[-1].data + event.data)
        elif not isinstance(event, Flush):
            result.append(event)
    return result


def without_content(events: list[Event]) -> list[Event]:
    """For messages that are refused: how much of them was seen until then is nobody's matter."""
    return [event for event in events if not isinstance(event, Content)]


@given(WIRES, st.integers(1, 9), CONFIGS)
def test_events_do_not_depend_on_how_octets_arrive(wire: bytes, size: int, config: ServerConfig) -> None:
    events, replies = converse(ServerSession(config), wire)
    parts = ServerSession(config)
    pieces, lines = converse(parts, b"")
    for at in range(0, len(wire), size):
        more, said = converse(parts, wire[at : at + size])
        pieces, lines = pieces + more, lines + said
        if Closed() in more:
            break
    if StartTls() in events:  # octets behind it are forgotten when they are there already
        return
    if Closed() in events or wire.count(b"\r\n") * 2 != wire.count(b"\r") + wire.count(b"\n"):
        events, pieces = without_content(events), without_content(pieces)
    assert merged(pieces) == merged(events)
    assert lines == replies


@given(WIRES, CONFIGS)
def test_what_is_left_of_a_session_can_always_be_said(wire: bytes, config: ServerConfig) -> None:
    session = ServerSession(config)
    _, replies = converse(session, wire)
    session.close(Reply(421, (4, 3, 2), "Server shutting down"))
    assert session.next_event() == Closed()
    for line in replies:
        assert line[:3].isdigit()
        assert line[3:4] in (b" ", b"-")
