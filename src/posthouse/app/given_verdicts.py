"""What an `expect` block says in place of checks: `check NAME ACTION`."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from posthouse.core.errors import MailError
from posthouse.framework.actions import REJECTED
from posthouse.framework.config.expect import Expectation, GivenVerdict
from posthouse.framework.config.node import ConfigError
from posthouse.framework.interfaces.check import Check, CheckState, EarlyCheck, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.module import Context, Module


class _Saying(CheckState):
    """A check that says what it is told to say, and at once."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict

    async def check_connection(self) -> Verdict:
        return self._verdict


@contextmanager
def given_verdicts(modules: Sequence[tuple[Context, Module]], expectation: Expectation) -> Iterator[None]:
    """Let checks say what a block gives for them. Raises ConfigError for a name that no check has."""
    with ExitStack() as stack:
        for given in expectation.block.check:
            found = [
                (context, module) for context, module in modules if _is_meant(given.check, context, module)
            ]
            if not found:
                text = f"{expectation.title}: there is no check {given.check}: say the name of its block, or its module"
                raise ConfigError(text, at=given.node)
            for context, module in found:
                stack.enter_context(_saying(module, _verdict(given, context)))
        yield


def _is_meant(name: str, context: Context, module: Module) -> bool:
    return isinstance(module, Check) and name in (
        context.instance,
        context.module,
        context.module.removeprefix("check."),
    )


def _verdict(given: GivenVerdict, context: Context) -> Verdict:
    return given.action.on(Verdict(MailError(REJECTED, module=context.module)))


@contextmanager
def _saying(check: Module, verdict: Verdict) -> Iterator[None]:
    """In its own place, for the reasons of `rehearse._tell`."""

    def start_check(envelope: Envelope) -> CheckState:
        return _Saying(verdict)

    async def check_early(connection: Connection) -> None:
        return None

    own = vars(check)
    before = dict(own)
    own.update(start_check=start_check, stages=frozenset({Stage.CONNECTION}), only_asks_dns=True)
    if isinstance(check, EarlyCheck):
        own.update(check_early=check_early)
    try:
        yield
    finally:
        own.clear()
        own.update(before)
