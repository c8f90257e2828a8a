"""check.require_matching_rdns: the name that DNS gives to the client's address must be that of its EHLO."""

from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.core.world import DnsError, IpAddress
from posthouse.framework.actions import QUARANTINE, Action, action
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.address import AddressError, dns_for_lookup
from posthouse.wire.smtp.reply import Reply

NO_NAME: Final = Reply(550, (5, 7, 25), "No PTR record found")
OTHER_NAME: Final = Reply(550, (5, 7, 25), "rDNS name does not match source hostname")
UNKNOWN: Final = Reply(450, (4, 7, 25), "DNS error during policy check")


class RequireMatchingRdns(Module):
    @settings
    class Settings:
        fail_action: Action = directive(
            action, default=QUARANTINE, help="when there is none, another one, or DNS does not say"
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    stages = frozenset({Stage.CONNECTION})
    waits = True
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.fail_action = settings.fail_action
        self.context = context

    def start_check(self, envelope: Envelope) -> "RequireMatchingRdnsState":
        return RequireMatchingRdnsState(self, envelope)


@dataclass(slots=True)
class RequireMatchingRdnsState(CheckState):
    check: RequireMatchingRdns
    envelope: Envelope

    async def check_connection(self) -> Verdict:
        connection = self.envelope.connection
        if connection is None:
            return self._skip("locally-generated message, skipping")
        if connection.remote_ip is None:
            return self._skip("no TCP connection, skipping")
        try:
            name = await self._name(connection, connection.remote_ip)
        except DnsError as err:
            return self._failure(UNKNOWN, err)
        if name is None:
            return self._failure(NO_NAME)
        if not _same(name, connection.hello):
            return self._failure(OTHER_NAME, rdns_name=name, src_host=connection.hello)
        return PASS

    async def _name(self, connection: Connection, address: IpAddress) -> str | None:
        """None: there is no PTR record. Raises DnsError (transient)."""
        name = await connection.remote_name()
        if name is not None:
            return name
        try:  # again: only the answer tells "none" from "not known", and DNS remembers the one
            names = await self.check.context.world.resolver.names(address)
        except DnsError as err:
            if err.transient:
                raise
            return None
        return names[0] if names else None

    def _skip(self, why: str) -> Verdict:
        self.envelope.log.seen_by(self.check.context.log).info(why)
        return PASS

    def _failure(self, reply: Reply, cause: Exception | None = None, **fields: object) -> Verdict:
        module = self.check.context.module
        error = MailError(reply, module=module, check="require_matching_rdns", **fields)
        error.__cause__ = cause
        return self.check.fail_action.on(Verdict(error))


def _same(name: str, hello: str) -> bool:
    try:
        return dns_for_lookup(name) == dns_for_lookup(hello)
    except AddressError:
        return False
