import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.sasl.login import Login
from posthouse.wire.sasl.mechanism import PASSWORD_MAX, USER_MAX, Challenge, Credentials, SaslError
from posthouse.wire.sasl.plain import Plain


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"\0tim\0tanstaaftanstaaf", id="RFC 4616 section 4, first example"),
        pytest.param(b"tim\0tim\0tanstaaftanstaaf", id="authzid equal to the user"),
    ],
)
def test_plain_takes_one_response(response: bytes) -> None:
    assert Plain().step(response) == Credentials("tim", "tanstaaftanstaaf")


def test_plain_without_initial_response_asks_with_an_empty_challenge() -> None:
    plain = Plain()
    assert plain.step(None) == Challenge(b"")
    assert plain.step("\0jörg@exämple.org\0pa:ss wörd".encode()) == Credentials(
        "jörg@exämple.org", "pa:ss wörd"
    )


def test_R_082_another_authorization_identity_is_refused() -> None:
    with pytest.raises(SaslError, match="authorization identity") as caught:
        Plain().step(b"Ursel\0Kurt\0xipj3plmq")
    assert caught.value.user == "Kurt"


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"tim", id="no NUL"),
        pytest.param(b"tim\0pass", id="one NUL"),
        pytest.param(b"\0tim\0pass\0x", id="NUL in the password"),
        pytest.param(b"\0tim\0pass\0", id="NUL behind the password"),
        pytest.param(b"\0\0pass", id="empty user"),
        pytest.param(b"\0tim\0", id="empty password"),
        pytest.param(b"\0t\xffm\0pass", id="user is not UTF-8"),
        pytest.param(b"\0tim\0p\xc3", id="password is cut in a character"),
        pytest.param(b"\0t\xed\xa0\x80\0pass", id="a surrogate"),
        pytest.param(b"\0tim\r\nx\0pass", id="line end in the user"),
        pytest.param(b"\0" + b"u" * (USER_MAX + 1) + b"\0p", id="long user"),
        pytest.param(b"\0tim\0" + b"p" * (PASSWORD_MAX + 1), id="long password"),
        pytest.param(b"\0" * 10_000, id="10,000 NUL"),
    ],
)
def test_R_083_malformed_plain_is_refused(response: bytes) -> None:
    with pytest.raises(SaslError):
        Plain().step(response)


def test_login_asks_twice() -> None:
    login = Login()
    assert login.step(None) == Challenge(b"Username:")
    assert login.step(b"tim") == Challenge(b"Password:")
    assert login.step(b"secret") == Credentials("tim", "secret")


def test_login_takes_the_user_as_initial_response() -> None:
    login = Login()
    assert login.step(b"tim") == Challenge(b"Password:")
    assert login.step(b"secret") == Credentials("tim", "secret")


@pytest.mark.parametrize("password", [b"", b"pass\0x", b"\xff"])
def test_R_083_login_refuses_malformed_passwords(password: bytes) -> None:
    login = Login()
    login.step(b"tim")
    with pytest.raises(SaslError) as caught:
        login.step(password)
    assert caught.value.user == "tim"


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(Credentials("tim", "secret"))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_R_142_any_responses_give_an_answer_or_are_refused(first: bytes, second: bytes) -> None:
    for mechanism in (Plain(), Login()):
        try:
            if mechanism.step(first) == Challenge(b"Password:"):
                mechanism.step(second)
        except SaslError:
            pass
