"""With `debug` the log says why a message goes where it goes."""

import json
from dataclasses import replace

import pytest

from posthouse.core.errors import MailError
from posthouse.core.events import MessageLog
from posthouse.core.log import Logger
from posthouse.framework.interfaces.check import AuthResult, Stage, Verdict
from posthouse.framework.interfaces.message import Envelope
from posthouse.pipeline.blocks import InTable, Rules, SourceRules
from posthouse.testing.checks import ToldCheck, ToldModifier, ToldTable
from posthouse.testing.pipeline import envelope, only, pipeline, send, to
from posthouse.testing.world import KeptEvents, LogLines
from posthouse.wire.smtp.reply import Reply

DOWN = MailError(Reply(451, (4, 3, 0), "no answer"))


def logged(lines: LogLines, *, debug: bool = True) -> Envelope:
    """A message whose log lines, and none of others, are in `lines`."""
    log = MessageLog(Logger(lines, "smtp", debug=debug), "1234abcd", KeptEvents())
    return replace(envelope(), log=log)


def routing() -> Rules:
    table = ToldTable({"bob@y.example": ["yes"], "eve@x.example": DOWN})
    source = SourceRules("x.conf:2", to(), {}, (InTable("x.conf:3", table, to()),))
    verdict = Verdict(auth_results=(AuthResult("spf", "pass"),))
    alias = ToldModifier(recipients={"bob@x.example": ("bob@y.example",)})
    check = ToldCheck({Stage.SENDER: verdict}, stages=frozenset({Stage.SENDER}))
    return replace(only(to(), checks=[check], modifiers=[alias]), default=source)


async def test_every_step_has_its_line() -> None:
    lines = LogLines()
    await send(pipeline(routing()), logged(lines), "bob@x.example")
    said = [line.removeprefix("[debug] smtp: ").partition("\t")[::2] for line in lines.lines]
    assert [(text, json.loads(fields)) for text, fields in said] == [
        (text, {"msg_id": "1234abcd", **fields})
        for text, fields in (
            (
                "check asked",
                {
                    "check": "ToldCheck",
                    "stage": "sender",
                    "address": "ann@example.net",
                    "results": ["spf=pass"],
                },
            ),
            ("source chosen", {"rule": "x.conf:2", "address": "ann@example.net", "matched": "default"}),
            (
                "address rewritten",
                {"modifier": "ToldModifier", "address": "bob@x.example", "result": ["bob@y.example"]},
            ),
            ("table asked", {"rule": "x.conf:3", "key": "bob@y.example", "answer": ["yes"]}),
            ("destination chosen", {"rule": "x.conf:1", "address": "bob@y.example", "matched": "table"}),
        )
    ]


async def test_a_table_that_cannot_tell_is_named() -> None:
    lines = LogLines()
    with pytest.raises(MailError):
        await send(pipeline(routing()), logged(lines), "eve@x.example")
    assert "table asked" in lines.lines[-1]
    assert '"reason":"no answer"' in lines.lines[-1]


async def test_without_debug_there_are_no_lines() -> None:
    lines = LogLines()
    await send(pipeline(routing()), logged(lines, debug=False), "bob@x.example")
    assert lines.lines == []


async def test_a_pipeline_with_a_name_logs_by_its_own_switch() -> None:
    lines, own = LogLines(), LogLines()
    chain = replace(pipeline(routing()), log=Logger(own, "msgpipeline", debug=True))
    await send(chain, logged(lines, debug=False), "bob@x.example")
    assert lines.lines == []
    assert own.lines[-1].startswith("[debug] msgpipeline: destination chosen\t")


async def test_a_modifier_that_refuses_an_address_is_named() -> None:
    lines = LogLines()
    alias = ToldModifier(failing={"eve@x.example": DOWN})
    with pytest.raises(MailError):
        await send(pipeline(only(to(), modifiers=[alias])), logged(lines), "eve@x.example")
    text, _, fields = lines.lines[-1].partition("\t")
    assert text == "[debug] smtp: address not rewritten"
    assert json.loads(fields).items() >= {"modifier": "ToldModifier", "address": "eve@x.example"}.items()
    assert json.loads(fields)["reason"] == "no answer"
