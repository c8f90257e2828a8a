from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.spf.macro import (
    DOMAIN_MAX,
    Macro,
    MacroString,
    check_macro_string,
    expand_domain,
    parse_domain_spec,
)
from posthouse.mailauth.spf.result import PermError

IPV6 = "2.0.0.1.0.d.b.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.c.b.0.1"
VALUES = {  # of RFC 7208 §7.4
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "h": "mx.example.org",
    "p": "unknown",
}

macros = st.builds(
    "%{{{}{}{}{}}}".format,
    st.sampled_from("slodiphvSLODIPHV"),
    st.sampled_from(["", "1", "2", "3", "05", "127", "999999"]),
    st.sampled_from(["", "r", "R"]),
    st.text("-.+,/_=", max_size=3),
)
literals = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="%"), max_size=80)
macro_strings = st.lists(macros | literals | st.sampled_from(["%%", "%_", "%-"]), max_size=8).map("".join)
domain_ends = macros | st.sampled_from([".example", ".org.", ".x-1", ".1-2.", "%%", "%_", "%-"])
domain_specs = st.builds(str.__add__, macro_strings, domain_ends)
texts = st.text(st.characters(max_codepoint=0x17F) | st.sampled_from(".-@"), max_size=300)
values = st.fixed_dictionaries(dict.fromkeys("slodiphv", texts))


def expand(text: str, **values: str) -> str:
    return expand_domain(parse_domain_spec(text), VALUES | values)


@pytest.mark.parametrize(
    ("text", "name"),
    [  # RFC 7208 §7.4
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
    ],
)
def test_the_examples_of_the_rfc(text: str, name: str) -> None:
    assert expand(text) == name
    assert expand(text.replace("{d", "{D")) == name


def test_an_ipv6_address_is_reversed_by_its_nibbles() -> None:
    assert expand("%{ir}.%{v}._spf.%{d2}", i=IPV6, v="ip6") == f"{IPV6[::-1]}.ip6._spf.example.com"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("a%%b%_c%-d.example", "a%b c%20d.example", id="escapes"),
        pytest.param("a.example.", "a.example", id="dot at the end"),
        pytest.param("%{L}.example", "a%26b%2Fc~.example", id="upper case is for URLs"),
        pytest.param("%{l&}.example", None, id="unknown delimiter"),
        pytest.param("%{l0}.example", None, id="no part"),
        pytest.param("%{l00r}.example", None, id="no part, with two digits"),
        pytest.param("%{l001&}.example", None, id="not closed"),
    ],
)
def test_other_ways_to_write_a_name(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(PermError):
            expand(text)
    else:
        assert expand(text, l="a&b/c~") == name


def test_empty_parts_are_parts() -> None:
    assert expand("%{l2}.example", l="a..b") == ".b.example"
    assert expand("%{lr-}.example", l="a--b") == "b..a.example"


@pytest.mark.parametrize("letter", ["c", "r", "t", "C", "R", "T"])
def test_letters_for_explanations_are_not_for_names(letter: str) -> None:
    check_macro_string(f"%{{{letter}}}")
    with pytest.raises(PermError, match="only for explanations"):
        parse_domain_spec(f"%{{{letter}}}.example")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ".",
            "org",
            "org.",
            "a..",
            "a.123",
            "a.-b",
            "a.b-",
            "a.b_c",
            "a.b/c",
            "%{d}org",
            "%%org",
            "a.%",
        ),
        *(
            "%",
            "%{",
            "%{}",
            "%{x}.a",
            "%{d",
            "% .a",
            "%a.a",
            "a b.c",
            "a\tb.c",
            "a\0.c",
            "\x7f.c",
            "a.c\n",
            "é.c",
        ),
    ],
)
def test_what_is_no_domain_spec(text: str) -> None:
    with pytest.raises(PermError):
        parse_domain_spec(text)


def test_long_names_lose_labels_on_the_left() -> None:
    """RFC 7208 §7.3."""
    tail = ".".join(["x" * 60] * 4)
    assert len(f"a.{tail}.example") == DOMAIN_MAX
    for head, kept in (("a.", "a."), ("a.b.", "b."), ("ab.", ""), ("a.bc.", ""), ("a..", ".")):
        for text in ("%{h}.example", "%{h}.example."):
            assert expand(text, h=head + tail) == f"{kept}{tail}.example"
    assert expand("%{h}.example", h="x" * 1000) == "example"
    assert expand("%{h}", h="x" * 1000) == ""


def test_text_that_is_not_ascii_is_never_escaped_to_a_name() -> None:
    """RFC 8616 §4: such terms match nothing."""
    assert expand("%{L}.example", l="jürgen") == "jürgen.example"


def test_R_150_macros_that_would_expand_to_a_megabyte() -> None:
    assert len(expand("%{s}" * 2000, s="a." * 500)) <= DOMAIN_MAX
    assert expand("%{l}" * 2000 + ".example", l="") == ".example"


@given(macro_strings)
def test_what_the_grammar_allows_is_a_macro_string(text: str) -> None:
    check_macro_string(text)


@given(domain_specs, values)
def test_expansion_is_the_end_of_the_whole_text(text: str, values: Mapping[str, str]) -> None:
    spec = parse_domain_spec(text)
    assert expand_domain(spec, values) == cut(plainly(spec, values).removesuffix("."))


def plainly(spec: MacroString, values: Mapping[str, str]) -> str:
    return "".join(
        expanded(piece, values[piece.letter]) if isinstance(piece, Macro) else piece for piece in spec
    )


def expanded(macro: Macro, value: str) -> str:
    """As RFC 7208 §7.3 has it, step by step."""
    parts = [""]
    for character in value:
        if character in macro.delimiters:
            parts.append("")
        else:
            parts[-1] += character
    if macro.is_reversed:
        parts.reverse()
    while macro.parts and len(parts) > macro.parts:
        del parts[0]
    text = ".".join(parts)
    return quote(text, safe="") if macro.is_escaped and text.isascii() else text


def cut(name: str) -> str:
    while len(name) > DOMAIN_MAX:
        _, _, name = name.partition(".")
    return name


@given(st.text(max_size=100) | st.text("%{}sldr0.-/ a", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(PermError):
        expand_domain(parse_domain_spec(text), VALUES)
