"""SASL PLAIN (RFC 4616): `[authzid] NUL user NUL password` in one response."""

from posthouse.wire.sasl.mechanism import Challenge, Credentials, SaslError, parse_user, with_password


class Plain:
    def step(self, response: bytes | None) -> Challenge | Credentials:
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0", 3)
        if len(parts) != 3:  # a NUL in the password must not cut it off (RFC 4616 §2)
            raise SaslError("malformed PLAIN response")
        authzid, user, password = parts
        credentials = with_password(parse_user(user), password)
        if authzid not in (b"", user):  # nobody may act as another
            raise SaslError("authorization identity differs from the user", user=credentials.user)
        return credentials
