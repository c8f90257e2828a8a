from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from posthouse.core.errors import BUSY, MailError
from posthouse.core.log import Logger
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.framework.sasl import Sasl, UnsupportedMechanism
from posthouse.testing.world import LogLines
from posthouse.wire.sasl.mechanism import Credentials, SaslError

ANN = Credentials("Ann@Example.org", "secret")


@dataclass
class Provider:
    """Knows one user, or raises what it is told to."""

    user: str = "ann@example.org"
    error: Exception | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def authenticate(self, user: str, password: str) -> None:
        self.asked.append((user, password))
        if self.error:
            raise self.error
        if (user, password) != (self.user, "secret"):
            raise InvalidCredentials("unknown credentials")


@dataclass
class Map:
    values: dict[str, Sequence[str]] = field(default_factory=dict)
    error: MailError | None = None

    async def lookup(self, key: str) -> Sequence[str]:
        if self.error:
            raise self.error
        return self.values.get(key, ())


def sasl(
    *providers: Provider, auth_map: Map | None = None, login: bool = False, log: LogLines | None = None
) -> Sasl:
    logger = Logger(log or LogLines(), "submission")
    return Sasl(providers, log=logger, normalize=str.lower, auth_map=auth_map, login=login)


def test_mechanisms_are_offered_only_with_providers() -> None:
    assert sasl(Provider()).mechanisms == ("PLAIN",)
    assert sasl(Provider(), login=True).mechanisms == ("PLAIN", "LOGIN")
    assert sasl(login=True).mechanisms == ()


@pytest.mark.parametrize("name", ["LOGIN", "", "CRAM-MD5", "PLAIN "])
def test_a_mechanism_that_is_not_on_offer_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedMechanism, match=r"^unsupported SASL mechanism$"):
        sasl(Provider()).start(name)


def test_mechanism_names_have_no_case() -> None:
    assert sasl(Provider()).start("plain").step(b"\0ann\0x") == Credentials("ann", "x")


async def test_providers_are_asked_in_order_until_one_accepts() -> None:
    first, second, third = Provider("eve"), Provider(), Provider()
    await sasl(first, second, third).authenticate(ANN, "")
    assert first.asked == second.asked == [("ann@example.org", "secret")]
    assert third.asked == []


async def test_a_failed_attempt_is_one_line_with_exactly_three_keys() -> None:
    log = LogLines()
    with pytest.raises(InvalidCredentials):
        await sasl(Provider("eve"), log=log).authenticate(ANN, "[2001:db8::1]:4711")
    (line,) = log.lines
    assert line == (
        "submission/sasl: authentication failed\t"
        '{"reason":"unknown credentials","src_ip":"[2001:db8::1]:4711","username":"Ann@Example.org"}'
    )


def test_a_malformed_exchange_is_logged_alike() -> None:
    log = LogLines()
    sasl(Provider(), log=log).malformed(SaslError("invalid base64"), "192.0.2.1:99")
    assert log.lines == [
        'submission/sasl: authentication failed\t{"reason":"invalid base64","src_ip":"192.0.2.1:99","username":""}'
    ]


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param(["down", "down"], AuthUnavailable, id="nobody can tell"),
        pytest.param(["down", "wrong"], InvalidCredentials, id="one can tell"),
        pytest.param(["wrong", "down"], InvalidCredentials, id="the first can tell"),
        pytest.param([], InvalidCredentials, id="no provider at all"),
    ],
)
async def test_unavailable_only_when_every_provider_is(errors: list[str], expected: type[Exception]) -> None:
    made = {"down": AuthUnavailable("database locked"), "wrong": InvalidCredentials("wrong")}
    with pytest.raises(expected):
        await sasl(*(Provider(error=made[error]) for error in errors)).authenticate(ANN, "")


async def test_auth_map_gives_the_name_that_providers_see() -> None:
    provider = Provider("ann")
    await sasl(provider, auth_map=Map({"ann@example.org": ["ann", "other"]})).authenticate(ANN, "")
    assert provider.asked == [("ann", "secret")]


async def test_a_user_who_is_not_in_auth_map_fails() -> None:
    provider = Provider()
    with pytest.raises(InvalidCredentials, match="auth_map"):
        await sasl(provider, auth_map=Map()).authenticate(ANN, "")
    assert provider.asked == []


async def test_auth_map_that_cannot_tell_is_temporary() -> None:
    with pytest.raises(AuthUnavailable):
        await sasl(Provider(), auth_map=Map(error=MailError(BUSY))).authenticate(ANN, "")


async def test_a_name_without_normal_form_fails() -> None:
    def refuse(name: str) -> str:
        raise ValueError("not allowed")

    logged = LogLines()
    provider = Provider()
    with pytest.raises(InvalidCredentials):
        await Sasl([provider], log=Logger(logged, "imap"), normalize=refuse).authenticate(ANN, "")
    assert provider.asked == []
    assert logged.fields_of("imap/sasl", "authentication failed")[0]["username"] == "Ann@Example.org"
