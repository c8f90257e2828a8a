"""Records: RFC 9989 §4.7, §4.8, §4.10.1 and RFC 7489 §6.3, §6.4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.dmarc.record import URIS_MAX, Mode, Policy, Psd, Record, parse_record

BOTH = tuple(Mode)


def parsed(text: str, mode: Mode = Mode.TREE) -> Record:
    record = parse_record(text.encode(), mode)
    assert record is not None
    return record


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("v=DMARC1; p=reject", id="plain"),
        pytest.param("v=DMARC1;p=reject", id="no blanks"),
        pytest.param("v\t= DMARC1 \t; p = reject ;", id="white space"),
        pytest.param("V=DMARC1; P=Reject", id="in any case"),
        pytest.param("v=DMARC1;; ;p=reject;;", id="empty tags"),
        pytest.param("v=DMARC1; x=y; p=reject", id="unknown tag"),
        pytest.param("v=DMARC1; rua; p=reject; =x; a b=c", id="no tags"),
        pytest.param("v=DMARC1; adkim=x; p=reject; aspf=; pct=x; psd=7; t=; fo=9", id="wrong values"),
        pytest.param("v=DMARC1; p=reject; p=none", id="twice: the first"),
        pytest.param("v=DMARC1; p=reject; rf=afrf; ri=86400", id="tags of RFC 7489 for reports"),
        pytest.param("v=DMARC1; rua=mailto:ä@example.org; p=reject", id="not ASCII"),
    ],
)
def test_4_8_what_is_wrong_beside_the_policy_is_ignored(text: str, mode: Mode) -> None:
    assert parsed(text, mode) == Record(Policy.REJECT)


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"v=spf1 -all",
        b"v=dmarc1; p=reject",
        b"v=DMARC2; p=reject",
        b"v=DMARC10; p=reject",
        b"v=DMARC1 p=reject",
        b"p=reject; v=DMARC1",
        b" v=DMARC1; p=reject",
        b"v=DMARC1,p=reject",
        b"\xffv=DMARC1",
    ],
)
def test_4_7_a_record_begins_with_its_version(octets: bytes, mode: Mode) -> None:
    assert parse_record(octets, mode) is None


@pytest.mark.parametrize(
    ("text", "p", "sp", "np"),
    [
        pytest.param("p=none", Policy.NONE, None, None, id="none"),
        pytest.param("p=quarantine", Policy.QUARANTINE, None, None, id="quarantine"),
        pytest.param(
            "sp=quarantine; p=reject", Policy.REJECT, Policy.QUARANTINE, None, id="sp, in any order"
        ),
        pytest.param("p=none; np=reject", Policy.NONE, None, Policy.REJECT, id="np"),
        pytest.param("", None, None, None, id="no p"),
        pytest.param("sp=reject", None, None, None, id="no p, but sp"),
        pytest.param("p=rejected", None, None, None, id="wrong p"),
        pytest.param("p=reject; sp=all", None, None, None, id="wrong sp"),
        pytest.param("p=reject; np=all", None, None, None, id="wrong np"),
        pytest.param("p=all; rua=mailto:a@b.test", Policy.NONE, None, None, id="wrong p, and rua"),
        pytest.param("rua=mailto:a@b.test", Policy.NONE, None, None, id="no p, but rua"),
        pytest.param("p=reject; sp=x; rua=mailto:a@b.test", Policy.NONE, None, None, id="wrong sp, and rua"),
        pytest.param("p=reject; np=x; sp=reject; rua=x:y", Policy.NONE, None, None, id="wrong np, and rua"),
        pytest.param("p=all; rua=mailto:nobody", None, None, None, id="wrong p, wrong rua"),
        pytest.param("p=all; ruf=mailto:a@b.test", None, None, None, id="wrong p, only ruf"),
    ],
)
def test_4_10_1_without_good_policies_rua_decides(
    text: str, p: Policy | None, sp: Policy | None, np: Policy | None
) -> None:
    record = parsed(f"v=DMARC1; {text}")
    assert (record.p, record.sp, record.np) == (p, sp, np)


def test_each_rfc_has_tags_of_its_own() -> None:
    text = "v=DMARC1; p=reject; np=none; psd=y; t=y; pct=7; adkim=s; aspf=S"
    tree = Record(Policy.REJECT, np=Policy.NONE, psd=Psd.YES, testing=True, strict_dkim=True, strict_spf=True)
    assert parsed(text, Mode.TREE) == tree
    assert parsed(text, Mode.PSL) == Record(Policy.REJECT, strict_dkim=True, strict_spf=True, pct=7)


def test_np_with_errors_is_nothing_to_rfc_7489() -> None:
    assert parsed("v=DMARC1; p=reject; np=x", Mode.PSL) == Record(Policy.REJECT)


@pytest.mark.parametrize(
    ("value", "pct"),
    [
        ("0", 0),
        ("007", 7),
        ("99", 99),
        ("100", 100),
        ("101", 100),
        ("-1", 100),
        ("1000", 100),
        ("²", 100),
        ("5%", 100),
    ],
)
def test_pct_is_a_number_up_to_100(value: str, pct: int) -> None:
    assert parsed(f"v=DMARC1; p=none; pct={value}", Mode.PSL).pct == pct


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ("0", "0"),
        ("1", "1"),
        ("1:d:s", "1ds"),
        ("D", "d"),
        ("d:0", "0d"),
        ("0:1", "0"),
        ("x", "0"),
        ("1:", "0"),
        ("d s", "0"),
    ],
)
def test_fo_is_a_list_of_options(value: str, options: str) -> None:
    assert parsed(f"v=DMARC1; p=none; ruf=mailto:a@b.test; fo={value}").fo == frozenset(options)


@pytest.mark.parametrize(
    ("value", "uris"),
    [
        pytest.param("mailto:a@b.test", ["mailto:a@b.test"], id="one"),
        pytest.param(
            "mailto:a@b.test , https://c.test/d?e", ["mailto:a@b.test", "https://c.test/d?e"], id="two"
        ),
        pytest.param("mailto:a@b.test?subject=x", ["mailto:a@b.test?subject=x"], id="with a subject"),
        pytest.param("mailto:%22a%2Cb%22@b.test", ["mailto:%22a%2Cb%22@b.test"], id="escaped"),
        pytest.param("MAILTO:a@b.test", ["MAILTO:a@b.test"], id="scheme in capitals"),
        pytest.param("a@b.test,mailto:,mailto:postmaster,mailto:@,:x,x:,,", [], id="none"),
        pytest.param("mailto:a b@c.test, mailto:a!b@c.test", [], id="not escaped"),
    ],
)
def test_rua_and_ruf_are_lists_of_uris(value: str, uris: list[str]) -> None:
    record = parsed(f"v=DMARC1; p=none; rua={value}; ruf={value}")
    assert list(record.rua) == list(record.ruf) == uris


@pytest.mark.parametrize("size", ["!10m", "!1", "!50K", "!2g", "!3T"])
def test_R_154_size_limits_of_reports_are_left_out(size: str) -> None:
    assert parsed(f"v=DMARC1; p=none; rua=mailto:a@b.test{size}").rua == ("mailto:a@b.test",)


def test_R_154_of_a_thousand_rua_addresses_the_first_are_kept() -> None:
    addresses = [f"mailto:a{number}@b.test" for number in range(1000)]
    record = parsed(f"v=DMARC1; p=reject; rua={','.join(addresses)}; sp=none")
    assert record.rua == tuple(addresses[:URIS_MAX])
    assert record.sp is Policy.NONE


def test_R_154_a_third_party_s_rua_is_no_reason_to_leave_the_policy() -> None:
    assert parsed("v=DMARC1; p=reject; rua=mailto:victim@third-party.test").p is Policy.REJECT


@pytest.mark.parametrize(
    "filler", [b";", b"a=b;", b"p", b"!", b",", b"rua=mailto:", b" ", b"p=reject;", b"%41", b":1"]
)
@pytest.mark.parametrize("before", [b"", b" p=reject; rua=mailto:", b" fo=1", b" pct="])
def test_R_154_a_txt_of_64_kib_is_read_in_bounds(before: bytes, filler: bytes) -> None:
    octets = (b"v=DMARC1;" + before + filler * 65_536)[:65_535]
    for mode in BOTH:
        record = parse_record(octets, mode)
        assert record is not None
        assert len(record.rua) <= URIS_MAX


TAGS = st.sampled_from(
    ["p", "sp", "np", "psd", "t", "adkim", "aspf", "rua", "ruf", "fo", "pct", "v", "x", ""]
)
VALUES = st.sampled_from(
    ["reject", "none", "y", "n", "u", "s", "1:d", "50", "mailto:a@b.test!9m,x:y", " ", "\xe4", "="]
)
TEXTS = st.lists(st.tuples(TAGS, VALUES | st.text(max_size=9)).map("=".join)).map("; ".join)


@given(st.binary() | TEXTS.map(str.encode), st.sampled_from(BOTH))
def test_whatever_it_is_it_is_read(octets: bytes, mode: Mode) -> None:
    parse_record(octets, mode)
    record = parse_record(b"v=DMARC1;" + octets, mode)
    assert record is not None
    assert record.p is not None or not record.rua
    assert record.p is not None or (record.sp, record.np) == (None, None)
    assert 0 <= record.pct <= 100
