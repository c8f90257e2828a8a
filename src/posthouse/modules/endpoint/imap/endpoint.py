"""The `imap` endpoint: its directives, its listeners, and its sessions (spec/storage-and-imap.md §4)."""

from collections.abc import Sequence
from typing import Final

from posthouse.framework import normalize
from posthouse.framework.config import kinds
from posthouse.framework.config.address import parse_address
from posthouse.framework.config.node import ConfigError
from posthouse.framework.config.proxy import check_proxies, proxy_protocol
from posthouse.framework.config.settings import arguments, directive, repeated, settings
from posthouse.framework.config.tls import server_tls
from posthouse.framework.config.values import boolean, integer, normalization
from posthouse.framework.interfaces.auth import Authenticator
from posthouse.framework.interfaces.endpoint import Address
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.storage import Storage
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.tls import ServerTls
from posthouse.framework.normalize import Normalization
from posthouse.framework.sasl import Sasl
from posthouse.framework.spool import Spool
from posthouse.modules.endpoint.imap.service import Service, Timeouts
from posthouse.modules.endpoint.imap.session import Session
from posthouse.net.connection import Stream
from posthouse.net.connections import Bounds
from posthouse.net.proxied import Proxies
from posthouse.net.server import Server

STOP_TIMEOUT: Final = 1.0  # seconds for sessions to end by themselves, once they were told
TOO_MANY: Final = b"* BYE Too many connections, try again later\r\n"

_FOR_TESTS: Final = "this is insecure configuration and should be used only for testing!"


@settings
class ImapSettings:
    addresses: tuple[str, ...] = arguments(
        help="where to listen: tcp://HOST:PORT, tls://HOST:PORT, unix:PATH", least=1
    )
    storage: Storage = directive(kinds.storage, help="where the mailboxes are")
    auth: tuple[Authenticator, ...] = repeated(
        kinds.auth, help="who knows users and passwords; several are asked in order"
    )
    sasl_login: bool = directive(boolean, default=False, help="offer the old mechanism LOGIN beside PLAIN")
    tls: ServerTls | None = directive(server_tls, inherit=True, help="certificates, or off")
    insecure_auth: bool = directive(
        boolean, default=False, default_text="no; yes when TLS is off", help="take passwords without TLS"
    )
    auth_map: Table | None = directive(
        kinds.table, default=None, inherit=True, help="user names as clients give them, to those of `auth`"
    )
    auth_map_normalize: Normalization = directive(
        normalization, default=normalize.auto, inherit=True, help="how user names are normalised first"
    )
    storage_map: Table | None = directive(
        kinds.table, default=None, help="user names as clients give them, to accounts of `storage`"
    )
    storage_map_normalize: Normalization = directive(
        normalization, default=normalize.auto, help="how user names are normalised for `storage_map`"
    )
    proxy_protocol: Proxies | None = directive(
        proxy_protocol, default=None, help="connections come through a proxy that says who the client is"
    )
    max_connections: int = directive(
        integer, default=0, help="connections at a time; more are told BYE. 0 is no limit"
    )
    max_connections_per_ip: int = directive(
        integer,
        default=0,
        help="the same for each client: an IPv4 address, or an IPv6 network of 64 bits. 0 is no limit",
    )
    io_debug: bool = directive(boolean, default=False, help="write the traffic to the debug log")
    io_errors: bool = directive(boolean, default=False, help="log connections that break off")
    debug: bool = directive(boolean, default=False, inherit=True, help="log more")


class ImapEndpoint(Module):
    """Serves the mailboxes of one storage on all its addresses."""

    Settings = ImapSettings

    def __init__(self, settings: ImapSettings, context: Context, timeouts: Timeouts | None = None) -> None:
        """timeouts: others than a server has."""
        self.addresses: Sequence[Address] = [parse_address(text) for text in settings.addresses]
        self._settings = settings
        self._context = context
        self._check()
        self._service = _make_service(settings, context, timeouts or Timeouts())
        bounds = Bounds(settings.max_connections, settings.max_connections_per_ip, TOO_MANY)
        self._server = Server(context.log, bounds)
        self._sessions: set[Session] = set()

    async def prepare(self) -> None:
        """Make the directory for large messages, and clear it of what a crash has left."""
        self._service.spool.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._service.spool.clean()

    async def start(self) -> None:
        """Listen. Logs `listening on ADDR` for each address."""
        tls, proxies = self._settings.tls, self._settings.proxy_protocol
        for address in self.addresses:
            listener = self._context.world.listeners.take(address.text)
            context = tls.context() if tls is not None and address.is_tls else None
            await self._server.listen(listener, self._serve, context, proxies=proxies)
            self._context.log.info(f"listening on {address.text}")

    async def stop(self) -> None:
        """Accept no more, and end all sessions at once (design §2)."""
        self._server.close_listeners()
        for session in list(self._sessions):
            session.shut_down()
        await self._server.wait(STOP_TIMEOUT)
        await self._server.cancel()

    async def _serve(self, stream: Stream) -> None:
        session = Session(stream, self._service)
        self._sessions.add(session)
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    def _check(self) -> None:
        settings, log = self._settings, self._context.log
        if settings.tls is None and any(address.is_tls for address in self.addresses):
            raise ConfigError("imap: can't bind on IMAPS endpoint without TLS configuration")
        check_proxies(settings.proxy_protocol, self.addresses)
        if settings.io_debug:
            log.info("I/O debugging is on: passwords may leak into the log!")
        if all(address.is_local for address in self.addresses):
            return
        if settings.insecure_auth:
            log.info(f"authentication over unencrypted connections is allowed, {_FOR_TESTS}")
        if settings.tls is None:
            log.info(f"TLS is disabled, {_FOR_TESTS}")


def _make_service(settings: ImapSettings, context: Context, timeouts: Timeouts) -> Service:
    sasl = Sasl(
        settings.auth,
        log=context.log,
        normalize=settings.auth_map_normalize,
        auth_map=settings.auth_map,
        login=settings.sasl_login,
    )
    return Service(
        storage=settings.storage,
        sasl=sasl,
        log=context.log,
        spool=Spool(context.paths.state / "buffer", context.world.random),
        storage_normalize=settings.storage_map_normalize,
        storage_map=settings.storage_map,
        tls=settings.tls,
        insecure_auth=settings.insecure_auth or settings.tls is None,
        io_debug=settings.io_debug,
        io_errors=settings.io_errors,
        timeouts=timeouts,
    )
