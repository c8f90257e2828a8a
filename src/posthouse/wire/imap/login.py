"""LOGIN (RFC 3501 §6.2.3)."""

from dataclasses import dataclass, field

from posthouse.wire.imap.cursor import Cursor


@dataclass(frozen=True, slots=True)
class Login:
    """Octets as sent: whether they are a name and a password is not yet known."""

    user: bytes
    password: bytes = field(repr=False)


def parse_login(cursor: Cursor) -> Login:
    cursor.space()
    user = cursor.astring()
    cursor.space()
    password = cursor.astring()
    cursor.end()
    return Login(user, password)
