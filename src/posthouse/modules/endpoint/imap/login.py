"""LOGIN, and how anybody logs in."""

from typing import TYPE_CHECKING

from posthouse.core.errors import MailError
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.framework.interfaces.storage import Account
from posthouse.modules.endpoint.imap.capability import capabilities, may_log_in
from posthouse.modules.endpoint.imap.completion import Completion, Refused
from posthouse.modules.endpoint.imap.service import Service
from posthouse.wire.imap.login import Login
from posthouse.wire.sasl.mechanism import Credentials, SaslError, parse_user, with_password

if TYPE_CHECKING:
    from posthouse.modules.endpoint.imap.session import Session


async def login(session: "Session", request: Login) -> Completion:
    check_login_allowed(session)
    try:
        credentials = with_password(parse_user(request.user), request.password)
    except SaslError as err:
        session.service.sasl.malformed(err, session.remote)
        raise Refused("Invalid credentials") from err
    return await log_in(session, credentials)


def check_login_allowed(session: "Session") -> None:
    """Raises Refused while a password would be sent in clear."""
    if not may_log_in(session):
        raise Refused("Authentication disabled")


async def log_in(session: "Session", credentials: Credentials) -> Completion:
    """Let the client in if its credentials are good. Raises Refused."""
    service = session.service
    try:
        await service.sasl.authenticate(credentials, session.remote)
    except InvalidCredentials as err:
        raise Refused("Invalid credentials") from err
    except AuthUnavailable as err:
        raise Refused("internal server error") from err
    name = await _account_name(session, credentials.user)
    try:
        session.log_in(await _account(service, name))
    except InvalidCredentials as err:  # the storage may map names, too
        raise _not_mapped(session, credentials.user, str(err)) from err
    return Completion(code=f"CAPABILITY {capabilities(session)}")


async def _account_name(session: "Session", user: str) -> str:
    """The storage account of a user, by the name as it was sent (spec/storage-and-imap.md §4)."""
    service = session.service
    try:
        name = service.storage_normalize(user)
    except ValueError as err:
        raise _not_mapped(session, user, f"unable to normalize the user name: {err}") from err
    if service.storage_map is None:
        return name
    try:
        mapped = await service.storage_map.lookup(name)
    except MailError as err:
        service.log.error("storage_map failed", err, username=user)
        raise Refused("internal server error") from err
    if not mapped:
        raise _not_mapped(session, user, "user is not in storage_map")
    return mapped[0]


def _not_mapped(session: "Session", user: str, reason: str) -> Refused:
    """A user without an account: logged as every failed attempt is, with exactly these keys."""
    log = session.service.log.child("sasl")
    log.info("authentication failed", reason=reason, src_ip=session.remote, username=user)
    return Refused("Invalid credentials")


async def _account(service: Service, name: str) -> Account:
    """The account, made if there is none."""
    account = await service.storage.account(name)
    if account is not None:
        return account
    service.log.info("auto-creating storage account", username=name)
    try:
        return await service.storage.create_account(name)
    except ValueError as err:  # somebody was faster, or it is no name for an account
        account = await service.storage.account(name)
        if account is None:
            service.log.error("failed to create the storage account", err, username=name)
            raise Refused("internal server error") from err
        return account
