"""check.require_tls: only messages that came over TLS. Locally generated ones did not."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.actions import REJECT, Action, action
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.wire.smtp.reply import Reply

NO_TLS: Final = Reply(550, (5, 7, 1), "TLS conversation required")


class RequireTls(Module):
    @settings
    class Settings:
        fail_action: Action = directive(action, default=REJECT, help="when there is no TLS")
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    stages = frozenset({Stage.CONNECTION})
    waits = False
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.fail_action = settings.fail_action
        self.module = context.module

    def start_check(self, envelope: Envelope) -> "RequireTlsState":
        return RequireTlsState(self, envelope)


@dataclass(slots=True)
class RequireTlsState(CheckState):
    check: RequireTls
    envelope: Envelope

    async def check_connection(self) -> Verdict:
        connection = self.envelope.connection
        if connection is not None and connection.tls is not None:
            return PASS
        error = MailError(NO_TLS, module=self.check.module, check="require_tls")
        return self.check.fail_action.on(Verdict(error))
