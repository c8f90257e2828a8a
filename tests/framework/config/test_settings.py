"""Spec: config-language §6: directives of a block, matched against the settings that a module declares."""

from typing import Any, ClassVar, cast

import pytest

from posthouse.core.world import Paths
from posthouse.framework.config.node import ConfigError, ConfigErrors, Node
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import (
    BROKEN,
    arguments,
    directive,
    parse_settings,
    parse_with_defaults,
    repeated,
    rest,
    settings,
)
from posthouse.framework.config.values import boolean, integer, string, strings


@settings
class Settings:
    LATER: ClassVar[frozenset[str]] = frozenset({"future"})
    needed: str = directive(string, help="it is needed")
    limit: int = directive(integer, default=5, names=("maximum",), help="how many")
    pass_: tuple[str, ...] = repeated(string, help="who passes")
    hostname: str = directive(string, inherit=True, help="who we are")
    tls: str | None = directive(string, default="none", inherit=True, help="how")


@settings
class Named:
    names: tuple[str, ...] = arguments(help="NAME...", least=1, most=2)
    debug: bool = directive(boolean, default=False, help="log more")


@settings
class Open:
    debug: bool = directive(boolean, default=False, help="log more")
    others: tuple[Node, ...] = rest(help="rules")


def scope(**globals_: object) -> Scope:
    return Scope(globals_, cast("Paths", None), cast("Any", None))


def block(text: str) -> Node:
    return parse(text, "f").nodes[0]


def read(text: str, **globals_: object) -> Settings:
    return parse_settings(Settings, block(f"m {{\n{text}\n}}"), scope(**{"hostname": "mx"} | globals_))


def errors(text: str, cls: type[Any] = Settings, **globals_: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_settings(cls, block(text), scope(**{"hostname": "mx"} | globals_))
    all_errors = caught.value.errors if isinstance(caught.value, ConfigErrors) else (caught.value,)
    return [str(error) for error in all_errors]


def test_given_and_default_values() -> None:
    found = read("needed a")
    assert (found.needed, found.limit, found.pass_) == ("a", 5, ())


def test_other_names_of_a_directive() -> None:
    assert read("needed a\nmaximum 7").limit == 7


def test_a_field_s_underscore_is_not_in_the_directive_s_name() -> None:
    assert read("needed a\npass one\npass two").pass_ == ("one", "two")


def test_the_block_may_be_missing() -> None:
    assert parse_settings(Named, block("m a b"), scope()).names == ("a", "b")


@pytest.mark.parametrize("text", ["needed a\nneeded b", "needed a\nlimit 1\nmaximum 2"])
def test_a_directive_occurs_once(text: str) -> None:
    second = text.split("\n")[-1].split()[0]
    assert errors(f"m {{\n{text}\n}}")[0].startswith(
        f"f:{3 if 'limit' not in text else 4}: duplicate directive: {second}"
    )


def test_a_directive_that_is_missing_is_told_at_the_block() -> None:
    assert errors("\n  m { }") == ["f:2: missing required directive: needed\n    column 3"]


def test_an_unknown_directive_is_told_with_the_nearest_one() -> None:
    assert errors("m {\n needed a\n   limt 3\n}") == [
        "f:3: unexpected directive: limt\n    column 4, did you mean limit"
    ]


def test_nothing_is_near() -> None:
    assert errors("m {\n needed a\n xyz\n}") == ["f:3: unexpected directive: xyz\n    column 2"]


def test_what_is_not_built_yet_is_told_apart() -> None:
    assert errors("m {\n needed a\n future\n}") == [
        "f:3: future is not available in this version\n    column 2"
    ]


def test_all_mistakes_are_listed() -> None:
    assert [error.split("\n")[0] for error in errors("m {\n limit x\n unknown\n limit 3\n}")] == [
        "f:2: invalid integer: x",
        "f:3: unexpected directive: unknown",
        "f:4: duplicate directive: limit",
        "f:1: missing required directive: needed",
    ]


def test_a_mistake_in_a_needed_directive_is_told_once() -> None:
    assert errors("m {\n needed\n}") == ["f:2: expected 1 argument\n    column 2"]


# --- inheritance


def test_a_global_directive_is_inherited() -> None:
    assert read("needed a", hostname="global").hostname == "global"


def test_the_block_s_own_wins() -> None:
    assert read("needed a\nhostname own", hostname="global").hostname == "own"


def test_none_is_a_value_of_a_global_directive() -> None:
    assert read("needed a", tls=None).tls is None


def test_without_a_global_directive_the_default_holds() -> None:
    assert read("needed a").tls == "none"


def test_without_a_global_directive_a_needed_one_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"^f:1: missing required directive: hostname"):
        parse_settings(Settings, block("m {\n needed a\n}"), scope())


def test_only_what_says_so_is_inherited() -> None:
    assert read("needed a", limit=9).limit == 5


# --- arguments


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("m", "f:1: at least 1 argument expected: NAME..."),
        ("m a b c", "f:1: at most 2 arguments expected: NAME..."),
    ],
)
def test_the_number_of_arguments(text: str, error: str) -> None:
    assert errors(text, Named)[0].split("\n")[0] == error


def test_a_block_without_arguments_rejects_them() -> None:
    assert errors("m a { }", Open) == ["f:1: no inline arguments are expected here\n    column 1"]


# --- open blocks


def test_unknown_directives_are_handed_over_in_order() -> None:
    found = parse_settings(Open, block("m {\n b 1\n debug\n a 2\n}"), scope())
    assert [(node.name, node.args) for node in found.others] == [("b", ("1",)), ("a", ("2",))]
    assert found.debug


# --- mistakes that wait


@settings
class Lenient:
    first: int = directive(integer, default=1, help="one")
    second: tuple[str, ...] = directive(strings, default=(), help="two")


def test_what_has_a_mistake_has_its_default() -> None:
    found = parse_with_defaults(Lenient, block("m {\n first x\n second a\n}"), scope())
    assert found.values == Lenient(first=1, second=("a",))
    assert [str(mistake).split("\n")[0] for mistake in found.errors] == ["f:2: invalid integer: x"]
    assert found.bad == {"first"}


def test_who_inherits_a_mistake_says_nothing_more_of_it() -> None:
    assert errors("m {\n needed a\n}", hostname=BROKEN) == []
