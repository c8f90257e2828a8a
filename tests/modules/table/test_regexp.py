import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.core.errors import MailError
from posthouse.modules.table.regexp import KEY_MAX, RegexpTable, compiled, expand
from posthouse.testing.world import make_context


def make(folder: Path, *args: str, full: bool = True, ignore_case: bool = True, placeholders: bool = True) -> RegexpTable:  # fmt: skip
    settings = RegexpTable.Settings(
        args=args, full_match=full, case_insensitive=ignore_case, expand_placeholders=placeholders
    )
    return RegexpTable(settings, make_context(folder, "table.regexp"))


@given(
    st.text(max_size=20) | st.text(alphabet=r"ab()[]{}|*+?^$.\-,:<>P1dwxQpimsU", max_size=20),
    st.text(max_size=12),
)
def test_any_pattern_is_read_or_refused(pattern: str, text: str) -> None:
    with suppress(ValueError):
        compiled(pattern, ignore_case=True).search(text)


@pytest.mark.parametrize(
    ("args", "key", "values"),
    [
        pytest.param((r"(.+)\+(.+)@(.+)", "$1@$3"), "ann+news@example.org", ["ann@example.org"], id="sub-address"),
        pytest.param((r"(.+)\+(.+)@(.+)", "$1@$3"), "ann@example.org", [], id="no match"),
        pytest.param(("(a+)(b+)", "$2", "$1", "x"), "aabb", ["bb", "aa", "x"], id="several values"),
        pytest.param(("ANN@.*", "yes"), "ann@Example.org", ["yes"], id="the case does not matter"),
        pytest.param(("straße", "yes"), "STRAßE", ["yes"], id="nor that of other letters"),
        pytest.param(("b", "yes"), "abc", [], id="the whole key"),
        pytest.param(("^b$", "yes"), "b", ["yes"], id="anchors that are there"),
        pytest.param(("a|b", "yes"), "ax", ["yes"], id="anchors are not around alternatives, as in maddy"),
        pytest.param((r"a\$", "yes"), "a$b", [], id="a dollar sign is no anchor"),
        pytest.param((r"a\$", "yes"), "a$", ["yes"], id="a dollar sign"),
        pytest.param(("a", "yes"), "a\n", [], id="a line feed at the end is text"),
        pytest.param(("(a)|(b)", "<$1$2>"), "b", ["<b>"], id="a group that took no part"),
        pytest.param(("(?P<user>.+)@(?<domain>.+)", "${domain}!$user"), "ann@b.example", ["b.example!ann"], id="names"),
        pytest.param((".+",), "ann", ["ann"], id="no replacement: the key, as documented"),
        pytest.param(("", "empty"), "", ["empty"], id="empty"),
    ],
)  # fmt: skip
async def test_keys_become_values(args: tuple[str, ...], key: str, values: list[str], tmp_path: Path) -> None:
    assert list(await make(tmp_path, *args).lookup(key)) == values


async def test_directives_change_what_matches(tmp_path: Path) -> None:
    anywhere = make(tmp_path, "b", "$0!", full=False)
    assert list(await anywhere.lookup("abc")) == ["b!"]
    assert list(await anywhere.lookup("ac")) == []
    assert list(await make(tmp_path, "b", "x", ignore_case=False).lookup("B")) == []
    assert list(await make(tmp_path, "(b)", "$1", placeholders=False).lookup("b")) == ["$1"]


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("$1@$2", "one@two"),
        ("${1}x", "onex"),
        ("$1x", ""),  # the group named 1x
        ("$name", "two"),
        ("$$1", "$1"),
        ("$9$nobody${9}", ""),
        ("$", "$"),
        ("${", "${"),
        ("${}", "${}"),
        ("a$-b", "a$-b"),
        ("$0", "all"),
        ("$" + "9" * 5000, ""),
    ],
)
def test_replacements_are_expanded_as_go_does(template: str, text: str) -> None:
    assert expand(template, ["all", "one", "two"], {"name": 2}) == text


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("[[:alpha:]_]+", ["aZ_"], ["a1", "ä"]),
        ("[[:^digit:]]", ["a", "ä"], ["1"]),
        (r"[\d\-x]+", ["1-x"], ["w"]),
        (r"[^\W\d]+", ["ab_"], ["1", "-", "ä"]),
        (r"\w\W\s\S\D", ["a-\tbc"], ["ä-\tbc", "a-\vbc"]),
        ("[]a]+", ["]a"], ["b"]),
        ("[a-c-]+", ["abc-"], ["d"]),
        (r"[\x61-\x{63}\n\]]+", ["abc\n]"], ["d"]),
        (r"\141\x61\x{e4}\.\@", ["aaä.@"], ["aaäx@"]),
        ("(?s).", ["\n"], []),
        (".", ["a"], ["\n", ""]),
        ("(?m)a$\n^b", ["a\nb"], []),
        ("(?i:a)b", ["Ab", "ab"], ["AB"]),
        ("(?i)a(?-i)b", ["Ab"], ["aB"]),
        ("a{2}b{1,}c{,5}", ["aabbc{,5}"], ["aab"]),
        ("(?:a|b)*?c", ["abac", "c"], ["abd"]),
        ("x*(?:)y?", ["", "xxy"], ["yx"]),
        (r"\Aa\z", ["a"], ["b"]),
        (r"a\b.\Bb?", ["a-"], ["ab"]),
        ("(?U)a+(a*)", ["aaa"], []),
    ],
)
async def test_the_syntax_is_that_of_re2(
    pattern: str, matching: list[str], others: list[str], tmp_path: Path
) -> None:
    table = make(tmp_path, pattern, ignore_case=False)
    assert [key for key in (*matching, *others) if await table.lookup(key)] == matching


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("a(?=b)", "invalid perl operator"),
        ("(?<!a)b", "(?<"),
        ("a\\", "trailing \\"),
        ("(a", "missing ): (a"),
        ("a)", "unexpected ): a)"),
        ("[a", "missing ]"),
        ("[z-a]", "invalid character class range: z-a"),
        ("*a", "no argument for repetition operator: *"),
        ("a{1001}", "invalid repetition"),
        ("((a{30}){30}){2}", "invalid repetition size"),
        ("a**", "bad repetition operator"),
        ("a" * 1001, "more than 1000 characters"),
    ],
)  # fmt: skip
def test_what_is_wrong_or_would_not_be_linear_is_refused(pattern: str, text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        make(tmp_path, pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a*)*b",
        "(a|aa)+b",
        "(a|a)*b",
        "(.*)(.*)(.*)(.*)(.*)[b-z]",
        "(?:a?){99}a{99}b",
        r"(\w+\s?)*b",
        "((a*)*)*b",
    ],
)
async def test_no_key_makes_it_slow(pattern: str, tmp_path: Path) -> None:
    """A search that backtracks would not end today."""
    assert list(await make(tmp_path, pattern).lookup("a" * 200)) == []


async def test_a_key_that_is_too_long_is_no_miss(tmp_path: Path) -> None:
    table = make(tmp_path, "a*")
    assert await table.lookup("a" * KEY_MAX)
    with pytest.raises(MailError) as caught:
        await table.lookup("a" * (KEY_MAX + 1))
    assert caught.value.is_transient
