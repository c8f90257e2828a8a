"""Spec: config-language §11."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from posthouse.framework import normalize


@pytest.mark.parametrize(
    ("function", "name", "expected"),
    [
        (normalize.noop, "A\u00c4 b", "A\u00c4 b"),
        (normalize.casefold, "A\u00c4 B", "a\u00e4 b"),
        (normalize.precis, "Ann", "Ann"),
        (normalize.precis, "\uff21nn", "Ann"),
        (normalize.precis_casefold, "Ann", "ann"),
        (normalize.precis_casefold, "\u00c4nn", "\u00e4nn"),
        (normalize.precis_casefold, "A\u0308nn", "\u00e4nn"),
        (normalize.precis_casefold, "ann@EXAMPLE.org", "ann@example.org"),
        (normalize.precis_email, "Ann@EXAMPLE.Org.", "Ann@example.org"),
        (normalize.precis_casefold_email, "Ann@EXAMPLE.org", "ann@example.org"),
        (
            normalize.precis_casefold_email,
            "\u00c4nn@xn--e1aybc.example",
            "\u00e4nn@\u0442\u0435\u0441\u0442.example",
        ),
        (normalize.precis_casefold_email, "PostMaster", "postmaster"),
        (normalize.precis_email, "PostMaster", "PostMaster"),
        (normalize.auto, "Ann", "ann"),
        (normalize.auto, "Ann@XN--E1AYBC.example", "ann@\u0442\u0435\u0441\u0442.example"),
        (normalize.auto, "postmaster", "postmaster"),
    ],
)
def test_names(function: Callable[[str], str], name: str, expected: str) -> None:
    assert function(name) == expected


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (normalize.precis, ""),
        (normalize.precis, "a b"),
        (normalize.precis_casefold, "a\x00"),
        (normalize.precis_casefold, "\udcff"),
        (normalize.precis_casefold, "a" * 1025),
        (normalize.precis_casefold, "\u00e4" * 1025),
        (normalize.precis_casefold, "\u05d0a"),
        (normalize.precis_casefold_email, "ann"),
        (normalize.precis_casefold_email, "ann@"),
        (normalize.precis_casefold_email, "a b@example.org"),
        (normalize.precis_email, "@example.org"),
        (normalize.precis_casefold_email, "ann@xn--\x80"),
        (normalize.auto, "a b"),
        (normalize.auto, ""),
    ],
)
def test_names_without_a_normal_form(function: Callable[[str], str], name: str) -> None:
    with pytest.raises(ValueError):
        function(name)


def test_each_function_has_its_name() -> None:
    assert all(
        normalize.by_name(name) is function and normalize.name_of(function) == name
        for name, function in normalize.NORMALIZATIONS.items()
    )


def test_an_unknown_function() -> None:
    with pytest.raises(ValueError, match="valid values are: "):
        normalize.by_name("lower")


def enforced(profile: str, name: str) -> str | None:
    try:
        return str(get_profile(profile).enforce(name))
    except UnicodeError:
        return None


def ours(function: Callable[[str], str], name: str) -> str | None:
    try:
        return function(name)
    except ValueError:
        return None


@given(st.text(st.characters(max_codepoint=0x7F), max_size=20))
def test_ascii_needs_no_profile(name: str) -> None:
    assert ours(normalize.precis, name) == enforced("UsernameCasePreserved", name)
    assert ours(normalize.precis_casefold, name) == enforced("UsernameCaseMapped", name)


@given(st.sampled_from(sorted(normalize.NORMALIZATIONS)), st.text(max_size=50))
def test_any_name_has_a_normal_form_or_a_value_error(function: str, name: str) -> None:
    ours(normalize.by_name(function), name)
