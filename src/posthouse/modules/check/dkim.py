"""check.dkim: verifies the signatures of domains on a message (RFC 6376, RFC 8463).

A signature passes when its domain has the key in DNS and nothing that is signed was changed; those with `l=`, of the algorithm rsa-sha1, or by an RSA
key under 1024 bits do not. Each of the topmost ten has its result in Authentication-Results, which DMARC takes into account. A key that cannot be looked up
now defers the message (421 4.7.20), unless `fail_open` is set: then it is taken as if no signature had been looked at. A failure by a domain that only
tests DKIM (`t=y` of its key) counts as no signature.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, ParamSpec, TypeVar

from posthouse.core.errors import MailError
from posthouse.framework.actions import IGNORE, Action, action
from posthouse.framework.buffer import Body
from posthouse.framework.config.settings import directive, settings
from posthouse.framework.config.values import boolean, strings
from posthouse.framework.interfaces.check import PASS, AuthResult, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.spool import HASH_AT_ONCE, hash_body
from posthouse.mailauth.dkim.verify import Outcome, Result, Verification
from posthouse.message.header import Header
from posthouse.wire.smtp.reply import Reply

T = TypeVar("T")
P = ParamSpec("P")

NO_SIGNATURES: Final = Reply(550, (5, 7, 20), "No DKIM signatures")
NONE_PASSES: Final = Reply(550, (5, 7, 20), "No passing DKIM signatures")
NO_KEY_NOW: Final = Reply(421, (4, 7, 20), "Temporary error during DKIM verification")
UNREADABLE: Final = Reply(451, (4, 3, 0), "Internal I/O error")
_NONE: Final = (AuthResult("dkim", "none"),)


class Dkim(Module):
    @settings
    class Settings:
        required_fields: tuple[str, ...] = directive(
            strings, default=("From", "Subject"), help="header fields that a signature must cover to count"
        )
        fail_open: bool = directive(
            boolean, default=False, help="take messages whose keys cannot be looked up now"
        )
        broken_sig_action: Action = directive(
            action, default=IGNORE, help="when there are signatures, and none passes"
        )
        no_sig_action: Action = directive(action, default=IGNORE, help="when there is no signature")
        debug: bool = directive(boolean, default=False, inherit=True, help="log each result")

    stages = frozenset({Stage.BODY})
    waits = True
    only_asks_dns = True

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.required = frozenset(name.lower() for name in settings.required_fields)
        self.context = context

    def start_check(self, envelope: Envelope) -> "DkimState":
        return DkimState(self, envelope)


@dataclass(slots=True)
class DkimState(CheckState):
    check: Dkim
    envelope: Envelope

    async def check_body(self, header: Header, body: Body) -> Verdict:
        settings = self.check.settings
        if not header.count(b"DKIM-Signature"):
            return settings.no_sig_action.on(self._finding(NO_SIGNATURES, _NONE))
        try:
            results = [self._with_required(result) for result in await self._verified(header, body)]
        except OSError as err:
            return replace(self._finding(UNREADABLE, cause=err), reject=True)
        self._log(results)
        return self._verdict(results, tuple(map(_auth_result, results)))

    async def _verified(self, header: Header, body: Body) -> Sequence[Result]:
        """Raises OSError."""
        world = self.check.context.world
        verification = await _bounded(header.size, Verification, header, now=world.clock.time())
        names = verification.key_names
        if len(names) == 1:
            await verification.lookup_key(names[0], world.resolver)
        elif names:
            await asyncio.gather(*(verification.lookup_key(name, world.resolver) for name in names))
        if verification.needs_body:
            await hash_body(body, verification.update)
        return await _bounded(header.size, verification.results)

    def _with_required(self, result: Result) -> Result:
        """The result, unless it is a pass of a signature that leaves out what must be signed."""
        if result.outcome is not Outcome.PASS or self.check.required <= set(result.names):
            return result
        return replace(result, outcome=Outcome.PERMERROR, reason="some header fields are not signed")

    def _verdict(self, results: Sequence[Result], said: tuple[AuthResult, ...]) -> Verdict:
        settings = self.check.settings
        outcomes = {result.outcome for result in results}
        found = "; ".join(map(_in_words, results))
        if Outcome.TEMPERROR in outcomes and not settings.fail_open:
            return replace(self._finding(NO_KEY_NOW, said, signatures=found), reject=True)
        if outcomes & {Outcome.PASS, Outcome.TEMPERROR}:  # no answer of DNS is no reason to refuse
            return replace(PASS, auth_results=said)
        if all(result.testing for result in results):  # RFC 6376 §3.6.1
            return settings.no_sig_action.on(self._finding(NO_SIGNATURES, said, signatures=found))
        return settings.broken_sig_action.on(self._finding(NONE_PASSES, said, signatures=found))

    def _finding(
        self,
        reply: Reply,
        said: tuple[AuthResult, ...] = (),
        *,
        cause: Exception | None = None,
        **fields: object,
    ) -> Verdict:
        error = MailError(reply, module=self.check.context.module, check="dkim", **fields)
        error.__cause__ = cause
        return Verdict(error, auth_results=said)

    def _log(self, results: Sequence[Result]) -> None:
        log = self.envelope.log.seen_by(self.check.context.log)
        for result in results:
            log.debug(
                "signature",
                result=result.outcome,
                reason=result.reason,
                domain=result.domain,
                selector=result.selector,
                identity=result.identity,
            )


async def _bounded(size: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what takes time by the octet of the header: at 1 MiB it may be 80 ms, in which others want to run."""
    if size > HASH_AT_ONCE:
        return await asyncio.to_thread(function, *args, **kwargs)
    return function(*args, **kwargs)


def _in_words(result: Result) -> str:
    """A result for the log: `example.org fail (body hash did not verify)`."""
    words = f"{result.domain} {result.outcome}".lstrip()
    return f"{words} ({result.reason})" if result.reason else words


def _auth_result(result: Result) -> AuthResult:
    properties = {"header.d": result.domain, "header.i": result.identity}
    return AuthResult("dkim", result.outcome.value, result.reason, properties)
