"""SASL LOGIN (draft-murchison-sasl-login-00): obsolete, but what some clients know."""

from posthouse.wire.sasl.mechanism import Challenge, Credentials, parse_user, with_password


class Login:
    def __init__(self) -> None:
        self._user: str | None = None

    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"Username:")
        if self._user is None:
            self._user = parse_user(response)
            return Challenge(b"Password:")
        return with_password(self._user, response)
