"""Checks and modifiers that do what they are told to, and keep what they hear.

A test asserts at its end that `open` is 0: every message was closed.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from posthouse.core.errors import MailError
from posthouse.framework.buffer import Body
from posthouse.framework.interfaces.check import PASS, Check, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.interfaces.modifier import Modifier, ModifierState
from posthouse.message.header import Header

Told = Verdict | Exception


@dataclass(slots=True, eq=False)
class ToldCheck:
    """says: its verdict, by stage or by recipient; an exception is raised. early: what it says of a greeting.

    calls: what it heard, over all messages, as (stage, subject): the subject of the body stage is the header.
    together: what its calls wait for, when it is one that waits.
    tasks: the tasks that its calls ran in.
    """

    says: Mapping[Stage | str, Told] = field(default_factory=dict)
    early: MailError | Exception | None = None
    stages: frozenset[Stage] = frozenset(Stage)
    waits: bool = False
    only_asks_dns: bool = True
    together: asyncio.Barrier | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    tasks: list["asyncio.Task[object] | None"] = field(default_factory=list)
    open: int = 0

    def start_check(self, envelope: Envelope) -> CheckState:
        self.open += 1
        return _ToldCheckState(self)

    async def check_early(self, connection: Connection) -> MailError | None:
        await self.hear("early", connection.hello)
        if self.early is not None and not isinstance(self.early, MailError):
            raise self.early
        return self.early

    async def hear(self, what: str, subject: str) -> None:
        self.calls.append((what, subject))
        self.tasks.append(asyncio.current_task())
        if self.together is not None:
            await self.together.wait()

    async def answer(self, stage: Stage, subject: str) -> Verdict:
        await self.hear(stage.value, subject)
        told = self.says.get(subject) or self.says.get(stage) or PASS
        if isinstance(told, Exception):
            raise told
        return told


class _ToldCheckState(CheckState):
    def __init__(self, check: ToldCheck) -> None:
        self._check = check

    async def check_connection(self) -> Verdict:
        return await self._check.answer(Stage.CONNECTION, "")

    async def check_sender(self, sender: str) -> Verdict:
        return await self._check.answer(Stage.SENDER, sender)

    async def check_recipient(self, recipient: str) -> Verdict:
        return await self._check.answer(Stage.RECIPIENT, recipient)

    async def check_body(self, header: Header, body: Body) -> Verdict:
        return await self._check.answer(Stage.BODY, header.to_bytes().decode())

    async def close(self) -> None:
        self._check.open -= 1


@dataclass(slots=True, eq=False)
class ToldModifier:
    """senders, recipients: what it makes of each; all others stay. adds: header fields that it puts on top.

    failing: what is raised for an address. calls: what it was asked, over all messages.
    """

    senders: Mapping[str, str] = field(default_factory=dict)
    recipients: Mapping[str, Sequence[str]] | Callable[[str], Sequence[str]] = field(default_factory=dict)
    adds: Sequence[tuple[str, str]] = ()
    failing: Mapping[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    open: int = 0

    def start_modifier(self, envelope: Envelope) -> ModifierState:
        self.open += 1
        return _ToldModifierState(self)


class _ToldModifierState(ModifierState):
    def __init__(self, modifier: ToldModifier) -> None:
        self._modifier = modifier

    async def rewrite_sender(self, sender: str) -> str:
        self._hear(sender)
        return self._modifier.senders.get(sender, sender)

    async def rewrite_recipient(self, recipient: str) -> Sequence[str]:
        self._hear(recipient)
        made = self._modifier.recipients
        return made(recipient) if callable(made) else made.get(recipient, (recipient,))

    async def rewrite_body(self, header: Header, body: Body) -> None:
        for name, value in self._modifier.adds:
            header.add(name, value)

    async def close(self) -> None:
        self._modifier.open -= 1

    def _hear(self, address: str) -> None:
        self._modifier.calls.append(address)
        if address in self._modifier.failing:
            raise self._modifier.failing[address]


@dataclass(frozen=True, slots=True)
class CheckList:
    """A group of checks."""

    members: tuple[Check, ...]

    def checks(self) -> tuple[Check, ...]:
        return self.members


@dataclass(frozen=True, slots=True)
class ModifierList:
    """A group of modifiers."""

    members: tuple[Modifier, ...]

    def modifiers(self) -> tuple[Modifier, ...]:
        return self.members


@dataclass(slots=True, eq=False)
class ToldTable:
    """A table with these answers; an exception is raised. asked: its keys."""

    answers: Mapping[str, Sequence[str] | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def lookup(self, key: str) -> Sequence[str]:
        self.asked.append(key)
        answer = self.answers.get(key, ())
        if isinstance(answer, Exception):
            raise answer
        return answer
