from pathlib import Path

import pytest

from posthouse.core.events import MessageLog, NoRecorder
from posthouse.core.log import Logger
from posthouse.core.world import Paths
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.auth import Authenticator
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.table import Table
from posthouse.framework.interfaces.target import Delivery, Target
from posthouse.framework.registry import Catalogue, Registry
from posthouse.message.header import Header
from posthouse.modules.dummy import Dummy
from posthouse.testing.world import LogLines, make_context


@pytest.fixture
def dummy(tmp_path: Path) -> Dummy:
    context = make_context(tmp_path, "dummy")
    children = (Node("anything", ("goes",), (), "x.conf", 2),)
    scope = Scope(
        {}, Paths(tmp_path, tmp_path, tmp_path), Registry(Catalogue({}, {}, frozenset()), lambda *_: context)
    )
    return Dummy(
        parse_settings(Dummy.Settings, Node("dummy", ("a", "b"), children, "x.conf", 1), scope), context
    )


async def test_it_fills_three_roles_and_ignores_its_configuration(dummy: Dummy) -> None:
    assert isinstance(dummy, Authenticator)
    assert isinstance(dummy, Table)
    assert isinstance(dummy, Target)
    await dummy.authenticate("anybody", "anything")
    assert list(await dummy.lookup("key")) == []


async def test_every_message_is_accepted_and_discarded(dummy: Dummy) -> None:
    log = MessageLog(Logger(LogLines()), "00000000", NoRecorder())
    delivery: Delivery = await dummy.start_delivery(Envelope("00000000", "", None, log), "")
    await delivery.add_recipient("ann@example.org")
    await delivery.body(Header.parse(b"Subject: x\r\n\r\n"), MemoryBody(b"x"))
    await delivery.commit()
    await (await dummy.start_delivery(Envelope("00000000", "", None, log), "")).abort()
