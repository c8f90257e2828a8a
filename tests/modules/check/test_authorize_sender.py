"""check.authorize_sender: who may send as whom (R-070)."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.interfaces.check import PASS, Check, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.message.header import Header
from posthouse.modules.check.authorize_sender import AuthorizeSender
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.reply import Reply

Configure = Callable[[str], Check]
MakeEnvelope = Callable[..., Envelope]

OWN = Reply(553, (5, 7, 0), "Unauthorized use of sender address")
TABLES = """
    user_to_email static {
        entry ann@example.org ann@example.org Sales@example.org example.net
        entry root@example.org *
    }
    prepare_email static {
        entry alias@example.org ann@example.org
        entry shared@example.org bob@example.org sales@example.org
    }
"""


class FailingTable:
    """A table that cannot tell."""

    async def lookup(self, key: str) -> list[str]:
        raise MailError(Reply(451, (4, 3, 0), "the database is away"), module="table.sql_table")


def reply_of(verdict: Verdict) -> Reply:
    assert verdict.reason is not None
    assert verdict.reason.module == "check.authorize_sender"
    return verdict.reason.reply


@pytest.mark.parametrize(
    ("user", "sender"),
    [
        ("ann@example.org", "ann@example.org"),
        ("Ann@Example.ORG", "ANN@example.org."),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("example.org", "anybody@example.org"),
    ],
)
async def test_without_tables_users_are_their_addresses(
    configured: Configure, envelope_of: MakeEnvelope, user: str, sender: str
) -> None:
    check = configured("authorize_sender")
    assert not check.waits
    assert await check.start_check(envelope_of(user=user)).check_sender(sender) == PASS


@pytest.mark.parametrize(
    ("user", "sender", "reply"),
    [
        pytest.param("", "ann@example.org", Reply(530, (5, 7, 0), "Authentication required"), id="nobody"),
        pytest.param("ann@example.org", "bob@example.org", OWN, id="another's"),
        pytest.param("ann@example.org", "ann@sub.example.org", OWN, id="another domain"),
        pytest.param("ann@example.org", "postmaster", OWN, id="no domain"),
        pytest.param(
            "ann@example.org",
            "",
            Reply(553, (5, 1, 7), "Unable to normalize sender address"),
            id="null sender",
        ),
        pytest.param(
            "a b\u2028",
            "ann@example.org",
            Reply(535, (5, 7, 8), "Unable to normalize authorization username"),
            id="odd user",
        ),
    ],
)
async def test_other_senders_are_rejected(
    configured: Configure, envelope_of: MakeEnvelope, user: str, sender: str, reply: Reply
) -> None:
    state = configured("authorize_sender").start_check(envelope_of(user=user))
    verdict = await state.check_sender(sender)
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == reply


@pytest.mark.parametrize(
    ("user", "sender", "passes"),
    [
        pytest.param("ann@example.org", "sales@example.org", True, id="second address"),
        pytest.param("ann@example.org", "any@example.net", True, id="domain"),
        pytest.param("ann@example.org", "alias@example.org", True, id="prepared"),
        pytest.param("ann@example.org", "shared@example.org", True, id="second of the prepared"),
        pytest.param("ann@example.org", "bob@example.org", False, id="another's"),
        pytest.param("root@example.org", "any@where.test", True, id="any"),
        pytest.param("eve@example.org", "eve@example.org", False, id="unknown user"),
    ],
)
async def test_tables_say_which_addresses_are_whose(
    configured: Configure, envelope_of: MakeEnvelope, user: str, sender: str, passes: bool
) -> None:
    check = configured(f"authorize_sender {{{TABLES}}}")
    assert check.waits
    verdict = await check.start_check(envelope_of(user=user)).check_sender(sender)
    assert (verdict == PASS) is passes


@pytest.mark.parametrize("prepares", [True, False], ids=["prepare_email", "user_to_email"])
async def test_a_table_that_fails_is_a_transient_error(
    envelope_of: MakeEnvelope, configured: Configure, prepares: bool
) -> None:
    check = configured("authorize_sender")
    assert isinstance(check, AuthorizeSender)
    failing = FailingTable()
    plain = check.settings
    check.settings = (
        replace(plain, prepare_email=failing) if prepares else replace(plain, user_to_email=failing)
    )
    verdict = await check.start_check(envelope_of(user="ann@example.org")).check_sender("ann@example.org")
    assert verdict.reject
    assert reply_of(verdict) == Reply(454, (4, 7, 0), "Internal error during policy check")
    assert verdict.reason is not None
    assert verdict.reason.log_fields()["reason"] == "the database is away"


async def test_each_finding_has_its_action(configured: Configure, envelope_of: MakeEnvelope) -> None:
    check = configured(
        "authorize_sender {\nunauth_action ignore\nno_match_action quarantine\nerr_action reject 450\n}"
    )
    verdict = await check.start_check(envelope_of()).check_sender("ann@example.org")
    assert (verdict.reject, verdict.quarantine, reply_of(verdict).code) == (False, False, 530)
    ann = check.start_check(envelope_of(user="ann@example.org"))
    verdict = await ann.check_sender("bob@example.org")
    assert (verdict.reject, verdict.quarantine) == (False, True)
    verdict = await ann.check_body(Header.parse(b""), MemoryBody(b""))
    assert (verdict.reject, reply_of(verdict).code) == (True, 450)


async def test_the_header_is_looked_at_unless_it_is_said_otherwise(configured: Configure) -> None:
    assert configured("authorize_sender").stages == {Stage.SENDER, Stage.BODY}
    assert configured("authorize_sender {\ncheck_header no\n}").stages == {Stage.SENDER}


async def test_locally_generated_messages_are_skipped(
    fake: FakeWorld, configured: Configure, envelope_of: MakeEnvelope
) -> None:
    state = configured("authorize_sender").start_check(envelope_of(is_local=True))
    assert await state.check_sender("ann@example.org") == PASS
    assert fake.log.lines == ['authorize_sender: skipping locally generated message\t{"msg_id":"0a1b2c3d"}']


async def check_header(configured: Configure, envelope_of: MakeEnvelope, *fields: str) -> Verdict:
    check = configured("authorize_sender {\nmalformed_action quarantine\n}")
    state = check.start_check(envelope_of(user="ann@example.org"))
    header = "".join(f"{field}\r\n" for field in (*fields, "Subject: hello"))
    return await state.check_body(Header.parse(header.encode()), MemoryBody(b""))


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["From: ann@example.org"], id="From"),
        pytest.param(["From: =?utf-8?q?Eve?= <Ann@Example.org> (me)"], id="name and comment"),
        pytest.param(["From: Us: ann@example.org;"], id="group of one"),
        pytest.param(["From: bob@example.org", "Sender: Ann <ann@example.org>"], id="Sender"),
        pytest.param(["From: ann@example.org", "Sender: bob@example.org"], id="From, whatever Sender says"),
        pytest.param(["Resent-From: ann@example.org", "From: ann@example.org"], id="resent"),
        pytest.param(
            ["Resent-From: bob@example.org", "Resent-Sender: ann@example.org", "From: ann@example.org"],
            id="resent by a secretary",
        ),
        pytest.param(
            ["Resent-From: ann@example.org", "Resent-From: bob@example.org", "From: ann@example.org"],
            id="resent again",
        ),
    ],
)
async def test_R_070_own_messages_pass(
    configured: Configure, envelope_of: MakeEnvelope, fields: list[str]
) -> None:
    assert await check_header(configured, envelope_of, *fields) == PASS


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["From: bob@example.org"], id="From"),
        pytest.param(['From: "ann@example.org" <bob@example.org>'], id="name"),
        pytest.param(["From: bob@example.org (ann@example.org)"], id="comment"),
        pytest.param(["From: bob@example.org", "Sender: eve@example.org"], id="Sender is another's too"),
        pytest.param(
            ["Resent-From: ann@example.org", "From: bob@example.org"], id="Resent-From allows nothing"
        ),
        pytest.param(["Resent-From: bob@example.org", "From: ann@example.org"], id="Resent-From"),
    ],
)
async def test_R_070_forged_messages_are_rejected(
    configured: Configure, envelope_of: MakeEnvelope, fields: list[str]
) -> None:
    verdict = await check_header(configured, envelope_of, *fields)
    assert (verdict.reject, verdict.quarantine) == (True, False)
    assert reply_of(verdict) == OWN


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param([], "Missing From header", id="no From"),
        pytest.param(["From:"], "Malformed From header", id="empty From"),
        pytest.param(["From: ann"], "Malformed From header", id="no domain"),
        pytest.param(["From: ann@example.org <bob@example.org>"], "Malformed From header", id="two in one"),
        pytest.param(["From: <ann@example.org>bob@example.org"], "Malformed From header", id="behind"),
        pytest.param(["From: <@bob.test:ann@example.org>"], "Malformed From header", id="route"),
        pytest.param(
            ["From: =?utf-8?q?bob=40example.net=3E?=@example.org"], "Malformed From header", id="encoded word"
        ),
        pytest.param(
            ["From: ann@example.org, bob@example.org"],
            "Multiple From addresses are not allowed",
            id="two addresses",
        ),
        pytest.param(
            ["From: ann@example.org", "from: bob@example.org"],
            "Multiple From addresses are not allowed",
            id="two fields",
        ),
        pytest.param(
            ["From: Us: ann@example.org, bob@example.org;"],
            "Multiple From addresses are not allowed",
            id="group of two",
        ),
        pytest.param(["From: Nobody:;"], "Multiple From addresses are not allowed", id="empty group"),
        pytest.param(["From: ann@example.org", "Sender: ann"], "Malformed Sender header", id="odd Sender"),
        pytest.param(
            ["From: ann@example.org", "Sender: ann@example.org", "Sender: bob@example.org"],
            "Malformed Sender header",
            id="two Senders",
        ),
        pytest.param(
            ["From: ann@example.org", "Sender: ann@example.org, bob@example.org"],
            "Malformed Sender header",
            id="two in Sender",
        ),
        pytest.param(
            ["Resent-From: x", "From: ann@example.org"], "Malformed Resent-From header", id="odd Resent-From"
        ),
    ],
)
async def test_R_070_malformed_headers_have_an_action_of_their_own(
    configured: Configure, envelope_of: MakeEnvelope, fields: list[str], text: str
) -> None:
    verdict = await check_header(configured, envelope_of, *fields)
    assert (verdict.reject, verdict.quarantine) == (False, True)
    assert reply_of(verdict) == Reply(550, (5, 7, 0), text)
