"""Normal forms of domains, and the public suffix list against its own test vectors (POSTHOUSE_TESTDATA/psl)."""

import os
from pathlib import Path

import pytest

from posthouse.mailauth.domains import normal_domain, preload, registered_domain
from posthouse.message.address import AddressError

PROJECT = Path(__file__).parents[2]


def vectors() -> list[tuple[str, str | None]]:
    folder = Path(os.environ.get("POSTHOUSE_TESTDATA", PROJECT.parent / "shared" / "testdata"))
    path = folder / "psl" / "tests.txt"
    if not path.is_file():
        pytest.skip(f"no {path} here: POSTHOUSE_TESTDATA names the folder of test data")
    lines = [line.split() for line in path.read_text("utf-8").splitlines()]
    cases = [line for line in lines if len(line) == 2 and not line[0].startswith("//") and line[0] != "null"]
    return [(name, None if expected == "null" else expected) for name, expected in cases]


def test_the_published_vectors_hold() -> None:
    cases = vectors()
    assert len(cases) > 70
    wrong = [(name, expected) for name, expected in cases if registered_domain(name) != expected]
    assert wrong == []


def test_the_published_vectors_hold_in_the_normal_form() -> None:
    for name, expected in vectors():
        if not name.startswith("."):
            assert registered_domain(normal_domain(name)) == (expected and normal_domain(expected)), name


@pytest.mark.parametrize(
    ("domain", "registered"),
    [
        pytest.param("mail.example.co.uk", "example.co.uk", id="two labels of suffix"),
        pytest.param("a.ann.github.io", "ann.github.io", id="R-154: private part"),
        pytest.param("github.io", None, id="R-154: suffix of the private part"),
        pytest.param("a.b.unknown-tld-xyz", "b.unknown-tld-xyz", id="unknown top-level domain"),
        pytest.param("localhost", None, id="one label"),
    ],
)
def test_a_registered_domain_has_one_label_more_than_its_suffix(domain: str, registered: str | None) -> None:
    preload()
    assert registered_domain(domain) == registered


@pytest.mark.parametrize(
    ("domain", "normal"),
    [
        pytest.param("Mail.EXAMPLE.org.", "mail.example.org", id="case and dot"),
        pytest.param("exämple.org", "xn--exmple-cua.org", id="U-label"),
        pytest.param("XN--EXMPLE-CUA.org", "xn--exmple-cua.org", id="A-label"),
        pytest.param("a_b!c.example", "a_b!c.example", id="odd characters"),
        pytest.param("a" * 70 + ".example", "a" * 70 + ".example", id="long label"),
    ],
)
def test_the_normal_form_is_for_comparing(domain: str, normal: str) -> None:
    assert normal_domain(domain) == normal


@pytest.mark.parametrize(
    "domain", ["", ".", "a..b", ".a", "[192.0.2.1]", "a\\.b", "xn--\xff", "a b", "a\0b", "xn--a-.b"]
)
def test_what_is_no_domain_has_no_normal_form(domain: str) -> None:
    with pytest.raises(AddressError):
        normal_domain(domain)
