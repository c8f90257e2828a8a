"""Spec: config-language §6."""

from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.world import Paths
from posthouse.framework import normalize
from posthouse.framework.config import values
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import Kind, directive, settings

SCOPE = Scope({}, Paths(Path("/state"), Path("/run"), Path("/lib")), cast("Any", None))


def parse(kind: Kind[Any], *args: str, children: tuple[Node, ...] | None = None) -> object:
    return kind.parse(Node("name", args, children, "f", 7, 3), SCOPE)


def error(kind: Kind[Any], *args: str, children: tuple[Node, ...] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(kind, *args, children=children)
    head, _, column = str(caught.value).partition("\n")
    assert head.startswith("f:7: ")
    assert column.strip().startswith("column 3")
    return head.removeprefix("f:7: ")


SINGLE: list[Kind[Any]] = [
    values.string,
    values.integer,
    values.unsigned,
    values.int32,
    values.uint32,
    values.int64,
    values.uint64,
    values.floating,
    values.enum("a", "b"),
    values.path,
    values.normalization,
]
SEVERAL: list[Kind[Any]] = [values.strings, values.duration, values.size, values.enums("a", "b")]


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
@pytest.mark.parametrize("args", [(), ("1", "2")])
def test_exactly_one_argument(kind: Kind[Any], args: tuple[str, ...]) -> None:
    assert error(kind, *args) == "expected 1 argument"


@pytest.mark.parametrize("kind", SEVERAL, ids=lambda kind: kind.name)
def test_at_least_one_argument(kind: Kind[Any]) -> None:
    assert error(kind) == "expected at least one argument"


@pytest.mark.parametrize("kind", [*SINGLE, *SEVERAL, values.boolean], ids=lambda kind: kind.name)
@pytest.mark.parametrize("args", [(), ("1",)])
def test_no_block_even_an_empty_one(kind: Kind[Any], args: tuple[str, ...]) -> None:
    assert error(kind, *args, children=()) == "can't declare block here"


def test_strings() -> None:
    assert parse(values.string, "") == ""
    assert parse(values.strings, "a", "b") == ("a", "b")


@pytest.mark.parametrize("word", ["1", "true", "on", "yes", "YES", "On"])
def test_true(word: str) -> None:
    assert parse(values.boolean, word) is True


@pytest.mark.parametrize("word", ["0", "false", "off", "no", "OFF"])
def test_false(word: str) -> None:
    assert parse(values.boolean, word) is False


def test_the_bare_directive_is_true() -> None:
    assert parse(values.boolean) is True


def test_neither() -> None:
    assert error(values.boolean, "maybe") == "bool argument should be 'yes' or 'no'"
    assert error(values.boolean, "yes", "no") == "expected 1 argument"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (values.integer, "-5", -5),
        (values.integer, "+5", 5),
        (values.integer, "007", 7),
        (values.integer, "9223372036854775807", 2**63 - 1),
        (values.unsigned, "18446744073709551615", 2**64 - 1),
        (values.int32, "-2147483648", -(2**31)),
        (values.uint32, "4294967295", 2**32 - 1),
        (values.int64, "-9223372036854775808", -(2**63)),
        (values.uint64, "0", 0),
        (values.integer_between(1, 9), "9", 9),
    ],
)
def test_integers(kind: Kind[int], text: str, value: int) -> None:
    assert parse(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (values.integer, ""),
        (values.integer, "x"),
        (values.integer, "1.5"),
        (values.integer, "0x10"),
        (values.integer, "1_000"),
        (values.integer, " 1"),
        (values.integer, "\u0661"),
        (values.integer, "9223372036854775808"),
        (values.integer, "1" * 5000),
        (values.unsigned, "-1"),
        (values.unsigned, "+1"),
        (values.int32, "2147483648"),
        (values.uint32, "4294967296"),
        (values.uint64, "18446744073709551616"),
    ],
)
def test_invalid_integers(kind: Kind[int], text: str) -> None:
    assert error(kind, text) == f"invalid integer: {text}"


def test_bounds_are_named() -> None:
    assert error(values.integer_between(1, 9), "10") == "invalid integer: 10, it must be between 1 and 9"


@pytest.mark.parametrize(("text", "value"), [("1", 1.0), ("-1.5", -1.5), (".5", 0.5), ("1e3", 1000.0)])
def test_floats(text: str, value: float) -> None:
    assert parse(values.floating, text) == value


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "1e999", "1_0", "0x1p3", "1." + "1" * 1000])
def test_invalid_floats(text: str) -> None:
    assert error(values.floating, text) == f"invalid float: {text}"


@pytest.mark.parametrize(
    ("args", "seconds"),
    [
        (("0",), 0.0),
        (("1s",), 1.0),
        (("90m",), 5400.0),
        (("1h", "5m"), 3900.0),
        (("1h5m",), 3900.0),
        (("1.5s",), 1.5),
        (("250ms",), 0.25),
        (("3us",), 3e-6),
        (("3\u00b5s",), 3e-6),
        (("3\u03bcs",), 3e-6),
        (("5ns",), 5e-9),
        (("1", "h"), 3600.0),
    ],
)
def test_durations(args: tuple[str, ...], seconds: float) -> None:
    assert parse(values.duration, *args) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "-1s", "1d", "s", "1.s", ".5s", "1s5", "1 s", "00", "9999999999h", "1S"]
)
def test_invalid_durations(text: str) -> None:
    assert error(values.duration, text) == f"invalid duration: {text}"


@pytest.mark.parametrize(
    ("args", "octets"),
    [
        (("0",), 0),
        (("1b",), 1),
        (("1B",), 1),
        (("1K",), 1024),
        (("32M",), 32 * 1024 * 1024),
        (("1G", "5K"), 1024**3 + 5 * 1024),
        (("1M 5b",), 1024**2 + 5),
    ],
)
def test_sizes(args: tuple[str, ...], octets: int) -> None:
    assert parse(values.size, *args) == octets


@pytest.mark.parametrize("text", ["", "5", "1M5b", "-1M", "1k", "1.5M", "M", "1T", "99999999999G", "1M  1M"])
def test_invalid_sizes(text: str) -> None:
    assert error(values.size, text) == f"invalid size: {text}"


def test_enumerations() -> None:
    assert parse(values.enum("a", "b"), "b") == "b"
    assert error(values.enum("a", "b"), "B") == "invalid argument, valid values are: [a b]"
    assert parse(values.enums("a", "b"), "b", "a", "b") == ("b", "a", "b")
    assert error(values.enums("a", "b"), "b", "c") == "invalid argument, valid values are: [a b]"


def test_paths_are_below_the_state_directory() -> None:
    assert parse(values.path, "a/b") == Path("/state/a/b")
    assert parse(values.path, "/a/b") == Path("/a/b")
    assert error(values.path, "") == "a path is expected"


def test_normalizations() -> None:
    assert parse(values.normalization, "precis_casefold_email") is normalize.precis_casefold_email
    assert error(values.normalization, "x") == (
        "invalid argument, valid values are: "
        "[auto precis_casefold_email precis_casefold precis_email precis casefold noop]"
    )


def test_a_block_of_its_own() -> None:
    @settings
    class Inner:
        depth: int = directive(values.integer, help="how deep")

    inner = values.Block("block", Inner)
    child = Node("depth", ("3",), None, "f", 8)
    assert parse(inner, children=(child,)) == Inner(depth=3)
    assert error(inner) == "a block is expected here"
    assert error(inner, "x", children=(child,)) == "no inline arguments are expected here"
    assert error(inner, children=()) == "missing required directive: depth"


@given(st.integers(0, 2**62))
def test_sizes_are_shown_as_they_are_written(octets: int) -> None:
    assert parse(values.size, values.size_text(octets)) == octets


@given(st.integers(0, 10**9))
def test_durations_are_shown_as_they_are_written(seconds: int) -> None:
    assert values.duration_seconds(values.duration_text(float(seconds))) == pytest.approx(seconds, rel=1e-5)


def test_what_is_shown() -> None:
    assert [values.duration_text(s) for s in (0.0, 0.25, 60.0, 5400.0, 3661.5)] == [
        "0",
        "0.25s",
        "1m",
        "1h30m",
        "1h1m1.5s",
    ]
    assert [values.size_text(s) for s in (0, 5, 1024, 33554432)] == ["0", "5B", "1K", "32M"]


@given(st.sampled_from([*SINGLE, *SEVERAL, values.boolean]), st.lists(st.text(), max_size=3))
def test_any_arguments_give_a_value_or_a_config_error(kind: Kind[Any], args: list[str]) -> None:
    try:
        parse(kind, *args)
    except ConfigError:
        return
