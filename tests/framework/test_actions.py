"""Actions of checks: what is done about a finding, and with which words."""

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.actions import IGNORE, QUARANTINE, REJECT, Action, parse_action
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.interfaces.check import PASS, Verdict
from posthouse.wire.smtp.reply import Reply

FOUND = Verdict(MailError(Reply(550, (5, 7, 1), "No TLS"), module="check.require_tls", client="192.0.2.1"))


def action(*args: str) -> Action:
    return parse_action(args, Node("fail_action", args, None, "x.conf", 7, 1))


def test_the_three_actions() -> None:
    assert (action("ignore"), action("quarantine"), action("reject")) == (IGNORE, QUARANTINE, REJECT)


def test_an_action_without_reply_keeps_that_of_the_check() -> None:
    judged = REJECT.on(FOUND)
    assert (judged.reject, judged.quarantine, judged.reason) == (True, False, FOUND.reason)


@pytest.mark.parametrize(
    ("args", "reply"),
    [
        (("450",), Reply(450, (4, 7, 0), "Message rejected due to a local policy")),
        (("550", "5.7.25"), Reply(550, (5, 7, 25), "Message rejected due to a local policy")),
        (("550", "5.1.1", "Go away"), Reply(550, (5, 1, 1), "Go away")),
    ],
)
def test_arguments_replace_the_reply_and_nothing_else(args: tuple[str, ...], reply: Reply) -> None:
    reason = action("quarantine", *args).on(FOUND).reason
    assert reason is not None
    assert (reason.reply, reason.module) == (reply, "check.require_tls")
    assert reason.fields == {"client": "192.0.2.1"}


def test_a_check_without_a_finding_is_not_acted_upon() -> None:
    assert action("reject", "550").on(PASS) is PASS


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "expected at least one argument"),
        (("rejekt",), "invalid action: rejekt"),
        (("reject", "250"), "invalid SMTP code"),
        (("reject", "550", "5.7"), "invalid enhanced status code"),
        (("reject", "550", "4.7.0"), "does not fit"),
        (("reject", "550", "5.7.0", ""), "is empty"),
        (("reject", "550", "5.7.0", "a", "b"), "too many arguments"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(args: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        action(*args)
    assert "x.conf:7" in str(caught.value)
