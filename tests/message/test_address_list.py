"""Lists of addresses in header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.address_list import (
    ADDRESSES_MAX,
    FAULTY_DOMAIN,
    GROUP_END,
    MISSING_DOMAIN,
    MISSING_LOCAL_PART,
    Address,
    _any,
    parse_address_list,
)


def plain(address: str, name: str = "", route: str = "") -> Address:
    local_part, _, domain = address.rpartition("@")
    return Address(name.encode(), route.encode(), local_part.encode(), domain.encode())


def group(name: str) -> Address:
    return Address(b"", b"", name.encode(), None)


NOBODY = Address(b"", b"", MISSING_LOCAL_PART, MISSING_DOMAIN)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("", []),
        (" , ,", []),
        ("ann@example.org", [plain("ann@example.org")]),
        ("Ann Example <ann@example.org>", [plain("ann@example.org", "Ann Example")]),
        ("Ann\t  Example\r\n  <ann@example.org>\r\n", [plain("ann@example.org", "Ann Example")]),
        ('"Example, Ann" <ann@example.org>', [plain("ann@example.org", "Example, Ann")]),
        (r'"A \"q\" \\ B" <a@b>', [plain("a@b", r'A "q" \ B')]),
        ('"" <a@b>', [plain("a@b")]),
        ("<a@b>,c@d , E <e@f>", [plain("a@b"), plain("c@d"), plain("e@f", "E")]),
        ("A. B. C <a@b>", [plain("a@b", "A. B. C")]),
        ("ann@example.org (Ann (A.) Example)", [plain("ann@example.org", "Ann (A.) Example")]),
        ("(c) <a@b>", [plain("a@b", "c")]),
        ("Ann (c) E <a@b> (d)", [plain("a@b", "Ann E")]),
        ("a(c)@b", [plain("a@b", "c")]),
        ("a . b @ c . d", [plain("a.b@c.d")]),
        ("a@[192.0.2.1]", [plain("a@[192.0.2.1]")]),
        ("Ann [x] <a@b>", [plain("a@b", "Ann [x]")]),
        (r'"x y\"z"@b', [plain('x y"z@b')]),
        ('"a"."b"@c', [plain("a.b@c")]),
        ("<@r1,@r2:a@b>, c@d", [plain("a@b", route="@r1,@r2"), plain("c@d")]),
        ("=?utf-8?q?a?= =?utf-8?q?b?= <a@b>", [plain("a@b", "=?utf-8?q?a?= =?utf-8?q?b?=")]),
        ("änn@exämple.org", [plain("änn@exämple.org")]),
        ("Ann <a@b>;", [plain("a@b", "Ann")]),
    ],
)
def test_lists_of_addresses(value: str, addresses: list[Address]) -> None:
    assert parse_address_list(value.encode()) == addresses


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("g:;", [group("g"), GROUP_END]),
        ("undisclosed recipients: ;", [group("undisclosed recipients"), GROUP_END]),
        (
            '"g, h": a@b, C <c@d>;, e@f',
            [group("g, h"), plain("a@b"), plain("c@d", "C"), GROUP_END, plain("e@f")],
        ),
        ("a@b, g: c@d", [plain("a@b"), group("g"), plain("c@d"), GROUP_END]),
        (": a@b;", [group(""), plain("a@b"), GROUP_END]),
    ],
)
def test_R_133_groups_begin_and_end(value: str, addresses: list[Address]) -> None:
    assert parse_address_list(value.encode()) == addresses


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        pytest.param("a@b@c", [Address(b"", b"", b"a", FAULTY_DOMAIN)], id="two at signs"),
        pytest.param("<a@b@c>", [Address(b"", b"", b"a", FAULTY_DOMAIN)], id="two at signs in brackets"),
        pytest.param("a@b c@d", [Address(b"", b"", b"a", FAULTY_DOMAIN)], id="two addresses, no comma"),
        pytest.param("a@b:c", [Address(b"", b"", b"a", FAULTY_DOMAIN)], id="colon in the domain"),
        pytest.param("Ann <a@b", [Address(b"Ann", b"", b"a", FAULTY_DOMAIN)], id="no end"),
        pytest.param("<a@b> <c@d>", [plain("a@b")], id="two in brackets"),
        pytest.param("Ann <a@b> x, c@d", [plain("a@b", "Ann"), plain("c@d")], id="behind the brackets"),
        pytest.param(
            "a b@c", [Address(b"a b", b"", MISSING_LOCAL_PART, MISSING_DOMAIN)], id="blank before @"
        ),
        pytest.param("Ann, <a@b>", [Address(b"", b"", b"Ann", MISSING_DOMAIN), plain("a@b")], id="no domain"),
        pytest.param("Foo Bar", [Address(b"Foo Bar", b"", MISSING_LOCAL_PART, MISSING_DOMAIN)], id="words"),
        pytest.param("<>", [NOBODY], id="empty brackets"),
        pytest.param("@", [NOBODY], id="only @"),
        pytest.param('"x <a@b>', [NOBODY._replace(name=b"x <a@b>")], id="unclosed quote"),
        pytest.param('"a\\', [NOBODY._replace(name=b"a \\")], id="unclosed quote and backslash"),
        pytest.param("a@b, (x, c@d", [plain("a@b")], id="unclosed comment"),
        pytest.param("a@b (x\\), c@d", [plain("a@b", "x), c@d")], id="escaped end of a comment"),
        pytest.param(
            "=?utf-8?q?a,?= <a@b>",
            [Address(b"", b"", b"=?utf-8?q?a", MISSING_DOMAIN), plain("a@b", "?=")],
            id="comma in an encoded word",
        ),
    ],
)
def test_R_134_faults_move_no_domain(value: str, addresses: list[Address]) -> None:
    assert parse_address_list(value.encode()) == addresses


def test_R_133_a_long_list_is_cut() -> None:
    addresses = parse_address_list(b"ann@example.org,\r\n " * 50_000)
    assert addresses == [plain("ann@example.org")] * ADDRESSES_MAX
    assert parse_address_list(b"x," * 50_000) == [Address(b"", b"", b"x", MISSING_DOMAIN)] * ADDRESSES_MAX


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"(" * 20_000 + b"a@b", id="comments without end"),
        pytest.param(b"(" * 20_000 + b")" * 20_000 + b"a@b", id="nested comments"),
        pytest.param(b"()" * 20_000 + b"a@b", id="many comments"),
        pytest.param(b'"' + b'\\"' * 100_000, id="unclosed quote"),
        pytest.param(b'\\"' * 100_000, id="escaped quotes"),
        pytest.param(b"<" + b"@a," * 50_000, id="source route"),
        pytest.param(b"<" * 50_000, id="brackets"),
        pytest.param(b"a " * 50_000 + b"@b", id="words"),
        pytest.param(b"g:" * 50_000, id="groups"),
        pytest.param(b"g:;" * 50_000, id="empty groups"),
        pytest.param(b"[" * 50_000, id="domain literals"),
    ],
)
def test_R_133_hostile_lists_are_read(value: bytes) -> None:
    addresses = parse_address_list(value)
    assert len(addresses) <= ADDRESSES_MAX
    assert sum(len(address.name) + len(address.local_part or b"") for address in addresses) <= len(value)


ODD = (
    st.lists(st.sampled_from([*'"(),:;<>@[]\\. ', "\r\n ", "ab", "c", "ä"]), max_size=30)
    .map("".join)
    .map(str.encode)
)


@given(st.binary(max_size=80) | ODD)
def test_R_142_any_octets_are_a_list(value: bytes) -> None:
    marks = [address for address in parse_address_list(value) if address.domain is None]
    assert all(mark == GROUP_END for mark in marks[1::2])
    assert all(mark.local_part is not None for mark in marks[::2])
    assert len(marks) % 2 == 0


@given(
    ODD
    | st.lists(st.sampled_from(["ann@x.org", " A B <a@b>", '"Q, R" <q@r>', ", ", "g:", ";"]))
    .map("".join)
    .map(str.encode)
)
def test_usual_lists_are_read_like_odd_ones(value: bytes) -> None:
    assert parse_address_list(value) == list(_any(value, 0))
