"""AUTHENTICATE: an exchange of SASL (RFC 3501 §6.2.2)."""

from binascii import b2a_base64
from typing import TYPE_CHECKING

from posthouse.framework.sasl import UnsupportedMechanism
from posthouse.modules.endpoint.imap.completion import Completion, Refused
from posthouse.modules.endpoint.imap.login import check_login_allowed, log_in
from posthouse.wire.imap.authenticate import Authenticate
from posthouse.wire.imap.response import Condition
from posthouse.wire.sasl.base64 import CANCEL, InvalidBase64, decode_initial, decode_response
from posthouse.wire.sasl.mechanism import Challenge, Credentials, Mechanism, SaslError

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def authenticate(session: "Session", request: Authenticate) -> Completion:
    check_login_allowed(session)
    sasl = session.service.sasl
    try:
        mechanism = sasl.start(request.mechanism)
    except UnsupportedMechanism as err:
        raise Refused("Unsupported authentication mechanism") from err
    try:
        credentials = await _exchange(session, mechanism, request.initial)
    except InvalidBase64 as err:
        sasl.malformed(err, session.remote)
        return Completion(Condition.BAD, "Invalid base64 data")
    except SaslError as err:
        sasl.malformed(err, session.remote)
        raise Refused("Invalid credentials") from err
    if credentials is None:
        return Completion(Condition.BAD, "Negotiation cancelled")
    return await log_in(session, credentials)


async def _exchange(session: "Session", mechanism: Mechanism, initial: bytes | None) -> Credentials | None:
    """Challenges and responses up to the credentials; None when the client gives up. Raises SaslError."""
    response = None if initial is None else decode_initial(initial)
    while isinstance(step := mechanism.step(response), Challenge):
        session.out.write(b"+ %b\r\n" % b2a_base64(step.data, newline=False))
        line = await session.next_line()
        if line == CANCEL:
            return None
        response = decode_response(line)
    return step
