import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.smtp.parameters import (
    CommandError,
    MailOptions,
    RcptOptions,
    parse_mail_options,
    parse_rcpt_options,
)
from posthouse.wire.smtp.reply import Reply


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", MailOptions()),
        (" SIZE=1000", MailOptions(size=1000)),
        (" size=0", MailOptions(size=0)),
        (" BODY=8BITMIME  SIZE=5", MailOptions(body="8BITMIME", size=5)),
        (" BODY=7bit", MailOptions(body="7BIT")),
        ("\tSMTPUTF8", MailOptions(utf8=True)),
        (" REQUIRETLS", MailOptions(require_tls=True)),
        (" AUTH=<>", MailOptions()),
        (" AUTH=ann+2Bx@example.org", MailOptions(auth="ann+x@example.org")),
        (" AUTH=+22a+20b+22@example.org", MailOptions(auth="a b@example.org")),
    ],
)
def test_options_of_mail_are_read(text: str, options: MailOptions) -> None:
    assert parse_mail_options(text, tls=True) == options


UNPARSABLE = (501, "Unable to parse MAIL ESMTP parameters")
UNKNOWN = (500, "Unknown MAIL FROM argument")


@pytest.mark.parametrize(
    ("text", "code", "reply"),
    [
        (" A=B=C", *UNPARSABLE),
        (" =5", *UNPARSABLE),
        ("SIZE=5", *UNPARSABLE),
        (" SIZE=1 SIZE=2", *UNPARSABLE),
        (" SIZE=1 size=1", *UNPARSABLE),
        (" SMTPUTF8=yes", *UNPARSABLE),
        (" SIZE=-1", 501, "Unable to parse SIZE as an integer"),
        (" SIZE=+1", 501, "Unable to parse SIZE as an integer"),
        (" SIZE", 501, "Unable to parse SIZE as an integer"),
        (" SIZE=", 501, "Unable to parse SIZE as an integer"),
        (" SIZE=many", 501, "Unable to parse SIZE as an integer"),
        (" SIZE=٣", 501, "Unable to parse SIZE as an integer"),
        (" SIZE=" + "9" * 21, 501, "Unable to parse SIZE as an integer"),
        (" BODY=X", 501, "Unknown BODY value"),
        (" BODY", 501, "Unknown BODY value"),
        (" BODY=BINARYMIME", 504, "BINARYMIME is not implemented"),
        (" RET=FULL", 504, "RET is not implemented"),
        (" ENVID=+ZZ", 504, "ENVID is not implemented"),
        (" AUTH=", 500, "Malformed AUTH parameter value"),
        (" AUTH", 500, "Malformed AUTH parameter value"),
        (" AUTH=ann+2@example.org", 500, "Malformed AUTH parameter value"),
        (" AUTH=ann+0A@example.org", 500, "Malformed AUTH parameter value"),
        (" AUTH=ann", 500, "Malformed AUTH parameter mailbox"),
        (" AUTH=<ann@example.org>", 500, "Malformed AUTH parameter mailbox"),
        (" AUTH=ann@example.org+20x", 500, "Malformed AUTH parameter mailbox"),
        (" XUNKNOWN", *UNKNOWN),
        (" HOLDFOR=60", *UNKNOWN),
    ],
)
def test_R_051_bad_options_of_mail_are_refused(text: str, code: int, reply: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_mail_options(text, tls=True)
    assert (caught.value.reply.code, caught.value.reply.text) == (code, reply)
    assert caught.value.reply.enhanced == (5, 5, 4)


def test_requiretls_needs_tls() -> None:
    with pytest.raises(CommandError, match="Unknown MAIL FROM argument"):
        parse_mail_options(" REQUIRETLS", tls=False)


@pytest.mark.parametrize(
    ("text", "code", "reply"),
    [
        (" NOTIFY=NEVER", 504, "NOTIFY is not implemented"),
        (" ORCPT=rfc822;+ZZ", 504, "ORCPT is not implemented"),
        (" X=1", 500, "Unknown RCPT TO argument"),
        (" X=1=2", 501, "Unable to parse RCPT ESMTP parameters"),
        ("x", 501, "Unable to parse RCPT ESMTP parameters"),
    ],
)
def test_R_051_no_option_of_rcpt_is_taken(text: str, code: int, reply: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_rcpt_options(text)
    assert (caught.value.reply.code, caught.value.reply.text) == (code, reply)


@given(st.text())
def test_any_text_is_options_or_refused(text: str) -> None:
    for wire in (text, f" {text}", f" AUTH={text}"):
        try:
            parse_mail_options(wire, tls=True)
            parse_rcpt_options(wire)
        except CommandError:
            pass


@pytest.mark.parametrize(
    ("text", "ret", "envid"),
    [
        (" RET=FULL", "FULL", ""),
        (" ret=hdrs ENVID=QQ314159", "HDRS", "QQ314159"),
        (" ENVID=a+2Bb+3D", "", "a+b="),
        (" ENVID=" + "x" * 100, "", "x" * 100),
    ],
)
def test_dsn_of_a_message(text: str, ret: str, envid: str) -> None:
    options = parse_mail_options(text, tls=False, dsn=True)
    assert (options.ret, options.envid) == (ret, envid)


@pytest.mark.parametrize(
    ("text", "notify", "orcpt"),
    [
        ("", set(), ""),
        (" NOTIFY=never", {"NEVER"}, ""),
        (" NOTIFY=SUCCESS,Delay,FAILURE", {"SUCCESS", "DELAY", "FAILURE"}, ""),
        (
            " ORCPT=rfc822;Bob+2Bx@Example.org NOTIFY=FAILURE",
            {"FAILURE"},
            "rfc822;Bob+x@Example.org",
        ),
        (" ORCPT=x400;a;b", set(), "x400;a;b"),
    ],
)
def test_dsn_of_a_recipient(text: str, notify: set[str], orcpt: str) -> None:
    assert parse_rcpt_options(text, dsn=True) == RcptOptions(frozenset(notify), orcpt)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (" RET", "Unknown RET value"),
        (" RET=ALL", "Unknown RET value"),
        (" ENVID=", "Malformed ENVID parameter value"),
        (" ENVID=a+", "Malformed ENVID parameter value"),
        (" ENVID=a+0D+0A", "Malformed ENVID parameter value"),
        (" ENVID=a+2b", "Malformed ENVID parameter value"),
        (" ENVID=grüße", "Malformed ENVID parameter value"),
        (" ENVID=" + "x" * 101, "Malformed ENVID parameter value"),
        (" RET=FULL RET=FULL", "Unable to parse MAIL ESMTP parameters"),
    ],
)
def test_R_051_malformed_dsn_of_a_message(text: str, reply: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_mail_options(text, tls=False, dsn=True)
    assert caught.value.reply == Reply(501, (5, 5, 4), reply)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        (" NOTIFY", "Unknown NOTIFY value"),
        (" NOTIFY=NEVER,FAILURE", "Unknown NOTIFY value"),
        (" NOTIFY=SUCCESS,", "Unknown NOTIFY value"),
        (" NOTIFY=SOON", "Unknown NOTIFY value"),
        (" ORCPT=bob@example.org", "Malformed ORCPT parameter value"),
        (" ORCPT=;bob@example.org", "Malformed ORCPT parameter value"),
        (" ORCPT=rfc822;", "Malformed ORCPT parameter value"),
        (" ORCPT=rfc822;bob+zz", "Malformed ORCPT parameter value"),
        (" ORCPT=rfc822;bob+00", "Malformed ORCPT parameter value"),
        (" ORCPT=rf/c(822;bob", "Malformed ORCPT parameter value"),
        (" ORCPT=rfc822;" + "x" * 500, "Malformed ORCPT parameter value"),
    ],
)
def test_R_051_malformed_dsn_of_a_recipient(text: str, reply: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_rcpt_options(text, dsn=True)
    assert caught.value.reply == Reply(501, (5, 5, 4), reply)
