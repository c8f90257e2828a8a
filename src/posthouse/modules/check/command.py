"""check.command: asks a program what it thinks of a message.

The program is looked for in `libexec`, then in PATH; no shell is involved. In its arguments `{auth_user}`, `{source_ip}`, `{source_host}` (EHLO),
`{source_rdns}`, `{msg_id}`, `{sender}`, `{rcpts}` (those so far, one a line) and `{address}` (the sender or recipient that is
looked at) are replaced; what is not known is empty. With `run_on body` it may read the message from standard input. Header fields
that it prints are added on top of the message. Exit status 0 is fine, 1 rejects and 2 quarantines, unless `code` says
otherwise; any other one, and a program that cannot be run, is a temporary failure.
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.actions import QUARANTINE, REJECT, Action, parse_action
from posthouse.framework.buffer import Body
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import arguments, directive, repeated, settings
from posthouse.framework.config.values import boolean, duration, enum, some_arguments
from posthouse.framework.interfaces.check import PASS, CheckState, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.program import Call, Finished, ProgramError, run_program
from posthouse.framework.spool import read_chunks
from posthouse.message.header import Header, HeaderError, find_body, split_fields
from posthouse.wire.smtp.reply import Reply

TIMEOUT: Final = (
    120.0  # seconds; clients wait 5 minutes for MAIL and RCPT, 10 for the message (RFC 5321 §4.5.3.2)
)
OUTPUT_MAX: Final = 65_536  # octets of header fields that a program may print
RUNNING_MAX: Final = 32  # programs of one check at a time; further messages wait
STATUS_MAX: Final = 255

REFUSED: Final = Reply(550, (5, 7, 1), "Message rejected for due to a local policy")  # as maddy says it
FAILED: Final = Reply(450, (4, 0, 0), "Internal server error")

STAGES: Final = {
    "conn": Stage.CONNECTION,
    "sender": Stage.SENDER,
    "rcpt": Stage.RECIPIENT,
    "body": Stage.BODY,
}
_PLACEHOLDER: Final = re.compile(r"\{([a-zA-Z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class StatusKind:
    """An exit status, and what it means."""

    name: str = "N ignore | quarantine | reject [CODE [ENHANCED [TEXT]]]"

    def parse(self, node: Node, scope: Scope) -> tuple[int, Action]:
        status, *words = some_arguments(node)
        if not status.isascii() or not status.isdigit() or not 0 < int(status[:4]) <= STATUS_MAX:
            raise ConfigError(
                f"invalid exit status: {status}: it is a number from 1 to {STATUS_MAX}", at=node
            )
        return int(status), parse_action(tuple(words), node)


class Command(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="PROGRAM [ARGUMENT...]", least=1)
        run_on: str = directive(enum(*STAGES), default="body", help="when the program is run")
        code: tuple[tuple[int, Action], ...] = repeated(
            StatusKind(), help="what exit status N means; the last one for N counts"
        )
        timeout: float = directive(
            duration, default=TIMEOUT, help="how long the program may take; it is killed then"
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    waits = True
    only_asks_dns = False

    def __init__(self, settings: Settings, context: Context) -> None:
        name, *arguments = settings.args
        path = f"{context.paths.libexec}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        found = shutil.which(str(context.paths.state / name) if os.sep in name else name, path=path)
        if found is None:
            raise ValueError(f"{name}: there is no such program in {context.paths.libexec} or PATH")
        self.words = (found, *arguments)
        self.context = context
        self.timeout = settings.timeout
        self.stage = STAGES[settings.run_on]
        self.stages = frozenset({self.stage, *self._needed()})
        self.actions = {1: REJECT, 2: QUARANTINE, **dict(settings.code)}
        self.environment = {**os.environ, "PATH": path}
        self.free = asyncio.Semaphore(RUNNING_MAX)

    def start_check(self, envelope: Envelope) -> "CommandState":
        return CommandState(self, envelope)

    def needs(self, placeholder: str) -> bool:
        return any(f"{{{placeholder}}}" in word for word in self.words[1:])

    def _needed(self) -> list[Stage]:
        """The stages that tell what the arguments ask for."""
        needed = {Stage.SENDER: "sender", Stage.RECIPIENT: "rcpts"}
        order = list(Stage)
        earlier = order[: order.index(self.stage)]
        return [stage for stage in earlier if stage in needed and self.needs(needed[stage])]

    async def run(self, values: Mapping[str, str], given: AsyncIterator[bytes] | None) -> Finished:
        """Run the program, when there is room. Raises ProgramError."""
        words = [self.words[0], *(_expanded(word, values) for word in self.words[1:])]
        try:
            async with asyncio.timeout(self.timeout):
                await self.free.acquire()
        except TimeoutError as err:
            raise ProgramError("too many of them at once") from err
        try:
            call = Call(words, self.environment, self.context.paths.state, self.timeout, OUTPUT_MAX)
            return await run_program(call, given)
        finally:
            self.free.release()


class CommandState(CheckState):
    def __init__(self, check: Command, envelope: Envelope) -> None:
        self._check = check
        self._envelope = envelope
        self._log = envelope.log.seen_by(check.context.log)
        self._sender = ""
        self._recipients: list[str] = []

    async def check_connection(self) -> Verdict:
        return await self._run(Stage.CONNECTION)

    async def check_sender(self, sender: str) -> Verdict:
        self._sender = sender
        return await self._run(Stage.SENDER, sender)

    async def check_recipient(self, recipient: str) -> Verdict:
        self._recipients.append(recipient)
        return await self._run(Stage.RECIPIENT, recipient)

    async def check_body(self, header: Header, body: Body) -> Verdict:
        return await self._run(Stage.BODY, given=_message(header, body))

    async def _run(
        self, stage: Stage, address: str = "", given: AsyncIterator[bytes] | None = None
    ) -> Verdict:
        if stage is not self._check.stage:
            return PASS
        try:
            finished = await self._check.run(await self._values(address), given)
            if finished.errors:
                self._log.info("the command wrote to standard error", text=finished.errors.rstrip())
            return self._verdict(finished)
        except (ProgramError, HeaderError) as err:
            return Verdict(self._error(FAILED, err), reject=True)

    def _verdict(self, finished: Finished) -> Verdict:
        """What a status and an output mean. Raises HeaderError."""
        fields = _printed_fields(finished.output)
        if finished.status == 0:
            return Verdict(fields=fields) if fields else PASS
        action = self._check.actions.get(finished.status)
        if action is None:
            return Verdict(self._error(FAILED, exit_code=finished.status), reject=True)
        return action.on(Verdict(self._error(REFUSED, exit_code=finished.status), fields=fields))

    def _error(self, reply: Reply, cause: Exception | None = None, **fields: object) -> MailError:
        cmd = " ".join(self._check.words)
        error = MailError(reply, module=self._check.context.module, check="command", cmd=cmd, **fields)
        error.__cause__ = cause
        return error

    async def _values(self, address: str) -> Mapping[str, str]:
        """What placeholders stand for. The client's name is waited for if it is asked for."""
        connection = self._envelope.connection
        values = {
            "msg_id": self._envelope.id,
            "sender": self._sender,
            "rcpts": "\n".join(self._recipients),
            "address": address,
            **dict.fromkeys(("auth_user", "source_ip", "source_host", "source_rdns"), ""),
        }
        if connection is not None:
            name = await connection.remote_name() if self._check.needs("source_rdns") else None
            values["auth_user"] = connection.auth_user
            values["source_ip"] = str(connection.remote_ip or "")
            values["source_host"] = connection.hello
            values["source_rdns"] = name or ""
        return values


def _expanded(word: str, values: Mapping[str, str]) -> str:
    """An argument with its placeholders replaced; unknown ones stay."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), word)


async def _message(header: Header, body: Body) -> AsyncIterator[bytes]:
    yield header.to_bytes() + b"\r\n"
    async for chunk in read_chunks(body):
        yield chunk


def _printed_fields(output: bytes) -> tuple[bytes, ...]:
    """The header fields that a program printed, up to an empty line; lines may end in LF. Raises HeaderError."""
    block = output.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    end = find_body(block)
    block = Header.parse(block if end < 0 else block[:end]).to_bytes()
    if b"\0" in block or block.count(b"\r") != block.count(b"\n"):
        raise HeaderError("NUL or CR in a header field")
    return tuple(split_fields(block))
