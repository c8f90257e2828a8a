"""check.rspamd: asks rspamd what it thinks of a message (spec/modules.md §2)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec

from posthouse.core.errors import MailError
from posthouse.framework.actions import IGNORE, QUARANTINE, REJECT, Action, action
from posthouse.framework.buffer import Body
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.tls import TlsClient, client_context, tls_client
from posthouse.framework.config.values import duration, string
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.spool import read_chunks
from posthouse.message.header import Header
from posthouse.net.http import HttpClient, HttpError
from posthouse.wire.smtp.reply import Reply

TIMEOUT: Final = 30.0  # seconds for an answer
_TEXT: Final = "Message rejected due to local policy"
FAILED: Final = Reply(451, (4, 7, 0), "Internal error during policy check")
SUSPECT: Final = Reply(450, (4, 7, 0), _TEXT)
REJECTED: Final = Reply(550, (5, 7, 0), _TEXT)


class Answer(msgspec.Struct):
    """What counts of rspamd's JSON. Of `action` there is none in an answer that is none."""

    action: str
    score: float = 0.0


class Rspamd(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[URL]", most=1)
        api_path: str = directive(string, default="http://127.0.0.1:11333", help="where rspamd listens")
        settings_id: str = directive(string, default="", help="the settings that rspamd applies, by their ID")
        tag: str = directive(string, default="maddy", help="who we are to rspamd, in MTA-Tag")
        flags: str = directive(string, default="pass_all", help="flags of the request")
        hostname: str = directive(
            string, default="", inherit=True, help="the name of this server, in MTA-Name"
        )
        tls_client: TlsClient | None = directive(
            tls_client, default=None, inherit=True, help="how we are a client of TLS, for https"
        )
        timeout: float = directive(duration, default=TIMEOUT, help="how long rspamd may take")
        io_error_action: Action = directive(action, default=IGNORE, help="when rspamd does not answer")
        error_resp_action: Action = directive(
            action, default=IGNORE, help="when rspamd answers with an error"
        )
        add_header_action: Action = directive(action, default=QUARANTINE, help="for its action `add header`")
        rewrite_subj_action: Action = directive(
            action, default=QUARANTINE, help="for its action `rewrite subject`"
        )
        reject_action: Action = directive(action, default=REJECT, help="for its action `reject`")
        soft_reject_action: Action = directive(action, default=REJECT, help="for its action `soft reject`")

    stages = frozenset({Stage.BODY})
    waits = True
    only_asks_dns = False

    def __init__(self, settings: Settings, context: Context) -> None:
        url = settings.args[0] if settings.args else settings.api_path
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url} is no URL of http or https")
        self.url = url.rstrip("/") + "/checkv2"
        self.settings = settings
        tls = client_context(settings.tls_client) if url.startswith("https:") else None
        self.http = HttpClient(context.world.resolver, timeout=settings.timeout, tls=tls)
        self._context = context

    async def stop(self) -> None:
        await self.http.close()

    def start_check(self, envelope: Envelope) -> "RspamdState":
        return RspamdState(self, envelope, self._context)


@dataclass(slots=True)
class RspamdState(CheckState):
    check: Rspamd
    envelope: Envelope
    context: Context

    async def check_body(self, header: Header, body: Body) -> Verdict:
        settings = self.check.settings
        head = header.to_bytes() + b"\r\n"
        fields = list(_request(settings, self.envelope, await _name(self.envelope.connection)))
        data = b"".join((head, *body.chunks())) if body.path is None else _streamed(head, body)
        try:
            answer = await self.check.http.post(self.check.url, fields, data, len(head) + body.size)
        except HttpError as err:
            return settings.io_error_action.on(self._finding(FAILED, err))
        if answer.status // 100 != 2:
            error = HttpError(f"rspamd answers {answer.status}")
            return settings.error_resp_action.on(self._finding(FAILED, error))
        try:
            return self._verdict(msgspec.json.decode(answer.body, type=Answer))
        except (msgspec.DecodeError, UnicodeDecodeError) as err:
            return settings.io_error_action.on(self._finding(FAILED, err))

    def _verdict(self, answer: Answer) -> Verdict:
        settings = self.check.settings
        score = b"X-Spam-Score: %.2f\r\n" % answer.score
        flagged = (b"X-Spam-Flag: Yes\r\n", score)
        match answer.action:
            case "no action":
                return PASS
            case "greylist":
                return Verdict(fields=(score,))
            case "add header":
                return settings.add_header_action.on(self._finding(SUSPECT, None, flagged))
            case "rewrite subject":
                return settings.rewrite_subj_action.on(self._finding(SUSPECT, None, flagged))
            case "soft reject":
                return settings.soft_reject_action.on(self._finding(SUSPECT))
            case "reject":
                return settings.reject_action.on(self._finding(REJECTED))
        self.envelope.log.seen_by(self.context.log).info("unhandled action", action=answer.action)
        return PASS

    def _finding(
        self, reply: Reply, cause: Exception | None = None, fields: tuple[bytes, ...] = ()
    ) -> Verdict:
        error = MailError(reply, module=self.context.module, check="rspamd")
        error.__cause__ = cause
        return Verdict(error, fields=fields)


async def _name(connection: Connection | None) -> str:
    """The client's name, as far as it is known by now."""
    rdns = connection.rdns if connection is not None else None
    if rdns is None:
        return ""
    with contextlib.suppress(TimeoutError, OSError):
        return await asyncio.wait_for(asyncio.shield(rdns), 1.0) or ""
    return ""


def _request(settings: Rspamd.Settings, envelope: Envelope, name: str) -> Iterator[tuple[str, str]]:
    """The header of the request; what is not known is left out."""
    connection = envelope.connection
    known = [
        ("Pass", "all"),
        ("User-Agent", "maddy"),
        ("MTA-Tag", settings.tag),
        ("Flags", settings.flags),
        ("Settings-ID", settings.settings_id),
        ("MTA-Name", settings.hostname),
        ("From", envelope.original_from),
        *(("Rcpt", recipient) for recipient in envelope.recipients),
        ("Queue-ID", envelope.id),
    ]
    if connection is not None:
        known += [
            ("User", connection.auth_user),
            ("IP", str(connection.remote_ip or "")),
            ("Helo", connection.hello),
            ("Hostname", name),
        ]
        if connection.tls is not None:
            known += [
                ("TLS-Cipher", connection.tls.cipher),
                ("TLS-Version", connection.tls.version.removeprefix("TLSv")),
            ]
    for field, value in known:
        if value:
            yield field, "".join(char for char in value if char >= " " and char != "\x7f")


async def _streamed(head: bytes, body: Body) -> AsyncIterator[bytes]:
    """A spooled message, read from its file in threads."""
    yield head
    async for chunk in read_chunks(body):
        yield chunk
