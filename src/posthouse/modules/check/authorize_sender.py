"""check.authorize_sender: users may only send from addresses that are theirs.

The sender of the envelope is looked at, and with `check_header` the author of the header: From, or Sender in its place. What a resent
message says in its topmost Resent-From is looked at in the same way. An address belongs to a user whose entries in
`user_to_email` have it, or its domain, or `*`.
"""

from collections.abc import Awaitable, Sequence
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework import normalize
from posthouse.framework.actions import REJECT, Action, action
from posthouse.framework.buffer import Body
from posthouse.framework.config.kinds import table
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean, normalization
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import Table
from posthouse.framework.normalize import Normalization
from posthouse.message.address import AddressError, dns_for_lookup, equal, split
from posthouse.message.header import Header
from posthouse.message.originators import MalformedField, parse_originators
from posthouse.wire.smtp.reply import Reply

NOT_AUTHENTICATED: Final = Reply(530, (5, 7, 0), "Authentication required")
ODD_SENDER: Final = Reply(553, (5, 1, 7), "Unable to normalize sender address")
ODD_USER: Final = Reply(535, (5, 7, 8), "Unable to normalize authorization username")
NOT_THEIRS: Final = Reply(553, (5, 7, 0), "Unauthorized use of sender address")
FAILED: Final = Reply(454, (4, 7, 0), "Internal error during policy check")

_IDENTITY: Final = "table.identity"


class AuthorizeSender(Module):
    @settings
    class Settings:
        check_header: bool = directive(boolean, default=True, help="look at the header, too")
        prepare_email: Table | None = directive(
            table,
            default=None,
            default_text=_IDENTITY,
            help="the address to the addresses to look for instead",
        )
        user_to_email: Table | None = directive(
            table,
            default=None,
            default_text=_IDENTITY,
            help="the user to addresses, domains, or `*` for any address",
        )
        unauth_action: Action = directive(action, default=REJECT, help="when the client has not logged in")
        no_match_action: Action = directive(action, default=REJECT, help="when the address is another's")
        err_action: Action = directive(action, default=REJECT, help="when that cannot be told")
        malformed_action: Action | None = directive(
            action, default=None, default_text="that of `err_action`", help="when the header is malformed"
        )
        auth_normalize: Normalization = directive(
            normalization, default=normalize.auto, inherit=True, help="how user names are normalised"
        )
        from_normalize: Normalization = directive(
            normalization, default=normalize.auto, inherit=True, help="how addresses are normalised"
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    only_asks_dns = True  # tables are asked as they are for routing

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.stages = frozenset({Stage.SENDER, Stage.BODY} if settings.check_header else {Stage.SENDER})
        self.waits = settings.prepare_email is not None or settings.user_to_email is not None

    def start_check(self, envelope: Envelope) -> "AuthorizeSenderState":
        return AuthorizeSenderState(self, envelope)


class _Objection(Exception):
    """What is wrong, and what is done about it."""

    def __init__(self, action: Action, error: MailError) -> None:
        super().__init__(str(error))
        self.verdict = action.on(Verdict(error))


class AuthorizeSenderState(CheckState):
    def __init__(self, check: AuthorizeSender, envelope: Envelope) -> None:
        self._check = check
        self._settings = check.settings
        self._envelope = envelope
        self._owned: Sequence[str] | None = None  # what `user_to_email` has for the user

    async def check_sender(self, sender: str) -> Verdict:
        return await self._verdict(self._require(sender))

    async def check_body(self, header: Header, body: Body) -> Verdict:
        return await self._verdict(self._look_at(header))

    async def _verdict(self, look: Awaitable[None]) -> Verdict:
        try:
            await look
        except _Objection as objection:
            return objection.verdict
        return PASS

    async def _look_at(self, header: Header) -> None:
        froms = header.get_all(b"From")
        if not froms:
            raise self._malformed("Missing From header")
        if len(froms) > 1:
            raise self._malformed("Multiple From addresses are not allowed")
        senders = header.get_all(b"Sender")
        if len(senders) > 1:
            raise self._malformed("Malformed Sender header")
        await self._require(*self._authors(froms[0], senders[0] if senders else None))
        if (resent_from := header.get(b"Resent-From")) is not None:  # by the last who sent it again
            await self._require(*self._authors(resent_from, header.get(b"Resent-Sender"), "Resent-"))

    def _authors(self, author: bytes, sender: bytes | None, prefix: str = "") -> list[str]:
        """The address in From, then the one in Sender."""
        authors = self._mailboxes(author, f"{prefix}From")
        if len(authors) != 1:
            raise self._malformed(f"Multiple {prefix}From addresses are not allowed")
        if sender is not None:
            senders = self._mailboxes(sender, f"{prefix}Sender")
            if len(senders) != 1:
                raise self._malformed(f"Malformed {prefix}Sender header")
            authors += senders
        return authors

    def _mailboxes(self, value: bytes, name: str) -> list[str]:
        try:
            return parse_originators(value)
        except MalformedField as err:
            raise self._malformed(f"Malformed {name} header", err) from err

    async def _require(self, *addresses: str) -> None:
        """Raise an objection unless one of the addresses is the user's."""
        connection = self._envelope.connection
        if connection is None:
            self._envelope.log.seen_by(self._check.context.log).info("skipping locally generated message")
            return
        user, settings = connection.auth_user, self._settings
        if not user:
            raise self._objection(settings.unauth_action, NOT_AUTHENTICATED)
        for address in dict.fromkeys(addresses):
            if await self._is_theirs(user, address):
                return
        raise self._objection(settings.no_match_action, NOT_THEIRS, username=user, address=addresses[0])

    async def _is_theirs(self, user: str, address: str) -> bool:
        settings = self._settings
        address = self._normal(settings.from_normalize, address, ODD_SENDER)
        try:
            candidates = await _lookup(settings.prepare_email, address) or (address,)
            if self._owned is None:
                key = self._normal(settings.auth_normalize, user, ODD_USER)
                self._owned = await _lookup(settings.user_to_email, key)
        except MailError as err:
            raise self._objection(settings.err_action, FAILED, err) from err
        return any(_covers(owned, candidate) for owned in self._owned for candidate in candidates)

    def _normal(self, form: Normalization, name: str, refusal: Reply) -> str:
        try:
            return form(name)
        except ValueError as err:
            raise self._objection(self._settings.err_action, refusal, err) from err

    def _malformed(self, text: str, cause: Exception | None = None) -> _Objection:
        settings = self._settings
        action = settings.err_action if settings.malformed_action is None else settings.malformed_action
        return self._objection(action, Reply(550, (5, 7, 0), text), cause)

    def _objection(
        self, action: Action, reply: Reply, cause: Exception | None = None, **fields: object
    ) -> _Objection:
        error = MailError(reply, module=self._check.context.module, check="authorize_sender", **fields)
        error.__cause__ = cause
        return _Objection(action, error)


async def _lookup(asked: Table | None, key: str) -> Sequence[str]:
    return (key,) if asked is None else await asked.lookup(key)


def _covers(owned: str, address: str) -> bool:
    """Whether an entry of `user_to_email` allows an address."""
    if owned == "*" or equal(owned, address):
        return True
    try:
        domain = split(address)[1]
        return bool(domain) and dns_for_lookup(owned) == dns_for_lookup(domain)
    except AddressError:
        return False
