"""check.spf: whether the sender's domain lets the client send its mail (RFC 7208).

The domain is that of MAIL FROM, as the client gave it; for the empty sender the name in EHLO. It is asked from MAIL on, and what comes of it is
applied when the message is there: where the domain in From has a DMARC policy other than `none`, no action is taken, since DMARC decides then, and may
come to another end by DKIM. So `dmarc yes` belongs into the same pipeline. With `enforce_early` the actions are applied at MAIL, without regard to
DMARC. Clients at Unix sockets, and messages made here, are not checked.
`posthouse explain` tells what comes of it; what is done about it is known before delivery, to `expect` blocks too, only with `enforce_early`.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, NamedTuple

from posthouse.core.errors import MailError
from posthouse.core.world import DnsError, IpAddress
from posthouse.framework.actions import IGNORE, QUARANTINE, Action, action
from posthouse.framework.background import Background
from posthouse.framework.buffer import Body
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.check import PASS, AuthResult, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.mailauth.dmarc.evaluation import Dmarc
from posthouse.mailauth.dmarc.record import Mode, Policy
from posthouse.mailauth.spf import TIME_LIMIT, Result, SpfResult, check_host
from posthouse.message.address import AddressError, domain_to_ascii, split
from posthouse.message.header import Header
from posthouse.message.originators import MalformedField
from posthouse.wire.smtp.reply import Reply

MALFORMED: Final = Reply(550, (5, 1, 7), "Malformed address")
TEXTS: Final = {  # what the client is told
    Result.NONE: "No SPF policy",
    Result.NEUTRAL: "Neutral SPF result is not permitted",
    Result.FAIL: "SPF authentication failed",
    Result.SOFTFAIL: "SPF authentication soft-failed",
    Result.PERMERROR: "SPF authentication failed with a permanent error",
    Result.TEMPERROR: "SPF authentication failed with a temporary error",
}


class Spf(Module):
    @settings
    class Settings:
        enforce_early: bool = directive(
            boolean, default=False, inherit=True, help="apply actions at MAIL, without regard to DMARC"
        )
        none_action: Action = directive(action, default=IGNORE, help="when the domain has no policy")
        neutral_action: Action = directive(
            action, default=IGNORE, help="when the domain does not say whether the client may"
        )
        fail_action: Action = directive(action, default=QUARANTINE, help="when the client may not")
        softfail_action: Action = directive(action, default=IGNORE, help="when the client probably may not")
        permerr_action: Action = directive(action, default=IGNORE, help="when the policy is malformed")
        temperr_action: Action = directive(action, default=IGNORE, help="when DNS does not say")
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    waits = True
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.context = context
        self.enforces_early = settings.enforce_early
        self.stages = frozenset({Stage.CONNECTION, *[Stage.BODY] * (not self.enforces_early)})
        self._actions = {
            Result.NONE: settings.none_action,
            Result.NEUTRAL: settings.neutral_action,
            Result.FAIL: settings.fail_action,
            Result.SOFTFAIL: settings.softfail_action,
            Result.PERMERROR: settings.permerr_action,
            Result.TEMPERROR: settings.temperr_action,
        }

    def start_check(self, envelope: Envelope) -> "SpfState":
        return SpfState(self, envelope)

    async def evaluate(self, asked: "Asked") -> SpfResult:
        """What the policy of the domain says."""
        resolver = self.context.world.resolver
        try:
            async with asyncio.timeout(TIME_LIMIT):
                return await check_host(asked.ip, asked.domain, asked.sender, asked.hello, resolver)
        except TimeoutError:
            return SpfResult(Result.TEMPERROR, "DNS took too long")

    def noted(self, asked: "Asked", found: SpfResult) -> Verdict:
        """A result without its action."""
        properties = {"smtp.helo": asked.hello, "smtp.mailfrom": asked.mail_from}
        results = (AuthResult("spf", found.result.value, found.reason, properties),)
        if found.result is Result.PASS:
            return Verdict(auth_results=results)
        is_now = found.result is Result.TEMPERROR
        reply = Reply(451 if is_now else 550, (4 if is_now else 5, 7, 23), TEXTS[found.result])
        error = MailError(reply, module=self.context.module, check="check.spf", reason=found.reason)
        return Verdict(error, auth_results=results)

    def acted(self, result: Result, noted: Verdict) -> Verdict:
        """The same with its action."""
        return noted if result is Result.PASS else self._actions[result].on(noted)


class Asked(NamedTuple):
    """What a message asks for. mail_from: the domain of its sender as the client gave it; "" for `<>`."""

    ip: IpAddress
    domain: str  # in A-labels
    sender: str
    hello: str
    mail_from: str

    @classmethod
    def by(cls, connection: Connection, ip: IpAddress, reverse_path: str) -> "Asked":
        """RFC 7208 §2.4. Raises AddressError."""
        hello = connection.hello
        mail_from = split(reverse_path)[1] if reverse_path else ""
        sender = reverse_path if mail_from else f"postmaster@{hello}"
        return cls(ip, domain_to_ascii(mail_from or hello), sender, hello, mail_from)


@dataclass(slots=True)
class SpfState(CheckState):
    check: Spf
    envelope: Envelope
    asked: Asked | None = None
    evaluation: Background[SpfResult] | None = None

    async def check_connection(self) -> Verdict:
        check, connection = self.check, self.envelope.connection
        if connection is None:
            return self._skip("locally-generated message, skipping")
        if connection.remote_ip is None:
            return self._skip("no TCP connection, skipping")
        try:
            asked = Asked.by(connection, connection.remote_ip, self.envelope.original_from)
        except AddressError as err:
            error = MailError(MALFORMED, module=check.context.module, check="check.spf")
            error.__cause__ = err
            return Verdict(error, reject=True)
        if check.enforces_early or self.envelope.is_rehearsed:
            found = await check.evaluate(asked)
            noted = check.noted(asked, found)
            return check.acted(found.result, noted) if check.enforces_early else noted
        self.asked = asked
        self.evaluation = Background(check.evaluate(asked), "SPF")
        return PASS

    async def check_body(self, header: Header, body: Body) -> Verdict:
        if self.asked is None or self.evaluation is None:
            return PASS
        found = await self.evaluation.result()
        noted = self.check.noted(self.asked, found)
        if not await self._dmarc_decides(header):
            return self.check.acted(found.result, noted)
        log = self.envelope.log.seen_by(self.check.context.log)
        tell = log.debug if found.result is Result.PASS else log.info
        tell("deferring action due to a DMARC policy", result=found.result.value, err=found.reason)
        return Verdict(auth_results=noted.auth_results)

    async def close(self) -> None:
        if self.evaluation is not None:
            await self.evaluation.end(self.envelope.log)

    async def _dmarc_decides(self, header: Header) -> bool:
        """Whether the domain in From has a policy that asks for something."""
        resolver = self.check.context.world.resolver
        dmarc = self.envelope.dmarc or Dmarc(header.get_all(b"From"), resolver, Mode.TREE)
        try:
            applied = await dmarc.policy()
        except (MalformedField, DnsError):
            return False
        return applied is not None and applied.policy is not Policy.NONE

    def _skip(self, why: str) -> Verdict:
        self.envelope.log.seen_by(self.check.context.log).info(why)
        return PASS
