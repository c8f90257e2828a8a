"""check.require_mx_record: the sender's domain must have an MX record, and not the null MX (RFC 7505)."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.core.world import DnsError
from posthouse.framework.actions import QUARANTINE, Action, action
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.address import AddressError, domain_to_ascii, split
from posthouse.wire.smtp.reply import Reply

MALFORMED: Final = Reply(501, (5, 1, 8), "Malformed sender address")
NO_DOMAIN: Final = Reply(501, (5, 1, 8), "No domain part in address")
NO_MX: Final = Reply(501, (5, 7, 27), "Domain in MAIL FROM does not have any MX records")
NULL_MX: Final = Reply(501, (5, 7, 27), "Domain in MAIL FROM has null MX record")
UNKNOWN: Final = Reply(450, (4, 7, 0), "DNS error during policy check")
NOT_FOUND: Final = Reply(550, (5, 7, 0), "DNS error during policy check")


class RequireMxRecord(Module):
    @settings
    class Settings:
        fail_action: Action = directive(
            action, default=QUARANTINE, help="when there is none, or DNS does not say"
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    stages = frozenset({Stage.SENDER})
    waits = True
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.fail_action = settings.fail_action
        self.module = context.module
        self.resolver = context.world.resolver

    def start_check(self, envelope: Envelope) -> "RequireMxRecordState":
        return RequireMxRecordState(self)


@dataclass(slots=True)
class RequireMxRecordState(CheckState):
    check: RequireMxRecord

    async def check_sender(self, sender: str) -> Verdict:
        if not sender:
            return PASS
        try:
            domain = domain_to_ascii(split(sender)[1])
        except AddressError as err:
            return self._failure(MALFORMED, err)
        if not domain:
            return self._failure(NO_DOMAIN)
        try:
            exchanges = await self.check.resolver.mx(domain)
        except DnsError as err:
            return self._failure(UNKNOWN if err.transient else NOT_FOUND, err, domain=domain)
        if not exchanges:
            return self._failure(NO_MX, domain=domain)
        if any(not exchange for _, exchange in exchanges):
            return self._failure(NULL_MX, domain=domain)
        return PASS

    def _failure(self, reply: Reply, cause: Exception | None = None, **fields: object) -> Verdict:
        error = MailError(reply, module=self.check.module, check="require_mx_record", **fields)
        error.__cause__ = cause
        return self.check.fail_action.on(Verdict(error))
