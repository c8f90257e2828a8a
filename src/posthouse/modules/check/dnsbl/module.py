"""The check itself: from what lists know to what becomes of a client."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.actions import IGNORE, Action, action
from posthouse.framework.config.settings import arguments, directive, rest_of_block, settings
from posthouse.framework.config.values import boolean, integer
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.address import AddressError, split
from posthouse.modules.check.dnsbl.asking import (
    Findings,
    Hit,
    Identity,
    address_identity,
    ask_lists,
    name_identities,
)
from posthouse.modules.check.dnsbl.lists import DnsList, ListsKind, Subject, inline_list
from posthouse.modules.check.dnsbl.selftest import try_lists
from posthouse.wire.smtp.reply import Reply

LISTED: Final = "Client identity is listed in the used DNSBL"
UNKNOWN: Final = Reply(451, (4, 7, 0), "DNS error during policy check")


class Dnsbl(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[ZONE...]")
        check_early: bool = directive(boolean, default=False, help="refuse clients at EHLO already")
        quarantine_threshold: int = directive(
            integer, default=1, help="messages of clients with this score are quarantined"
        )
        reject_threshold: int = directive(integer, default=9999, help="clients with this score are rejected")
        dns_error_action: Action = directive(
            action,
            default=IGNORE,
            help="when a list cannot be asked; with `ignore` it does not know the client",
        )
        debug: bool = directive(boolean, default=False, help="log more")
        lists: tuple[DnsList, ...] = rest_of_block(ListsKind(), help="`ZONE [ZONE...] { ... }`, lists to ask")

    waits = True
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.lists = (*map(inline_list, settings.args), *settings.lists)
        asks_for_sender = any(Subject.MAIL_FROM in one.subjects for one in self.lists)
        self.stages = frozenset({Stage.CONNECTION, *[Stage.SENDER] * asks_for_sender})
        self._trying: asyncio.Task[None] | None = None

    async def start(self) -> None:
        trying = try_lists(self.context.world.resolver, self.lists, self.context.log)
        self._trying = asyncio.create_task(trying, name="testing DNS lists")

    async def stop(self) -> None:
        if self._trying is not None:
            self._trying.cancel()
            with suppress(asyncio.CancelledError):
                await self._trying
            self._trying = None

    async def check_early(self, connection: Connection) -> MailError | None:
        if not self.settings.check_early:
            return None
        verdict = self.verdict(await self.about_client(connection))
        return verdict.reason if verdict.reject else None

    def start_check(self, envelope: Envelope) -> "DnsblState":
        return DnsblState(self, envelope)

    async def about_client(self, connection: Connection) -> Findings:
        """What lists know of the client's address and name. They are asked once for a connection."""
        known = connection.findings.get(self)
        if isinstance(known, Findings):
            return known
        found = await self._ask(self.lists, list(_identities(connection)))
        connection.findings[self] = found
        return found

    async def about_sender(self, connection: Connection, sender: str, client: Findings) -> Findings:
        """What lists know of the sender's domain, that do not know the client. None is asked twice about a name."""
        try:
            names = name_identities(Subject.MAIL_FROM, split(sender)[1])
        except AddressError:
            return Findings()
        known = {hit.list for hit in client.hits}
        if {one.label for one in names} <= {one.label for one in _identities(connection)}:
            known |= {one for one in self.lists if Subject.EHLO in one.subjects}
        return await self._ask([one for one in self.lists if one not in known], names)

    def verdict(self, found: Findings) -> Verdict:
        """What becomes of it. Lists that failed count only when the others do not reject."""
        listed = self._listed(found.hits)
        if not found.failures or listed.reject:
            return listed
        failed = self.settings.dns_error_action.on(Verdict(self._failure(found.failures)))
        return failed if failed.reject or listed.reason is None else listed

    async def _ask(self, lists: Sequence[DnsList], identities: Sequence[Identity]) -> Findings:
        found = await ask_lists(self.context.world.resolver, lists, identities)
        for hit in found.hits:
            self.context.log.debug("listed", score=hit.listing.score, **_fields([hit]))
        return found

    def _listed(self, hits: Sequence[Hit]) -> Verdict:
        score = sum(hit.listing.score for hit in hits)
        if score < min(self.settings.quarantine_threshold, self.settings.reject_threshold):
            return PASS
        messages = [hit.listing.message for hit in hits if hit.listing.message]
        reply = Reply(554, (5, 7, 0), "; ".join(messages) or LISTED)
        rejects = score >= self.settings.reject_threshold
        reason = MailError(reply, module=self.context.module, check="dnsbl", **_fields(hits))
        return Verdict(reason, reject=rejects, quarantine=not rejects)

    def _failure(self, failures: Sequence[tuple[DnsList, str]]) -> MailError:
        lists = "; ".join(one.zone for one, _ in failures)
        reason = "; ".join(why for _, why in failures)
        return MailError(UNKNOWN, module=self.context.module, check="dnsbl", list=lists, reason=reason)


class DnsblState(CheckState):
    def __init__(self, check: Dnsbl, envelope: Envelope) -> None:
        self._check = check
        self._envelope = envelope

    async def check_connection(self) -> Verdict:
        connection = self._envelope.connection
        if connection is None:
            return self._skip("locally-generated message, skipping")
        if connection.remote_ip is None:
            return self._skip("no TCP connection, skipping")
        return self._check.verdict(await self._check.about_client(connection))

    async def check_sender(self, sender: str) -> Verdict:
        connection = self._envelope.connection
        if connection is None or connection.remote_ip is None or not sender:
            return PASS
        client = await self._check.about_client(connection)
        found = await self._check.about_sender(connection, sender, client)
        if not found.hits and not found.failures:  # the connection stage has said the rest
            return PASS
        return self._check.verdict(Findings((*client.hits, *found.hits), found.failures))

    def _skip(self, why: str) -> Verdict:
        self._envelope.log.seen_by(self._check.context.log).info(why)
        return PASS


def _identities(connection: Connection) -> Iterator[Identity]:
    """What is known of a client before its first message, in the order in which it counts."""
    if connection.remote_ip is not None:
        yield address_identity(connection.remote_ip)
        yield from name_identities(Subject.EHLO, connection.hello)


def _fields(hits: Sequence[Hit]) -> Mapping[str, object]:
    """What the log says of hits, in their order."""
    return {
        "list": "; ".join(hit.list.zone for hit in hits),
        "listed_identity": "; ".join(hit.identity.text for hit in hits),
        "reason": "; ".join(hit.reason for hit in hits),
    }
