"""Spec: config-language §2, §3."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.parser import NESTING_MAX, parse

LONG = 200_000  # characters: quadratic time would be noticed
Shapes = Callable[[object], list[object]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param("a", [("a", [])], id="a name"),
        pytest.param("a b c\nd", [("a", ["b", "c"]), ("d", [])], id="lines"),
        pytest.param(
            'a "b\nc" d\ne', [("a", ["b\nc", "d"]), ("e", [])], id="a quoted line end continues the line"
        ),
        pytest.param("a { }", [("a", [], [])], id="empty block"),
        pytest.param("a b {\n}", [("a", ["b"], [])], id="empty block on two lines"),
        pytest.param("a {\n b c\n d\n}\ne", [("a", [], [("b", ["c"]), ("d", [])]), ("e", [])], id="block"),
        pytest.param("a { b c }", [("a", [], [("b", ["c"])])], id="one line"),
        pytest.param(
            "a { b\n c2 c2arg }\nd", [("a", [], [("b", []), ("c2", ["c2arg"])]), ("d", [])], id="brace behind"
        ),
        pytest.param(
            "a { b {\n c\n}\n}", [("a", [], [("b", [], [("c", [])])])], id="two blocks begin in one line"
        ),
        pytest.param("a { b } }", [("a", [], [("b", ["}"])])], id="exactly one brace is stripped"),
        pytest.param("a \\\n b \\\n\n c\nd", [("a", ["b", "c"]), ("d", [])], id="continued lines"),
        pytest.param("a \\\n {\n b\n}", [("a", [], [("b", [])])], id="a block may open on a continued line"),
        pytest.param(
            "a {\n b c \\\n}", [("a", [], [("b", ["c"])])], id="a block may close on a continued line"
        ),
        pytest.param("a b\\\nc", [("a", ["b\\"]), ("c", [])], id="a backslash at a word is ordinary"),
        pytest.param("a \\ b", [("a", ["\\", "b"])], id="and one that is not the last"),
        pytest.param("a b \\", [("a", ["b"])], id="nothing is left to continue with"),
        pytest.param('a "{"\n b\n "}"', [("a", [], [("b", [])])], id="quoted braces are braces"),
        pytest.param("\u00e4.b-c_d9 x", [("\u00e4.b-c_d9", ["x"])], id="letters of names are Unicode's"),
    ],
)
def test_nodes(text: str, expected: list[object], shapes: Shapes) -> None:
    assert shapes(parse(text, "f").nodes) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("}", "f:1 - Error during parsing: unexpected }\n    column 1", id="stray brace"),
        pytest.param(
            "a\n b }", "f:2 - Error during parsing: unexpected }\n    column 2", id="stray brace behind"
        ),
        pytest.param(
            "a {\n b\n",
            "f:2 - Error during parsing: unexpected EOF when looking for }\n    column 2, the block of a begins in line 1",
            id="end of file",
        ),
        pytest.param(
            "a { b { c } }",
            "f:1 - Error during parsing: unexpected EOF when looking for }\n    column 13, the block of a begins in line 1",
            id="nested one-liners",
        ),
        pytest.param(
            'a {\n b "c\n d\n}\n',
            'f:2 - Error during parsing: unexpected EOF when looking for }\n    column 4, here begins a text in quotes, and no "'
            " ends it; the block of a begins in line 1",
            id="quote without end",
        ),
        pytest.param(
            "a\n  {\n",
            "f:2 - Syntax error: Unexpected token '{', expecting 'block header'\n    column 3, it must stand on the line of its directive",
            id="a brace that begins a line",
        ),
        pytest.param(
            "a { {",
            "f:1 - Syntax error: Unexpected token '{', expecting 'block header'\n    column 5, it must stand on the line of its directive",
            id="two braces",
        ),
        pytest.param(
            "a {\n} b",
            "f:2 - Error during parsing: newline is required after closing brace\n    column 3",
            id="a name behind the brace",
        ),
        pytest.param(
            "a {\n b {\n } }",
            "f:3 - Error during parsing: newline is required after closing brace\n    column 4",
            id="two closing braces",
        ),
        pytest.param('""', "f:1 - Error during parsing: empty directive name\n    column 1", id="empty name"),
        pytest.param(
            "9a",
            "f:1 - Error during parsing: directive name cannot start with a digit\n    column 1",
            id="digit",
        ),
        pytest.param(
            "a{",
            "f:1 - Error during parsing: character not allowed in directive name: {\n    column 1",
            id="a brace",
        ),
        pytest.param("&", "f:1 - Error during parsing: empty reference\n    column 1", id="empty reference"),
        pytest.param(
            "a&b",
            "f:1 - Error during parsing: character not allowed in directive name: &\n    column 1",
            id="a late ampersand",
        ),
        pytest.param(
            "a\x01",
            "f:1 - Error during parsing: character not allowed in directive name: '\\x01'\n    column 1",
            id="a control character",
        ),
    ],
)
def test_syntax_errors(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert str(caught.value) == error


def test_nodes_know_their_places() -> None:
    (node,) = parse("\n  a \\\n b {\n   c\n}", "dir/f.conf").nodes
    assert node.children is not None
    assert (node.where, node.column) == ("dir/f.conf:2", 3)
    assert (node.children[0].where, node.children[0].column) == ("dir/f.conf:4", 4)


def nested(depth: int) -> str:
    return "a {\n" * depth + "}\n" * depth


def test_255_blocks_nest() -> None:
    node, depth = parse(nested(NESTING_MAX), "f").nodes[0], 1
    while node.children:
        node, depth = node.children[0], depth + 1
    assert depth == 255


def test_256_blocks_do_not() -> None:
    with pytest.raises(ConfigError, match=r"^f:256 - Error during parsing: nesting limit reached"):
        parse(nested(NESTING_MAX + 1), "f")


# --- macros


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("$(m) = x y\na $(m) z", [["x", "y", "z"]], id="all values"),
        pytest.param("a $(m) z", [["z"]], id="undefined: the argument is removed"),
        pytest.param("$(m) = x\na $(m).y-$(m)", [["x.y-x"]], id="among other text"),
        pytest.param("a b$(m)c", [["bc"]], id="undefined among other text"),
        pytest.param("$(a) = 1\n$(b) = 2\na $(a)-$(b)", [["1-2"]], id="begins and ends with a reference"),
        pytest.param("$(m) = x\n$(n) = $(m).y $(m)\na $(n)", [["x.y", "x"]], id="values use macros"),
        pytest.param("$(m) = x\n$(m) = y\na $(m)", [["y"]], id="the later declaration wins"),
        pytest.param("a $(m)\n$(m) = x", [[]], id="used before its declaration"),
        pytest.param('$(m) = "x y"\na "$(m)" "b $(m)"', [["x y", "b x y"]], id="inside quotes"),
        pytest.param("$(m) = $(n)\na b$(m) $(m)", [["b"]], id="a macro of no values"),
        pytest.param("$(m) = x\na $(m", [["$(m"]], id="no reference"),
        pytest.param("$(m) = x\na $(m)b$(m", [["xb$(m"]], id="no second reference"),
        pytest.param("$(m) = x\na $m $ ( m )", [["$m", "$", "(", "m", ")"]], id="nothing like one"),
        pytest.param("$(m) = \\\n x\na $(m)", [["x"]], id="a continued declaration"),
        pytest.param("$() = x\na $()", [["x"]], id="the empty name"),
    ],
)
def test_macros(text: str, expected: list[list[str]]) -> None:
    assert [list(node.args) for node in parse(text, "f").nodes] == expected


def test_macros_are_replaced_in_blocks(shapes: Shapes) -> None:
    nodes = parse("$(m) = x y\na $(m) {\n b $(m)\n c { d $(m) }\n}", "f").nodes
    assert shapes(nodes) == [("a", ["x", "y"], [("b", ["x", "y"]), ("c", [], [("d", ["x", "y"])])])]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("$(m = x", "macro name must end with )"),
        ("$(m)", "at least 2 arguments are required"),
        ("$(m) =", "at least 2 arguments are required"),
        ("$(m) x y", "missing = in macro declaration"),
        ("$(m)=x y z", "macro name must end with )"),
        ("a {\n $(m) = x\n}", "macro declarations are only allowed at top-level"),
        ("$(m) = x { }", "can't declare block here"),
        ("$(m) = x y\na b$(m)", "can't expand macro with multiple arguments inside a string"),
        ("$(m) = x y\n$(n) = b$(m)", "can't expand macro with multiple arguments inside a string"),
    ],
)
def test_macro_errors(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    first = str(caught.value).split("\n")[0]
    assert first == f"f:{2 if chr(10) in text else 1} - Error during parsing: {error}"


@pytest.mark.parametrize("value", ["$(m) $(m)", "x$(m)$(m)"])
def test_macros_that_double_are_stopped(value: str) -> None:
    text = "$(m) = xxxxxxxx\n" + f"$(m) = {value}\n" * 64
    with pytest.raises(ConfigError, match="macros expand to more than"):
        parse(text, "f")


# --- snippets


def test_a_snippet_is_no_node() -> None:
    parsed = parse("(s) {\n a b\n}\nc", "f")
    assert [node.name for node in parsed.nodes] == ["c"]
    assert [node.name for node in parsed.snippets["s"]] == ["a"]


def test_the_later_snippet_wins() -> None:
    assert [node.name for node in parse("(s) { a }\n(s) { b }", "f").snippets["s"]] == ["b"]


def test_macros_of_a_snippet_are_those_at_its_declaration() -> None:
    parsed = parse("$(m) = 1\n(s) { a $(m) }\n$(m) = 2", "f")
    assert parsed.snippets["s"][0].args == ("1",)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "a {\n (s) {\n}\n}",
            "f:2 - Error during parsing: snippet declarations are only allowed at top-level",
        ),
        ("(s) x {\n}", "f:1 - Error during parsing: snippet declarations can't have arguments"),
        ("(s", "f:1 - Error during parsing: character not allowed in directive name: ("),
        ("()", "f:1 - Error during parsing: character not allowed in directive name: ("),
    ],
)
def test_snippet_errors(text: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f")
    assert str(caught.value).split("\n")[0] == error


# --- any text


def depth_of(node: Node) -> int:
    return 1 + max(map(depth_of, node.children or ()), default=0)


WORDS = st.sampled_from(
    ["a", "{", "}", "\\", "$(m)", "=", "(s)", '"', '"x y"', "import", "#", "\n", "\n\n", "}\n", "9"]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=60).map(" ".join)))
@example("{")
@example("\\")
@example("a { b }\\")
def test_any_text_gives_nodes_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert all(depth_of(node) <= NESTING_MAX + 1 for node in parse(text, "f").nodes)


@pytest.mark.parametrize(
    "piece", ["a {\n}\n", "a b\n", "a \\\n", "$(", "a $(\n", "a $(m)$(\n", "$(m) = x\n", "(s) { a }\n"]
)
def test_a_long_text_takes_linear_time(piece: str) -> None:
    with contextlib.suppress(ConfigError):
        parse(piece * (LONG // len(piece)), "f")


def test_the_example_of_the_specification_parses() -> None:
    text = """
$(domain) = example.net
(common) {
    hostname mx.$(domain)
    tls off
}
import common                       # top level: becomes two global directives

limits shared_limits { all rate 20 1s }
smtp tcp://127.0.0.1:{env:SMTP_PORT} {
    limits &shared_limits           # group reference
    check {
        spf { fail_action reject }  # one level per line: nested one-liners are errors
    }
    deliver_to lmtp unix://lmtp.sock    # prefix target. implied
}
"""
    assert [node.name for node in parse(text, "f").nodes] == ["import", "limits", "smtp"]


def test_a_member_of_a_group_may_be_a_reference() -> None:
    [node] = parse("checks all {\n  &one\n  two x\n}", "f").nodes
    assert isinstance(node, Node)
    assert [(child.name, child.args) for child in node.children or ()] == [("&one", ()), ("two", ("x",))]
