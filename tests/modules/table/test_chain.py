from pathlib import Path

import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.interfaces import roles
from posthouse.framework.interfaces.table import Table
from posthouse.framework.registry import Registry
from posthouse.modules.catalogue import CATALOGUE
from posthouse.modules.table.chain import ChainTable, Step
from posthouse.modules.table.identity import IdentityTable
from posthouse.modules.table.static import StaticTable
from posthouse.testing.world import FakeWorld, make_context


class CannotTell:
    async def lookup(self, key: str) -> list[str]:
        raise MailError(INTERNAL, module="table.some")


def static(folder: Path, **entries: str) -> StaticTable:
    """Each value is several, parted by commas."""
    settings = StaticTable.Settings(entry=tuple((k, tuple(v.split(","))) for k, v in entries.items()))
    return StaticTable(settings, make_context(folder))


def chain(folder: Path, *steps: Step) -> ChainTable:
    return ChainTable(ChainTable.Settings(step=steps), make_context(folder, "table.chain"))


def step(table: Table) -> Step:
    return Step(table, is_optional=False)


def optional(table: Table) -> Step:
    return Step(table, is_optional=True)


async def test_values_are_the_keys_of_the_next_step(tmp_path: Path) -> None:
    table = chain(
        tmp_path, step(static(tmp_path, a="b,c", x="y")), step(static(tmp_path, b="d", c="e,f", d="z"))
    )
    assert list(await table.lookup("a")) == ["d", "e", "f"]
    assert list(await table.lookup("x")) == []
    assert list(await table.lookup("b")) == []


async def test_an_optional_step_is_left_out_if_one_key_is_not_there(tmp_path: Path) -> None:
    table = chain(tmp_path, optional(static(tmp_path, a="b,c")), optional(static(tmp_path, b="d", x="y")))
    assert list(await table.lookup("a")) == ["b", "c"]
    assert list(await table.lookup("x")) == ["y"]
    assert list(await table.lookup("n")) == ["n"]


async def test_without_steps_it_answers_with_the_key(tmp_path: Path) -> None:
    assert list(await chain(tmp_path).lookup("a")) == ["a"]


@pytest.mark.parametrize("first", [step(CannotTell()), optional(CannotTell())])
async def test_what_cannot_tell_is_never_left_out(first: Step, tmp_path: Path) -> None:
    table = chain(tmp_path, first, step(static(tmp_path, a="b")))
    with pytest.raises(MailError) as caught:
        await table.lookup("a")
    assert caught.value.is_transient


async def test_R_063_values_that_double_at_each_step_are_bounded(tmp_path: Path) -> None:
    doubles = step(static(tmp_path, a="a,a"))
    assert len(await chain(tmp_path, *[doubles] * 9).lookup("a")) == 512
    with pytest.raises(MailError) as caught:
        await chain(tmp_path, *[doubles] * 30).lookup("a")
    assert caught.value.is_transient
    assert caught.value.fields == {"reason": "more than 1000 values", "key": "a"}


def configure(folder: Path, *blocks: Node) -> Registry:
    fake = FakeWorld(folder)
    registry = Registry(CATALOGUE, lambda module, instance, node, debug: fake.context(module, instance))
    for block in blocks:
        registry.register(block)
    return registry


def block(name: str, *steps: tuple[str, str]) -> Node:
    children = tuple(
        Node(directive, tuple(table.split()), None, "x.conf", at)
        for at, (directive, table) in enumerate(steps, 2)
    )
    return Node("table.chain", (name,), children, "x.conf", 1)


def inside(module: str, name: str, directive: str, table: str) -> Node:
    """Another module that asks a table."""
    words = {directive: table}
    if module == "storage.imapsql":
        words |= {"driver": "sqlite3", "dsn": "mail.db"}
    children = tuple(Node(word, (value,), None, "x.conf", 2) for word, value in words.items())
    return Node(module, (name,), children, "x.conf", 1)


def resolve(registry: Registry, name: str, folder: Path) -> Table:
    scope = Scope({}, FakeWorld(folder).paths, registry)
    return registry.resolve(Node("table", (f"&{name}",), None, "x.conf", 9), roles.TABLE, scope)


async def test_both_kinds_of_steps_keep_the_order_of_the_file(tmp_path: Path) -> None:
    registry = configure(
        tmp_path,
        block("one", ("optional_step", "email_localpart"), ("step", "email_with_domain b.example"), ("optional_step", "identity")),
    )  # fmt: skip
    table = resolve(registry, "one", tmp_path)
    assert list(await table.lookup("ann@a.example")) == ["ann@b.example"]
    assert list(await table.lookup("bob")) == ["bob@b.example"]


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([block("a", ("step", "&a"))], id="itself"),
        pytest.param([block("a", ("step", "&b")), block("b", ("optional_step", "identity"), ("step", "&a"))], id="two"),
        pytest.param([block("a", ("step", "&b")), block("b", ("step", "&c")), block("c", ("step", "&b"))], id="further on"),
        pytest.param([block("a", ("step", "&p")), inside("auth.pass_table", "p", "table", "&a")], id="passwords"),
        pytest.param([inside("auth.pass_table", "a", "table", "&b"), block("b", ("step", "&a"))], id="passwords first"),
    ],
)  # fmt: skip
def test_tables_that_lead_back_to_themselves_are_refused(blocks: list[Node], tmp_path: Path) -> None:
    registry = configure(tmp_path, *blocks)
    with pytest.raises(ConfigError, match=r"x\.conf:1: a look-up leads back to this table"):
        resolve(registry, "a", tmp_path)


def test_what_a_storage_delivers_by_may_ask_the_storage(tmp_path: Path) -> None:
    registry = configure(
        tmp_path, block("a", ("step", "&m")), inside("storage.imapsql", "m", "delivery_map", "&a")
    )
    assert isinstance(resolve(registry, "a", tmp_path), ChainTable)


async def test_a_chain_may_be_used_twice(tmp_path: Path) -> None:
    inner = chain(tmp_path, step(IdentityTable(IdentityTable.Settings(), make_context(tmp_path))))
    assert list(await chain(tmp_path, step(inner), step(inner)).lookup("a")) == ["a"]
