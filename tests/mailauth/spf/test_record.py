from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.mailauth.spf.limits import RECORD_MAX
from posthouse.mailauth.spf.record import (
    All,
    Directive,
    Exists,
    Hosts,
    Include,
    Ip,
    Mechanism,
    Ptr,
    Record,
    parse_record,
    select_record,
)
from posthouse.mailauth.spf.result import PermError, Result

WRONG = (
    "all. all:a.example all/8 --all !all all- - + : / \tall all\r all\n moo ip5:1 1 v=spf1=% "
    "include include: include/8 include:a.example/8 includes:a.example include:org include:a..b.c.. "
    "exists exists: exists:a.example/8 exists/8 ptr/8 ptr: ptr:a.example/8 ptr. "
    "a/33 a//129 a/032 a/ a// a/24/64 a///64 a/24// a: a:/24 a/-1 a//1280 a/8:a.example a:b.example/ a:a.example:25 "
    "mx: mx:/24 mx:b.example/x mx. mx/33 mx//129 "
    "ip4 ip4: ip4/8 ip4:192.0.2 ip4:192.0.2.256 ip4:192.0.2.01 ip4:192.0.2.1/33 ip4:192.0.2.1/ ip4:192.0.2.1/08 "
    "ip4:192.0.2.1//32 ip4:::1 ip4:192.0.2.1/255.0.0.0 ip4:192.0.2.1:25 ip4:192.0.2.1\n "
    "ip6 ip6: ip6:192.0.2.1 ip6:::1/129 ip6:::1//64 ip6:::1%1 ip6:[::1] ip6:1:2 ip6:: ip6:::1/0128 "
    "1up=x =x -x=y x=% x=%{y} x=a\tb redirect redirect= redirect=org redirect:a.example redirect=%{r}.example "
    "exp= exp=a.. exp:a.b exp=%{c}.example"
).split(" ")


@pytest.mark.parametrize(
    ("term", "mechanism"),
    [
        ("all", All()),
        ("ALL", All()),
        ("include:a.example", Include(["a.example"])),
        ("exists:a.example", Exists(["a.example"])),
        ("ptr", Ptr(None)),
        ("ptr:a.example", Ptr(["a.example"])),
        ("a", Hosts(False, None, 32, 128)),
        ("A/0", Hosts(False, None, 0, 128)),
        ("a//0", Hosts(False, None, 32, 0)),
        ("a/24//64", Hosts(False, None, 24, 64)),
        ("mx", Hosts(True, None, 32, 128)),
        ("Mx:a.example/9//128", Hosts(True, ["a.example"], 9, 128)),
        ("a:b/24.example/24", Hosts(False, ["b/24.example"], 24, 128)),
        ("a:b//64.example", Hosts(False, ["b//64.example"], 32, 128)),
        ("ip4:192.0.2.1", Ip(ip_address("192.0.2.1"), 32)),
        ("ip4:0.0.0.0/0", Ip(ip_address("0.0.0.0"), 0)),
        ("ip6:2001:DB8::/32", Ip(ip_address("2001:db8::"), 32)),
        ("ip6:::ffff:192.0.2.1", Ip(ip_address("::ffff:192.0.2.1"), 128)),
    ],
)
def test_mechanisms(term: str, mechanism: Mechanism) -> None:
    assert parse_record(f"v=spf1 {term}") == Record([Directive(Result.PASS, mechanism, term)], None)


@pytest.mark.parametrize(
    ("qualifier", "result"),
    [("+", Result.PASS), ("-", Result.FAIL), ("?", Result.NEUTRAL), ("~", Result.SOFTFAIL)],
)
def test_qualifiers(qualifier: str, result: Result) -> None:
    assert parse_record(f"v=spf1  {qualifier}all ") == Record(
        [Directive(result, All(), f"{qualifier}all")], None
    )


@pytest.mark.parametrize("term", WRONG)
def test_a_wrong_term_makes_the_record_wrong_wherever_it_is(term: str) -> None:
    for text in (f"v=spf1 {term} all", f"v=spf1 all {term}"):
        with pytest.raises(PermError) as caught:
            parse_record(text)
        assert caught.value.reason.isascii()
        assert caught.value.reason.isprintable()


@pytest.mark.parametrize(
    "term", ["x=", "x-_.9=%{c}/:=?", "Default=pass", "v=spf1", "all=x", "exp1=-all", "a=b%%%_"]
)
def test_unknown_modifiers_are_left_out(term: str) -> None:
    assert parse_record(f"v=spf1 {term} {term}") == Record([], None)


def test_redirect_and_exp_are_known_in_any_case_and_only_once() -> None:
    assert parse_record("v=spf1 REDIRECT=a.example exp=b.example") == Record([], ["a.example"])
    for name in ("redirect", "exp"):
        with pytest.raises(PermError, match="twice"):
            parse_record(f"v=spf1 {name}=a.example all {name.upper()}=a.example")


@pytest.mark.parametrize(
    ("texts", "record"),
    [
        ([], None),
        (
            [b"", b"v=spf10", b"v=spf1\t-all", b" v=spf1 -all", b"v=spf2.0/pra all", b"\xff", b"v=spf1-all"],
            None,
        ),
        ([b"x", b"v=spf1"], "v=spf1"),
        ([b"V=SPF1 -all", b"v=spf10 \xff"], "V=SPF1 -all"),
        ([b"v=spf1" + b" " * (RECORD_MAX - 6)], "v=spf1" + " " * (RECORD_MAX - 6)),
    ],
)
def test_the_record_is_chosen_by_its_version(texts: list[bytes], record: str | None) -> None:
    assert select_record(texts) == record


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([b"v=spf1", b"V=spf1 all"], id="two"),
        pytest.param([b"v=spf1 a:\xc3\xbc.example"], id="not ASCII"),
        pytest.param([b"v=spf1" + b" " * (RECORD_MAX - 5)], id="too long"),
    ],
)
def test_records_that_cannot_be_chosen(texts: list[bytes]) -> None:
    with pytest.raises(PermError):
        select_record(texts)


@given(st.binary(max_size=200) | st.text("-+?~:/=%{}.0189aclmxptripins ", max_size=100).map(str.encode))
def test_any_record_is_read_or_refused(data: bytes) -> None:
    try:
        text = select_record([b"v=spf1 " + data])
        assert text is not None
        record = parse_record(text)
    except PermError:
        return
    assert [directive.text for directive in record.directives] == [
        term for term in text.split(" ")[1:] if term and "=" not in term.partition(":")[0].partition("/")[0]
    ]
