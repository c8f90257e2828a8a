"""The endpoints themselves: what is configured, where they listen, how they stop."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from posthouse.framework.config.address import parse_address
from posthouse.framework.config.node import ConfigError
from posthouse.framework.config.proxy import check_proxies
from posthouse.framework.interfaces.check import EarlyCheck
from posthouse.framework.interfaces.endpoint import Address, Client
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.target import Target
from posthouse.framework.sasl import Sasl
from posthouse.framework.spool import Spool
from posthouse.message.address import domain_to_ascii, valid_domain
from posthouse.modules.endpoint.smtp.intake import IntakeLimits
from posthouse.modules.endpoint.smtp.rehearsal import rehearse
from posthouse.modules.endpoint.smtp.reserve import DiskReserve
from posthouse.modules.endpoint.smtp.service import Service, message_ids
from posthouse.modules.endpoint.smtp.session import Session
from posthouse.modules.endpoint.smtp.settings import LmtpSettings, SmtpSettings
from posthouse.net.connection import Stream
from posthouse.net.connections import Bounds
from posthouse.net.server import Server
from posthouse.pipeline.pipeline import Pipeline
from posthouse.wire.smtp.config import ServerConfig
from posthouse.wire.smtp.reply import Reply

STOP_MAX: Final = 5.0  # seconds for transactions under way when the server stops (design §2)
COMMIT_MAX: Final = 1.5  # seconds more for messages that are being stored

TOO_MANY: Final = Reply(421, (4, 7, 0), "Too many connections, try again later")

_FOR_TESTS: Final = "this is insecure configuration and should be used only for testing!"


class SmtpEndpoint(Module):
    """`smtp`: mail from other servers, and from clients that may send it."""

    Settings = SmtpSettings
    is_submission: ClassVar[bool] = False
    is_lmtp: ClassVar[bool] = False

    def __init__(self, settings: SmtpSettings, context: Context, target: Target | None = None) -> None:
        """target: takes the messages, instead of a pipeline of the configuration's rules."""
        self.addresses: Sequence[Address] = [parse_address(text) for text in settings.addresses]
        self._settings = settings
        self._context = context
        self._check()
        self._directory = settings.buffer.directory or context.paths.state / "buffer"
        self._service = make_service(
            settings,
            context,
            self._directory,
            target,
            is_submission=self.is_submission,
            is_lmtp=self.is_lmtp,
        )
        bounds = Bounds(settings.max_connections, settings.max_connections_per_ip, TOO_MANY.to_bytes())
        self._server = Server(context.log, bounds)
        self._sessions: set[Session] = set()
        self._is_stopping = False

    @property
    def session_count(self) -> int:
        """Connections that are served now."""
        return self._server.session_count

    async def prepare(self) -> None:
        """Make the directory for large bodies, and clear it of what a crash has left."""
        if self._settings.buffer.directory is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        elif self._settings.buffer.memory is not None and not self._directory.is_dir():
            raise NotADirectoryError(f"buffer: {self._directory} is no directory")
        if self._directory.is_dir():
            self._service.spool.clean()

    async def start(self) -> None:
        """Listen. Logs `listening on ADDR` for each address."""
        if isinstance(self._service.target, Pipeline):
            await self._service.target.start()
        try:
            for address in self.addresses:
                await self._listen(address)
        except BaseException:
            self._server.close_listeners()
            raise

    async def stop(self) -> None:
        """Accept no more, let transactions end for a moment, then end all sessions."""
        self._is_stopping = True
        self._server.close_listeners()
        for session in list(self._sessions):
            session.stop()
        if not await self._server.wait(min(self._settings.shutdown_timeout, STOP_MAX)):
            for session in list(self._sessions):
                session.end()
            await self._server.wait(COMMIT_MAX)
        await self._server.cancel()

    async def rehearse(
        self,
        client: Client,
        rehearsed: Callable[[Target], Target],
        heard: Callable[[str, str], None],
        left_out: Callable[[object, str], None],
    ) -> None:
        await rehearse(self._service, client, rehearsed, heard, left_out)

    async def _listen(self, address: Address) -> None:
        tls = self._settings.tls
        context = tls.context() if tls is not None and address.is_tls else None
        listener = self._context.world.listeners.take(address.text)
        proxies = self._settings.proxy_protocol
        await self._server.listen(listener, self._serve, context, proxies=proxies)
        self._context.log.info(f"listening on {address.text}")

    async def _serve(self, stream: Stream) -> None:
        session = Session(self._service, stream)
        self._sessions.add(session)
        if self._is_stopping:  # it was accepted just before
            session.stop()
        try:
            await session.run()
        finally:
            self._sessions.discard(session)

    def _check(self) -> None:
        settings, log = self._settings, self._context.log
        if self.is_submission and not settings.auth:
            raise ConfigError("auth. provider must be set for submission endpoint")
        if settings.tls is None and any(address.is_tls for address in self.addresses):
            raise ConfigError("can't bind on SMTPS endpoint without TLS configuration")
        check_proxies(settings.proxy_protocol, self.addresses)
        if settings.io_debug:
            log.info("I/O debugging is on: passwords may leak into the log!")
        if all(address.is_local for address in self.addresses):
            return
        if settings.insecure_auth:
            log.info(f"authentication over unencrypted connections is allowed, {_FOR_TESTS}")
        if settings.tls is None:
            log.info(f"TLS is disabled, {_FOR_TESTS}")


class SubmissionEndpoint(SmtpEndpoint):
    """`submission`: mail from our own users, who have to log in."""

    is_submission = True


class LmtpEndpoint(SmtpEndpoint):
    """`lmtp`: mail from a server that hands it over for delivery, with a reply for each recipient (RFC 2033)."""

    Settings = LmtpSettings
    is_lmtp = True


def make_service(
    settings: SmtpSettings,
    context: Context,
    directory: Path,
    target: Target | None,
    *,
    is_submission: bool,
    is_lmtp: bool,
) -> Service:
    """What the sessions of an endpoint need. Raises ValueError for a hostname without A-labels."""
    world, log = context.world, context.log
    sasl = Sasl(
        settings.auth,
        log=log,
        normalize=settings.auth_map_normalize,
        auth_map=settings.auth_map,
        login=settings.sasl_login,
    )
    config = server_config(settings, sasl.mechanisms, is_lmtp=is_lmtp)
    target = target or Pipeline(settings.rules, config.hostname, world, adds_received=True)
    return Service(
        config=config,
        target=target,
        sasl=sasl,
        spool=Spool(directory, world.random, memory=settings.buffer.memory),
        reserve=DiskReserve(context.paths.state, settings.min_free, world.clock, log),
        intake=IntakeLimits(settings.max_message_size, settings.max_header_size, settings.max_received),
        limits=settings.limits,
        early=target if isinstance(target, EarlyCheck) else None,
        ids=message_ids(world.random),
        log=log,
        recorder=context.recorder,
        world=world,
        tls_context=settings.tls.context if settings.tls is not None else None,
        is_submission=is_submission,
        defers_sender_reject=settings.defer_sender_reject,
        logged_errors_max=settings.max_logged_rcpt_errors,
        read_timeout=settings.read_timeout,
        write_timeout=settings.write_timeout,
        mirrors_traffic=settings.io_debug,
    )


def server_config(
    settings: SmtpSettings, mechanisms: tuple[str, ...], *, is_lmtp: bool = False
) -> ServerConfig:
    """What the engine offers. Raises ValueError for a hostname that is none, or has no A-labels."""
    if not valid_domain(settings.hostname):
        raise ValueError(f"hostname {settings.hostname} is not the name of a host")
    return ServerConfig(
        hostname=domain_to_ascii(settings.hostname),
        lmtp=is_lmtp,
        line_max=settings.smtp_max_line_length,
        message_max=settings.max_message_size,
        recipients_max=max(settings.max_recipients, 0),
        starttls=settings.tls is not None,
        mechanisms=mechanisms,
        insecure_auth=settings.insecure_auth or settings.tls is None,
        dsn=settings.dsn,
        bare_postmaster=settings.bare_postmaster,
        mends_newlines=settings.bare_newline == "normalize",
    )
