from pathlib import Path

import pytest

from posthouse.core.world import Paths
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.registry import Catalogue, Registry
from posthouse.modules.table.identity import IdentityTable
from posthouse.modules.table.static import StaticTable
from posthouse.testing.world import make_context


def block(*entries: tuple[str, ...]) -> Node:
    children = tuple(Node("entry", args, None, "x.conf", at) for at, args in enumerate(entries, 2))
    return Node("static", (), children, "x.conf", 1)


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    registry = Registry(Catalogue({}, {}, frozenset()), lambda *_: make_context(tmp_path))
    return Scope({}, Paths(tmp_path, tmp_path, tmp_path), registry)


async def test_the_last_entry_of_a_key_wins(scope: Scope, tmp_path: Path) -> None:
    settings = parse_settings(StaticTable.Settings, block(("a", "1"), ("b", "2", "3"), ("a", "4")), scope)
    table = StaticTable(settings, make_context(tmp_path))
    assert list(await table.lookup("a")) == ["4"]
    assert list(await table.lookup("b")) == ["2", "3"]
    assert list(await table.lookup("A")) == []


def test_an_entry_without_value_is_an_error_with_its_line(scope: Scope) -> None:
    with pytest.raises(ConfigError, match=r"x\.conf:3: at least one value"):
        parse_settings(StaticTable.Settings, block(("a", "1"), ("b",)), scope)


def test_inline_arguments_are_refused(scope: Scope) -> None:
    with pytest.raises(ConfigError, match="no inline arguments"):
        parse_settings(IdentityTable.Settings, Node("identity", ("x",), None, "x.conf", 1), scope)


async def test_identity_answers_with_the_key(tmp_path: Path) -> None:
    table = IdentityTable(IdentityTable.Settings(), make_context(tmp_path))
    assert list(await table.lookup("ann@example.org")) == ["ann@example.org"]
