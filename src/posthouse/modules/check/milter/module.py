"""The module, and its state for one message: which step is told when, and what an answer means."""

from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import IPv4Address
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.config.address import parse_address
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import boolean, string
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.spool import read_chunks
from posthouse.message.address import AddressError, quote_mbox, select_idna
from posthouse.message.header import Header, split_fields
from posthouse.modules.check.milter.conversation import Changes, Conversation, FilterFailed, Outcome, portions
from posthouse.net.client import connect_tcp, connect_unix
from posthouse.net.connection import Stream
from posthouse.wire.milter.answers import Decision, ReplyCode
from posthouse.wire.milter.client import Macros
from posthouse.wire.smtp.reply import Reply

TIMEOUT: Final = 10.0  # seconds to connect, for each read and each write

_TEXT: Final = "Message rejected due to local policy"
REJECTED: Final = Reply(550, (5, 7, 1), _TEXT)
DEFERRED: Final = Reply(450, (4, 7, 1), _TEXT)
FAILED: Final = Reply(451, (4, 7, 1), "I/O error during policy check")

_CONNECT_MACROS: Final = {"{daemon_name}": "maddy", "{if_name}": "unknown", "{if_addr}": "0.0.0.0"}  # noqa: S104 - as maddy says it
_LOCAL: Final = Connection(
    "", "localhost", IPv4Address("127.0.0.1"), 25
)  # where messages made here come from


class Milter(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[ADDRESS]", most=1)
        endpoint: str = directive(
            string, default="", help="where the filter listens: tcp://HOST:PORT or unix:PATH"
        )
        fail_open: bool = directive(boolean, default=False, help="take messages while the filter fails")
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    stages = frozenset(Stage)
    waits = True
    only_asks_dns = False

    def __init__(self, settings: Settings, context: Context) -> None:
        given = [*settings.args, *[settings.endpoint] * bool(settings.endpoint)]
        if len(given) != 1:
            raise ValueError("exactly one address is expected")
        self.address = parse_address(given[0], may_name=True)
        if self.address.is_tls:
            raise ValueError(f"{self.address.text}: filters are reached by tcp or unix")
        self.fail_open = settings.fail_open
        self.context = context
        self.timeout = TIMEOUT

    async def connect(self) -> Stream:
        """Raises OSError."""
        address = self.address
        if address.scheme == "unix":
            return await connect_unix(str(self.context.paths.runtime / address.path))
        return await connect_tcp(address.host, address.port, self.context.world.resolver)

    def start_check(self, envelope: Envelope) -> "MilterState":
        return MilterState(self, envelope)


class MilterState(CheckState):
    """The filter is asked until it accepts the message, refuses it, or fails."""

    def __init__(self, check: Milter, envelope: Envelope) -> None:
        self._check = check
        self._envelope = envelope
        self._log = envelope.log.seen_by(check.context.log)
        self._conversation: Conversation | None = (
            None  # None: before the first step, and when no more is asked
        )
        self._afterwards = (
            PASS  # the verdict when no more is asked: a filter that failed has let nothing pass
        )

    async def check_connection(self) -> Verdict:
        try:
            self._conversation = await Conversation.open(self._check.connect, self._check.timeout)
            return await self._connected(self._conversation)
        except FilterFailed as err:
            return self._failure(err)

    async def check_sender(self, sender: str) -> Verdict:
        if (conversation := self._conversation) is None:
            return self._afterwards
        envelope = self._envelope
        user = envelope.connection.auth_user if envelope.connection is not None else ""
        parameters = [b"SMTPUTF8"] if envelope.options.utf8 else []
        conversation.session.mail(
            self._path(sender), parameters, _known({"i": envelope.id, "{auth_authen}": user})
        )
        return await self._go_on(conversation)

    async def check_recipient(self, recipient: str) -> Verdict:
        if (conversation := self._conversation) is None:
            return self._afterwards
        conversation.session.recipient(self._path(recipient))
        return await self._go_on(conversation, ends=False)

    async def check_body(self, header: Header, body: Body) -> Verdict:
        if (conversation := self._conversation) is None:
            return self._afterwards
        try:
            async for outcome in _content(conversation, header, body):
                if outcome not in (Decision.CONTINUE, Decision.SKIP):
                    self._end()
                    return self._verdict(outcome, conversation.changes)
            self._end()
            return self._verdict(Decision.ACCEPT, conversation.changes)
        except FilterFailed as err:
            return self._failure(err)

    async def close(self) -> None:
        self._end()

    async def _connected(self, conversation: Conversation) -> Verdict:
        """Tell who the client is, and how it greeted."""
        connection = self._envelope.connection or _LOCAL
        name, tls = connection.hello.encode("utf-8", "replace"), connection.tls
        conversation.session.connect(name, connection.remote_ip, connection.remote_port, _CONNECT_MACROS)
        verdict = await self._go_on(conversation)
        if self._conversation is None:
            return verdict
        macros = {} if tls is None else {"{tls_version}": tls.version, "{cipher}": tls.cipher}
        conversation.session.hello(name, macros)
        return await self._go_on(conversation)

    async def _go_on(self, conversation: Conversation, *, ends: bool = True) -> Verdict:
        """The verdict on the step that was begun. ends: a refusal is one of the whole message."""
        try:
            outcome = await conversation.answer()
        except FilterFailed as err:
            return self._failure(err)
        if outcome is Decision.CONTINUE:
            return PASS
        verdict = self._verdict(outcome, conversation.changes)
        if ends or outcome in (
            Decision.ACCEPT,
            Decision.DISCARD,
        ):  # these two are said of messages, not of recipients
            self._end()
            self._afterwards = verdict if verdict.reject else PASS
        return verdict

    def _end(self) -> None:
        """Ask no more."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.close()

    def _verdict(self, outcome: Outcome, changes: Changes) -> Verdict:
        for what, count in changes.ignored.items():
            self._log.info(
                "change not supported, ignored", milter=self._check.address.text, change=what, count=count
            )
        if outcome is Decision.ACCEPT or outcome is Decision.CONTINUE:
            if changes.quarantine is None:
                return Verdict(fields=changes.fields) if changes.fields else PASS
            error = self._error(REJECTED, reason=changes.quarantine)
            return Verdict(error, quarantine=True, fields=changes.fields)
        return Verdict(self._error(_reply(outcome)), reject=True)

    def _failure(self, err: FilterFailed) -> Verdict:
        self._end()
        error = self._error(FAILED)
        error.__cause__ = err
        if self._check.fail_open:
            self._log.error("the filter failed, taking the message without it", error)
            return PASS
        self._afterwards = Verdict(error, reject=True)
        return self._afterwards

    def _error(self, reply: Reply, **fields: object) -> MailError:
        module, text = self._check.context.module, self._check.address.text
        return MailError(reply, module=module, check="milter", milter=text, **fields)

    def _path(self, address: str) -> bytes:
        with suppress(AddressError):  # as it is: it is the filter's to judge
            address = address and select_idna(address, utf8=self._envelope.options.utf8)
        local_part, at, domain = address.rpartition("@")
        if at and not local_part.startswith('"'):  # a `>` in it must not end the path
            address = f"{quote_mbox(local_part)}@{domain}"
        return b"<%b>" % address.encode("utf-8", "replace")


async def _content(conversation: Conversation, header: Header, body: Body) -> AsyncIterator[Outcome]:
    """The answers to the steps of the message itself. Raises FilterFailed."""
    session = conversation.session
    session.data()
    yield await conversation.answer()
    for field in split_fields(header.to_bytes()):
        session.header(field)
        yield await conversation.answer()
    session.end_of_header()
    yield await conversation.answer()
    async for portion in portions(read_chunks(body)):
        session.body(portion)
        yield await conversation.answer()
    session.end()
    yield await conversation.answer()


def _reply(outcome: Outcome) -> Reply:
    if isinstance(outcome, ReplyCode):
        return Reply(outcome.code, (outcome.code // 100, 7, 1), _TEXT)
    return REJECTED if outcome is Decision.REJECT else DEFERRED


def _known(macros: Macros) -> Macros:
    return {name: value for name, value in macros.items() if value}
