"""Addresses: taken apart, normalised, judged."""

import re
from contextlib import suppress
from pathlib import Path
from unicodedata import is_normalized
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message import address
from posthouse.message.address import AddressError


@pytest.mark.parametrize(
    ("whole", "parts"),
    [
        ("ann@example.org", ("ann", "example.org")),
        ("a@b@c", ("a@b", "c")),
        ("PostMaster", ("PostMaster", "")),
        ('"a b"@[192.0.2.1]', ('"a b"', "[192.0.2.1]")),
    ],
)
def test_the_last_at_sign_parts_an_address(whole: str, parts: tuple[str, str]) -> None:
    assert address.split(whole) == parts


@pytest.mark.parametrize("whole", ["", "ann", "@", "ann@", "@example.org", "postmaster@"])
def test_an_address_without_one_of_its_parts_is_refused(whole: str) -> None:
    with pytest.raises(AddressError):
        address.split(whole)


@pytest.mark.parametrize(
    ("whole", "clean"),
    [
        ("", ""),
        ("PostMaster", "PostMaster"),
        ("Ann@EXAMPLE.org", "Ann@example.org"),
        ("Ann@example.org.", "Ann@example.org."),
        ("Ann@XN--Mnchen-3ya.example", "Ann@münchen.example"),
        ("Ann@MU\N{COMBINING DIAERESIS}NCHEN.example", "Ann@münchen.example"),
        ("A@x@Example.ORG", "A@x@example.org"),
        ("ann@[IPv6:2001:DB8::1]", "ann@[ipv6:2001:db8::1]"),
    ],
)
def test_clean_domain_leaves_the_local_part(whole: str, clean: str) -> None:
    assert address.clean_domain(whole) == clean


@pytest.mark.parametrize(
    ("whole", "key"),
    [
        ("Ann@EXAMPLE.org.", "ann@example.org"),
        ("POSTMASTER", "postmaster"),
        ("U\N{COMBINING DIAERESIS}@xn--mnchen-3ya.example", "ü@münchen.example"),
    ],
)
def test_the_form_for_lookup(whole: str, key: str) -> None:
    assert address.for_lookup(whole) == key


@pytest.mark.parametrize("whole", ["", "ann", "ann@.", "ann@xn--a-", "ann@xn--é", "ann@" + "é." * 600])
def test_what_cannot_be_normalised_has_no_form_for_lookup(whole: str) -> None:
    with pytest.raises(AddressError):
        address.for_lookup(whole)


def test_domains_lose_one_dot_at_the_end_for_lookup() -> None:
    assert address.dns_for_lookup("EXAMPLE.org.") == "example.org"
    assert address.dns_for_lookup("xn--MNCHEN-3YA.example") == "münchen.example"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Ann@example.org", "ann@EXAMPLE.ORG.", True),
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example", True),
        ("ann@example.org", "ann@example.com", False),
        ("nonsense", "nonsense", True),
        ("nonsense", "Nonsense", False),
    ],
)
def test_addresses_are_equal_by_their_form_for_lookup(one: str, other: str, same: bool) -> None:
    assert address.equal(one, other) is same


@pytest.mark.parametrize(
    "label",
    [
        pytest.param("xn--example-", id="ASCII"),
        pytest.param("xn--", id="nothing"),
        pytest.param("xn--" + "\N{KELVIN SIGN}".encode("punycode").decode(), id="ASCII once it is NFC"),
        pytest.param("xn--" + "a.b\xe9".encode("punycode").decode(), id="a dot"),
        pytest.param("xn--" + "a@b\xe9".encode("punycode").decode(), id="an at sign"),
        pytest.param("xn--" + "\ud800".encode("punycode").decode(), id="half a surrogate pair"),
        pytest.param("xn--\xe9", id="not ASCII"),
        pytest.param("xn--99999999", id="not Punycode"),
    ],
)
def test_R_085_no_forged_a_label_passes_for_another_domain(label: str) -> None:
    with pytest.raises(AddressError):
        address.dns_for_lookup(f"{label}.example")


@pytest.mark.parametrize(
    ("u_labels", "a_labels"),
    [
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("пример.испытание", "xn--e1afmkfd.xn--80akhbyknj4f"),
        ("straße.example", "xn--strae-oqa.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("example.org", "example.org"),
    ],
)
def test_R_085_u_label_and_a_label_are_the_same_domain(u_labels: str, a_labels: str) -> None:
    assert address.domain_to_ascii(u_labels) == a_labels
    assert address.domain_to_unicode(a_labels) == u_labels
    assert address.for_lookup(f"a@{a_labels}") == address.for_lookup(f"a@{u_labels}") == f"a@{u_labels}"


def test_R_084_letters_that_look_alike_stay_apart() -> None:
    assert not address.equal("\N{FULLWIDTH LATIN SMALL LETTER A}@example.org", "a@example.org")
    assert not address.equal("a@stra\N{LATIN SMALL LETTER SHARP S}e.example", "a@strasse.example")
    assert not address.equal("\N{LATIN SMALL LETTER DOTLESS I}@example.org", "i@example.org")


def test_only_the_domain_becomes_ascii() -> None:
    assert address.to_ascii("Ann@münchen.example") == "Ann@xn--mnchen-3ya.example"
    assert address.to_ascii("postmaster") == "postmaster"
    with pytest.raises(AddressError):
        address.to_ascii("änn@example.org")


@pytest.mark.parametrize(
    ("name", "utf8", "selected"),
    [
        ("mx.xn--mnchen-3ya.example", True, "mx.münchen.example"),
        ("MX.münchen.example", False, "MX.xn--mnchen-3ya.example"),
        ("ann@münchen.example", False, "ann@xn--mnchen-3ya.example"),
        ("U\N{COMBINING DIAERESIS}@xn--mnchen-3ya.example", True, "Ü@münchen.example"),
        ("[192.0.2.1]", False, "[192.0.2.1]"),
    ],
)
def test_peers_get_the_labels_that_they_understand(name: str, utf8: bool, selected: str) -> None:
    assert address.select_idna(name, utf8=utf8) == selected


@pytest.mark.parametrize(
    ("quoted", "mailbox"),
    [
        ("ann", "ann"),
        ('"ann"', "ann"),
        ('"a@b"', "a@b"),
        (r'"a\"b\\c"', r'a"b\c'),
        (r'"\a"', "a"),
        ("ünn", "ünn"),
    ],
)
def test_quotes_of_a_local_part_are_undone(quoted: str, mailbox: str) -> None:
    assert address.unquote_mbox(quoted) == mailbox


@pytest.mark.parametrize("quoted", ["", '""', '"', '"a', '"a"b', 'a"b"', "a\\b", "a@b", '"a\\"', '"a"b"'])
def test_R_043_malformed_quoting_is_refused(quoted: str) -> None:
    with pytest.raises(AddressError):
        address.unquote_mbox(quoted)


@pytest.mark.parametrize(
    ("mailbox", "quoted"),
    [("ann", "ann"), ("a b", '"a b"'), ('a"b\\', r'"a\"b\\"'), ("a@b", '"a@b"'), ("a.b+c", "a.b+c")],
)
def test_local_parts_are_quoted_where_they_need_it(mailbox: str, quoted: str) -> None:
    assert address.quote_mbox(mailbox) == quoted


@given(st.text(min_size=1, max_size=40))
def test_quoting_is_undone_by_unquoting(mailbox: str) -> None:
    assert address.unquote_mbox(address.quote_mbox(mailbox)) == mailbox


@pytest.mark.parametrize(
    "whole",
    [
        "ann@example.org",
        "Postmaster",
        "!#$%&'*+-/=?^_`{|}~.@example.org",
        "änn@münchen.example",
        '"a b@c"@example.org',
        "ann@[192.0.2.1]",
        "a" * 64 + "@" + ".".join(["b" * 63] * 4)[:255],
    ],
)
def test_valid_addresses(whole: str) -> None:
    assert address.valid(whole)


@pytest.mark.parametrize(
    "whole",
    [
        pytest.param("", id="nothing"),
        pytest.param("ann", id="no domain"),
        pytest.param("a b@example.org", id="blank"),
        pytest.param("a,b@example.org", id="comma"),
        pytest.param("a@b@example.org", id="two at signs"),
        pytest.param('""@example.org', id="empty quotes"),
        pytest.param('"a\tb"@example.org', id="tab in quotes"),
        pytest.param('"a"b@example.org', id="behind the quotes"),
        pytest.param("a@.example.org", id="leading dot"),
        pytest.param("a@example..org", id="two dots"),
        pytest.param("a@exa mple.org", id="blank in the domain"),
        pytest.param("a@example.org\r\n", id="line end"),
        pytest.param("a@exam\0ple.org", id="NUL"),
        pytest.param("a@xn--a-.org", id="forged A-label"),
        pytest.param("a@" + "b" * 65 + ".org", id="label too long"),
        pytest.param("a@" + "".join(map(chr, range(0x4E00, 0x5E00, 97))) + ".org", id="A-label too long"),
        pytest.param("a@" + "b." * 128, id="domain too long"),
        pytest.param("a" * 310 + "@example.org", id="address too long"),
        pytest.param("é" * 155 + "@example.org", id="address too long in octets"),
        pytest.param("\ud800@example.org", id="half a surrogate pair"),
        pytest.param("a@\ud800.org", id="half a surrogate pair in the domain"),
    ],
)
def test_invalid_addresses(whole: str) -> None:
    assert not address.valid(whole)


# Where `valid` differs from isemail's reading ("good enough for SMTP": valid, unknown in DNS, RFC 5321), by test number.
ISEMAIL_ACCEPTED_HERE = {
    **dict.fromkeys([15, 16], "dots may stand anywhere in a local part"),
    **dict.fromkeys([26, 39, 59, 60], "only the whole address has a limit, not the local part"),
    28: "an A-label may have 64 octets",
    40: "the limit of a path, 254 octets, is none here",
    **dict.fromkeys([30, 31, 102], "hyphens may stand anywhere in a domain"),
    35: "a domain may end in a dot",
    **dict.fromkeys(
        [*range(62, 68), 69, 70, 71, 73, 74, 76, 78, 80, 82, 83, 84, 106, 112, 113, 114, 117, 118, 119, 159],
        "the inside of an address literal is not judged",
    ),
    **dict.fromkeys([93, 95, 105, 109, 110, 161], "special characters in a domain are not judged"),
    160: "a backslash may stand before any character",
}
ISEMAIL_REFUSED_HERE = {43: "a local part cannot be empty (R-043)"}
ISEMAIL_GOOD = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"}


def test_isemail_vectors(testdata: Path) -> None:
    tests = ET.parse(testdata / "isemail" / "tests.xml").getroot().iter("test")
    differing: dict[int, bool] = {}
    for test in tests:
        whole = re.sub("[\u2400-\u2420]", lambda m: chr(ord(m[0]) - 0x2400), test.findtext("address", ""))
        good = test.findtext("category") in ISEMAIL_GOOD
        if address.valid(whole) != good:
            differing[int(test.get("id", "0"))] = not good
    assert differing == dict.fromkeys(ISEMAIL_ACCEPTED_HERE, True) | dict.fromkeys(
        ISEMAIL_REFUSED_HERE, False
    )


@given(st.text(max_size=60) | st.text('aA@."\\ xn-éİ\u0323\u212a', max_size=30).map("xn--".join))
def test_R_142_any_text_is_converted_or_refused(whole: str) -> None:
    for convert in (address.split, address.clean_domain, address.to_ascii, address.unquote_mbox):
        with suppress(AddressError):
            convert(whole)
    address.valid(whole)
    try:
        key = address.for_lookup(whole)
    except AddressError:
        return
    assert is_normalized("NFC", key)
    if not key.endswith("."):
        assert address.for_lookup(key) == key


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20))
def test_a_label_and_u_label_convert_into_each_other(label: str) -> None:
    try:
        normal = address.dns_for_lookup(f"{label}.example")
        a_labels = address.domain_to_ascii(normal)
    except AddressError:
        return
    assert a_labels.isascii()
    if not normal.isascii() and not re.search(r"[\x00-,/:-@\[-`{-\x7f]", normal):
        assert address.dns_for_lookup(a_labels) == normal
