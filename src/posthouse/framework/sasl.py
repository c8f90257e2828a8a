"""SASL as endpoints use it: mechanisms on offer, and who may log in (spec/smtp-endpoint §5)."""

from collections.abc import Callable, Sequence

from posthouse.core.errors import MailError
from posthouse.core.log import Logger
from posthouse.framework.interfaces.auth import Authenticator, AuthUnavailable, InvalidCredentials
from posthouse.framework.interfaces.table import Table
from posthouse.framework.normalize import Normalization
from posthouse.wire.sasl.login import Login
from posthouse.wire.sasl.mechanism import Credentials, Mechanism, SaslError
from posthouse.wire.sasl.plain import Plain


class UnsupportedMechanism(Exception):
    """The client asked for a mechanism that is not on offer."""

    def __init__(self) -> None:
        super().__init__("unsupported SASL mechanism")


class Sasl:
    """Log-ins of one endpoint.

    mechanisms: on offer, in the order in which they are announced; none without providers.
    """

    def __init__(
        self,
        providers: Sequence[Authenticator],
        *,
        log: Logger,
        normalize: Normalization,
        auth_map: Table | None = None,
        login: bool = False,
    ) -> None:
        """log: the endpoint's. login: offer LOGIN beside PLAIN."""
        self._providers = providers
        self._log = log.child("sasl")
        self._normalize = normalize
        self._auth_map = auth_map
        known: dict[str, Callable[[], Mechanism]] = {"PLAIN": Plain} | ({"LOGIN": Login} if login else {})
        self._mechanisms = known if providers else {}
        self.mechanisms = tuple(self._mechanisms)

    def start(self, mechanism: str) -> Mechanism:
        """Begin an exchange. Names are not case-sensitive. Raises UnsupportedMechanism."""
        made = self._mechanisms.get(mechanism.upper())
        if made is None:
            raise UnsupportedMechanism
        return made()

    def malformed(self, error: SaslError, remote: str) -> None:
        """Log an exchange that broke off before there were credentials: a failed attempt like any other."""
        self._log_failure(error, error.user, remote)

    async def authenticate(self, credentials: Credentials, remote: str) -> None:
        """Return if the credentials are good; the session's user is then `credentials.user`, as sent.

        remote: IP:PORT of the client, for the log of failed attempts, which is written here.
        Raises InvalidCredentials; AuthUnavailable when no provider could tell.
        """
        try:
            await self._ask_providers(await self._provider_name(credentials.user), credentials.password)
        except (InvalidCredentials, AuthUnavailable) as err:
            self._log_failure(err, credentials.user, remote)
            raise

    async def _provider_name(self, user: str) -> str:
        try:
            name = self._normalize(user)
        except ValueError as err:
            raise InvalidCredentials(f"unable to normalize the user name: {err}") from err
        if self._auth_map is None:
            return name
        try:
            mapped = await self._auth_map.lookup(name)
        except MailError as err:
            raise AuthUnavailable(f"auth_map: {err}") from err
        if not mapped:
            raise InvalidCredentials("user is not in auth_map")
        return mapped[0]

    async def _ask_providers(self, user: str, password: str) -> None:
        refused: InvalidCredentials | None = None
        unavailable: AuthUnavailable | None = None
        for provider in self._providers:
            try:
                return await provider.authenticate(user, password)
            except InvalidCredentials as err:
                refused = err
            except AuthUnavailable as err:
                unavailable = err
        raise refused or unavailable or InvalidCredentials("no auth. provider is set")

    def _log_failure(self, error: Exception, user: str, remote: str) -> None:
        """Filters of other programs are anchored at the end of this line: exactly these keys."""
        self._log.info("authentication failed", reason=str(error), src_ip=remote, username=user)
