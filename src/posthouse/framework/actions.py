"""What is done about the finding of a check: `FAIL_action ignore | quarantine | reject [CODE [ENHANCED [TEXT]]]`."""

import re
from dataclasses import dataclass, replace
from typing import Final

from posthouse.core.errors import MailError, enhanced_text
from posthouse.framework.config.node import ConfigError, Node, did_you_mean
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.values import without_block
from posthouse.framework.interfaces.check import Verdict
from posthouse.wire.smtp.reply import EnhancedCode, Reply

REJECTED: Final = Reply(554, (5, 7, 0), "Message rejected due to a local policy")
_ENHANCED: Final = re.compile(r"([45])\.(\d{1,3})\.(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Action:
    """reply: what the peer is told instead of what the check says."""

    quarantine: bool = False
    reject: bool = False
    reply: Reply | None = None

    def on(self, verdict: Verdict) -> Verdict:
        """The verdict of a check with this action applied, if it has a reason."""
        reason = verdict.reason
        if reason is None:
            return verdict
        if self.reply is not None:
            changed = MailError(self.reply, module=reason.module, **reason.fields)
            changed.__cause__ = reason.__cause__
            reason = changed
        return replace(verdict, reason=reason, quarantine=self.quarantine, reject=self.reject)


IGNORE: Final = Action()
QUARANTINE: Final = Action(quarantine=True)
REJECT: Final = Action(reject=True)
_ACTIONS: Final = {"ignore": IGNORE, "quarantine": QUARANTINE, "reject": REJECT}


@dataclass(frozen=True, slots=True)
class ActionKind:
    """The type of directives that hold an action."""

    name: str = "ignore | quarantine | reject [CODE [ENHANCED [TEXT]]]"

    def parse(self, node: Node, scope: Scope) -> Action:
        return parse_action(without_block(node).args, node)

    def show(self, value: Action) -> str:
        word = next(word for word, known in _ACTIONS.items() if replace(value, reply=None) == known)
        if value.reply is None:
            return word
        return f'{word} {value.reply.code} {enhanced_text(value.reply.enhanced)} "{value.reply.text}"'


action: Final = ActionKind()


def parse_action(args: tuple[str, ...], node: Node) -> Action:
    """`ignore`, `quarantine` or `reject`, with the reply that is given instead of the check's own. Raises ConfigError."""
    if not args:
        raise ConfigError("expected at least one argument: ignore, quarantine or reject", at=node)
    found = _ACTIONS.get(args[0])
    if found is None:
        raise ConfigError(f"invalid action: {args[0]}", at=node, hint=did_you_mean(args[0], _ACTIONS))
    return replace(found, reply=parse_reply(args[1:], node)) if len(args) > 1 else found


def parse_reply(args: tuple[str, ...], node: Node) -> Reply:
    """`[CODE [ENHANCED [TEXT]]]` of a refusal. Raises ConfigError."""
    if len(args) > 3:
        raise ConfigError(f"too many arguments: {node.name} ... [CODE [ENHANCED [TEXT]]]", at=node)
    if not args:
        return REJECTED
    code = _reply_code(args[0], node)
    enhanced = _enhanced(args[1], node) if len(args) > 1 else (code // 100, 7, 0)
    if enhanced[0] != code // 100:
        text = f"the enhanced status code {args[1]} does not fit {code}: it must begin with {code // 100}"
        raise ConfigError(text, at=node)
    text = args[2] if len(args) > 2 else REJECTED.text
    if not text:
        raise ConfigError(f"the text of {node.name} is empty", at=node)
    try:
        return Reply(code, enhanced, text)
    except ValueError as err:
        raise ConfigError(str(err), at=node) from err


def _reply_code(text: str, node: Node) -> int:
    if not re.fullmatch(r"[45]\d\d", text, re.ASCII):
        raise ConfigError(f"invalid SMTP code: {text}: it is a number from 400 to 599", at=node)
    return int(text)


def _enhanced(text: str, node: Node) -> EnhancedCode:
    match = _ENHANCED.fullmatch(text)
    if match is None:
        raise ConfigError(f"invalid enhanced status code: {text}: it is like 5.7.0", at=node)
    return int(match[1]), int(match[2]), int(match[3])
