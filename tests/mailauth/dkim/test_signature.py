import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.dkim.canonical import Canonicalization
from posthouse.mailauth.dkim.signature import parse_signature
from posthouse.mailauth.dkim.tags import TagError

TAGS = {
    "v": "1",
    "a": "rsa-sha256",
    "d": "example.org",
    "s": "sel",
    "h": "From:To",
    "bh": "QUJD",
    "b": "QUJD",
}


def value(**changes: str | None) -> bytes:
    """A signature with some tags changed; None: without it."""
    return "; ".join(f"{name}={text}" for name, text in (TAGS | changes).items() if text is not None).encode()


def test_what_is_not_said_has_defaults() -> None:
    signature = parse_signature(value())
    assert (signature.header_way, signature.body_way) == (Canonicalization.SIMPLE, Canonicalization.SIMPLE)
    assert signature.identity == "@example.org"
    assert (signature.signed_at, signature.expires, signature.has_length) == (None, None, False)


def test_all_tags_are_read() -> None:
    signature = parse_signature(
        value(
            c="relaxed/simple",
            d="Example.ORG",
            h=" FROM\r\n : from:\tx-y",
            i="an n@Sub.example.org",
            l="7",
            q="x:dns/txt",
            t="12",
            x="34",
            z="From:a",
            unknown="?",
        )
    )
    assert (signature.header_way, signature.body_way) == (Canonicalization.RELAXED, Canonicalization.SIMPLE)
    assert (signature.domain, signature.selector) == ("example.org", "sel")
    assert signature.key_name == "sel._domainkey.example.org"
    assert signature.names == ("from", "from", "x-y")
    assert signature.identity == "ann@Sub.example.org"
    assert (signature.signed_at, signature.expires, signature.has_length) == (12, 34, True)
    assert signature.body_hash == signature.octets == b"ABC"


def test_canonicalization_of_the_body_is_simple_if_only_one_is_named() -> None:
    assert parse_signature(value(c="relaxed")).body_way is Canonicalization.SIMPLE


def test_domains_in_u_labels_are_those_in_a_labels() -> None:
    signature = parse_signature(
        value(d="m\u00fcnchen.example", s="\u00fc", i="\u00fc@a.xn--mnchen-3ya.example")
    )
    assert signature.domain == "xn--mnchen-3ya.example"
    assert signature.key_name == "xn--tda._domainkey.xn--mnchen-3ya.example"


@pytest.mark.parametrize("name", ["v", "a", "b", "bh", "d", "h", "s"])
def test_tags_that_must_be_there(name: str) -> None:
    with pytest.raises(TagError, match=f"no tag {name}="):
        parse_signature(value(**{name: None}))


@pytest.mark.parametrize(
    "changes",
    [
        {"v": "2"},
        {"v": "1.0"},
        {"v": ""},
        {"c": "nowsp"},
        {"c": "relaxed/simple/simple"},
        {"c": "Relaxed"},
        {"h": ""},
        {"h": "From::To"},
        {"h": "From:T o"},
        {"h": "From:\u00fc"},
        {"q": "dns/other"},
        {"t": "-1"},
        {"t": "1 2"},
        {"t": ""},
        {"x": "1" * 13},
        {"x": "\u0661"},
        {"b": "QUJ"},
        {"bh": "QUJ!"},
    ],
    ids=str,
)
def test_malformed_signatures_are_refused(changes: dict[str, str | None]) -> None:
    with pytest.raises(TagError):
        parse_signature(value(**changes))


@pytest.mark.parametrize(
    ("domain", "identity"),
    [
        ("example.org", "@example.com"),
        ("example.org", "ann@badexample.org"),
        ("sub.example.org", "@example.org"),
        ("example.org", "example.org"),
        ("example.org", "ann@"),
        ("example.org", "a@b@example.org.evil.test"),
    ],
)
def test_R_151_the_identity_is_of_the_domain(domain: str, identity: str) -> None:
    with pytest.raises(TagError):
        parse_signature(value(d=domain, i=identity))


@pytest.mark.parametrize(
    "bad",
    [
        "",
        ".",
        "a..b.test",
        ".example.org",
        "example.org.",
        "legitimate.com(.attacker.com",
        "a b.test",
        "a/b.test",
        "a\\.test",
        "*.test",
        "@.test",
        "-a.test",
        "a-.test",
        "xn--a-.test",
        "a" * 64 + ".test",
        ".".join(["a" * 60] * 5),
        "a.b'.test",
        '"a".test',
    ],
)
def test_R_151_odd_octets_never_make_a_name_in_dns(bad: str) -> None:
    with pytest.raises(TagError):
        parse_signature(value(d=bad))
    with pytest.raises(TagError):
        parse_signature(value(s=bad))


def test_R_151_the_name_of_the_key_is_not_too_long_for_dns() -> None:
    domain = ".".join(["a" * 49] * 4)
    assert len(parse_signature(value(d=domain, s="b" * 42)).key_name) == 253
    with pytest.raises(TagError, match="too long"):
        parse_signature(value(d=domain, s="b" * 43))


def test_R_151_a_domain_has_more_than_one_label() -> None:
    with pytest.raises(TagError):
        parse_signature(value(d="org"))


def test_R_151_hashes_and_signatures_may_be_folded() -> None:
    signature = parse_signature(value(b="Q\r\n UJ\tD", bh="\r\n QU\r\n\tJD "))
    assert signature.octets == signature.body_hash == b"ABC"


@given(st.text(max_size=20), st.sampled_from(sorted(TAGS) + ["c", "i", "q", "t", "x", "l"]))
def test_any_value_is_read_or_refused(text: str, name: str) -> None:
    try:
        signature = parse_signature(value(**{name: text}))
    except TagError:
        return
    assert signature.key_name.isascii()
    assert all(0 < len(label) < 64 for label in signature.key_name.split("."))
